// An evaluation as one self-contained HTML page: a bar with its interval for each figure, and
// answers to look at.
#pragma once

#include <string>
#include <vector>

#include "cli/eval/eval_result.h"

namespace minim::cli {

// Of one model, or of two or more side by side: figures that the first has. REQUIRES: at least one.
std::string format_eval_page(const std::vector<const EvalResult*>& results);

}  // namespace minim::cli
