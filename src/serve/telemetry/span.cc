#include "serve/telemetry/span.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>

#include "base/rng.h"
#include "base/system_random.h"
#include "base/xxhash64.h"

namespace minim::serve {
namespace {

constexpr size_t kParentSize = 55;  // 00-32 digits-16 digits-2 digits
constexpr size_t kStateMax = 512;

std::optional<uint64_t> read_hex(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    // Capital letters are not allowed there.
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  }
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

bool read_parent(std::string_view header, TraceContext& context) {
  if (header.size() < kParentSize || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return false;
  }
  const auto version = read_hex(header.substr(0, 2));
  const auto high = read_hex(header.substr(3, 16));
  const auto low = read_hex(header.substr(19, 16));
  const auto parent = read_hex(header.substr(36, 16));
  const auto flags = read_hex(header.substr(53, 2));
  if (!version || !high || !low || !parent || !flags || *version == 0xff) return false;
  if ((*high == 0 && *low == 0) || *parent == 0) return false;
  if (*version == 0 ? header.size() != kParentSize
                    : header.size() > kParentSize && header[kParentSize] != '-') {
    return false;
  }
  context.trace[0] = *high;
  context.trace[1] = *low;
  context.parent = *parent;
  context.sampled = (*flags & 1) != 0;
  return true;
}

uint64_t not_zero(uint64_t value) { return value == 0 ? 1 : value; }

}  // namespace

TraceContext trace_context_of(const HttpRequest& request) {
  XxHash64 hash;
  hash.update(request.id);
  const uint64_t seed = hash.digest();
  TraceContext context;
  context.span = not_zero(mix_bits(seed + 1));
  const auto parent = request.header("traceparent");
  if (parent && read_parent(*parent, context)) {
    const auto state = request.header("tracestate");
    if (state && state->size() <= kStateMax) context.state = *state;
    return context;
  }
  context.trace[0] = not_zero(mix_bits(seed + 2));
  context.trace[1] = mix_bits(seed + 3);
  return context;
}

TraceContext child_of(const TraceContext& context) {
  thread_local uint64_t state = system_random();
  TraceContext child = context;
  child.parent = context.span;
  child.span = not_zero(mix_bits(++state));
  return child;
}

int64_t unix_nanoseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace minim::serve
