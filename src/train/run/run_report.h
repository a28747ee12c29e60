// One HTML page about a run: curves, settings, what happened. It needs nothing but itself.
#pragma once

#include <string>

#include "train/run/run_log.h"

namespace minim::train {

// Self-contained: inline SVG, no script, nothing from outside.
std::string format_run_report(const RunHistory& history);

}  // namespace minim::train
