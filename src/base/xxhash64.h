// XXH64 (Collet, 2012): a fast 64-bit checksum. It finds damage and tells things apart; it proves
// nothing against somebody who wants two inputs to agree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace minim {

class XxHash64 {
 public:
  explicit XxHash64(uint64_t seed = 0);

  // However the input is cut, the digest is the same.
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  // The bytes of a number, or of another type without padding.
  template <typename T>
  void update_value(const T& value) {
    update(std::as_bytes(std::span(&value, 1)));
  }

  // Of all that was given so far.
  uint64_t digest() const;

 private:
  void take_stripe(const std::byte* stripe);

  uint64_t seed_;
  std::array<uint64_t, 4> lanes_;
  std::array<std::byte, 32> rest_;  // less than a stripe
  size_t rest_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace minim
