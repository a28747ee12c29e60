// Progress of long work, reported to whoever started it. Returning false asks the work to stop,
// which then throws Error(kCancelled) at the next safe place.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/error.h"

namespace minim {

struct Progress {
  std::string_view stage;  // "converting", "quantizing"
  uint64_t done = 0;
  uint64_t total = 0;     // 0: unknown
  std::string_view unit;  // "bytes", "tokens"
};

using ProgressSink = std::function<bool(const Progress&)>;

inline void report_progress(const ProgressSink& sink, const Progress& progress) {
  if (sink && !sink(progress)) throw Error(ErrorCode::kCancelled, "stopped on request");
}

}  // namespace minim
