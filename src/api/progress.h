// Progress on its way out: the library's reports become calls of a C function.
#pragma once

#include <string>

#include "base/progress.h"
#include "minim/minim.h"

namespace minim::api {

inline ProgressSink progress_sink(minim_progress_function function, void* user) {
  if (function == nullptr) return {};
  return [function, user](const Progress& progress) {
    return function(user, std::string(progress.stage).c_str(), progress.done, progress.total,
                    std::string(progress.unit).c_str()) != 0;
  };
}

}  // namespace minim::api
