// Errors: typed exceptions for jobs that cannot go on, aborting checks for our own bugs.
#pragma once

#include <stdexcept>
#include <string>

namespace minim {

// Stable: the numbers are part of the C ABI (the exit codes of the command line: cli/exit_code.h).
enum class ErrorCode {
  kInvalidArgument = 1,  // the caller asked for something that makes no sense
  kNotFound = 2,         // a file, a tensor, a preset that is not there
  kIo = 3,               // the operating system refused a read or a write
  kFormat = 4,           // a file or a text that breaks its own format
  kUnsupported = 5,      // well formed, but not something that minim can do
  kLimit = 6,            // a bound on memory, size, steps or depth was reached
  kCancelled = 7,        // the user asked to stop
};

// "format", "not found", ...: for messages and JSON.
const char* error_code_name(ErrorCode code);

// A message says what was wrong, where, and what to do:
// "gguf: tensor 'blk.3.attn_q.weight' ends past the end of the file".
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace minim

// Our own bugs. Bytes from outside never reach one of these.
#define MINIM_CHECK(condition) \
  ((condition) ? void(0) : ::minim::check_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define MINIM_DCHECK(condition) void(sizeof(!(condition)))
#else
#define MINIM_DCHECK(condition) MINIM_CHECK(condition)
#endif
