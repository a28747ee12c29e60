// Figures of an evaluation in words, the same in every table and page.
#pragma once

#include <string>

#include "eval/task_run.h"

namespace minim::cli {

// The name of a task, and how it was asked where that is not as usual.
std::string title_of(const TaskResult& task);
// Whether its values are between 0 and 1, and shown as per cent.
bool is_share(Metric metric);
std::string format_value(Metric metric, double value);
std::string format_interval(Metric metric, const Interval& interval);
// value - other, with its sign.
std::string format_change(Metric metric, double change);
// What the figures do not say: bytes and stride of texts, items that did not fit. Lines.
std::string format_notes(const TaskResult& task);

}  // namespace minim::cli
