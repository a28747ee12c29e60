// What happens when a text outgrows the context: the caller's choice, and never silently.
#pragma once

#include <cstdint>

namespace minim {

enum class OverflowPolicy {
  kError,  // throw kLimit
  kStop,   // end the generation; a prompt that does not fit is an error
  kShift,  // drop tokens from the middle and go on
};

struct ShiftOptions {
  // First tokens that stay, because models put attention there that has no other place to go (Xiao
  // et al., 2024); rounded up to whole blocks of 32.
  int64_t sinks = 4;
  // Of what follows them, how much is dropped at once, the oldest first; in whole blocks, at least
  // one.
  double drop_share = 0.5;
  // Read again what stays, as if it were all that was ever said. Slower: what stays is a prompt
  // again. Without, its keys are turned to their new places, and it still knows of what is gone.
  // Models with learned positions always read again.
  bool reread = false;
};

// What was dropped: tokens [kept, kept + dropped) of those in the context.
struct ContextShift {
  int64_t kept = 0;
  int64_t dropped = 0;
};

struct ShiftPlace {
  int64_t length = 0;      // tokens in the context
  int64_t first_slot = 0;  // those before it were forgotten: they go first, and sinks with them
  int64_t block_tokens = 0;
};
// Throws kInvalidArgument for options that make no sense, kLimit where nothing can be dropped
// because what shall stay fills the context.
ContextShift plan_shift(const ShiftOptions& options, const ShiftPlace& place);

}  // namespace minim
