#include "runtime/overflow.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace minim {

ContextShift plan_shift(const ShiftOptions& options, const ShiftPlace& place) {
  // Written so that NaN fails.
  if (options.sinks < 0 || !(options.drop_share > 0.0 && options.drop_share <= 1.0)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("context shift: {} first tokens and a share of {}; the first must not "
                            "be negative, the second is above 0 and at most 1",
                            options.sinks, options.drop_share));
  }
  if (place.first_slot > 0) return {0, place.first_slot};
  // No further than the length, so that nothing overflows.
  const int64_t sinks = std::min(options.sinks, place.length);
  const int64_t kept_blocks = (sinks + place.block_tokens - 1) / place.block_tokens;
  const int64_t kept = kept_blocks * place.block_tokens;
  const int64_t blocks = (place.length - kept) / place.block_tokens;
  if (blocks < 1) {
    throw Error(ErrorCode::kLimit,
                fmt::format("context shift: {} tokens are too few to keep the first {} in blocks "
                            "of {} and drop others; use a longer context",
                            place.length, options.sinks, place.block_tokens));
  }
  const auto wanted =
      static_cast<int64_t>(std::llround(options.drop_share * static_cast<double>(blocks)));
  return {kept, std::clamp<int64_t>(wanted, 1, blocks) * place.block_tokens};
}

}  // namespace minim
