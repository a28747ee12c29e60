// Exit codes, the same for every command; `minim --help` lists them.
#pragma once

#include "base/error.h"

namespace minim::cli {

constexpr int kExitOk = 0;
constexpr int kExitFailure = 1;  // a bug, or out of memory
constexpr int kExitUsage = 2;

constexpr int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return kExitUsage;
    case ErrorCode::kNotFound: return 3;
    case ErrorCode::kIo: return 4;
    case ErrorCode::kFormat: return 5;
    case ErrorCode::kUnsupported: return 6;
    case ErrorCode::kLimit: return 7;
    case ErrorCode::kCancelled: return 130;  // as the shell reports Ctrl-C
  }
  return kExitFailure;
}

}  // namespace minim::cli
