// What an evaluation found: stored as JSON, shown as a table, compared with another.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "eval/task_run.h"

namespace minim::cli {

struct EvalResult {
  std::string model;   // its name, or its file's
  std::string sha256;  // of its file; empty: a folder
  uint64_t bytes = 0;
  uint64_t parameters = 0;
  std::string version;  // of minim
  int64_t limit = 0;
  std::vector<TaskResult> tasks;
};

enum class EvalFormat { kText, kMarkdown, kHtml, kJson };

void save_eval_result(const EvalResult& result, const Path& path);
OrderedJson eval_result_json(const EvalResult& result);
// Throws kFormat for what is no such file, kUnsupported for one of a later version.
EvalResult load_eval_result(const Path& path);

// A row for each metric: items, value, 95 % interval.
std::string format_eval_result(const EvalResult& result, EvalFormat format);

// The metrics that both have, side by side; of shares also how many items changed sides.
std::string format_comparison(const EvalResult& first, const EvalResult& second, EvalFormat format);

}  // namespace minim::cli
