// A cursor over untrusted little-endian bytes: every step is checked against what is left.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace minim {

static_assert(std::endian::native == std::endian::little, "every format here is little-endian");

// `text` for a message: control characters, those that turn the direction of writing, and broken
// UTF-8 escaped; cut after `bytes_max` bytes.
std::string printable(std::string_view text, size_t bytes_max = 100);

class ByteReader {
 public:
  // `origin` opens every message ("gguf"); both arguments must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, const char* origin)
      : bytes_(bytes), origin_(origin) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  // `what` names the field in the kFormat error thrown where the bytes end before it does.
  template <typename T>
  requires std::integral<T> || std::floating_point<T> T read(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take(uint64_t count, const char* what) {
    if (count > remaining()) throw_truncated(count, what);
    const auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }

  std::string_view take_text(uint64_t count, const char* what) {
    const auto part = take(count, what);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

 private:
  [[noreturn]] void throw_truncated(uint64_t count, const char* what) const;

  std::span<const std::byte> bytes_;
  const char* origin_;
  size_t position_ = 0;
};

// Bounds what a reader builds in memory by what the file could need. Sizes are estimates with the
// allocator's overhead in them.
class MemoryBudget {
 public:
  MemoryBudget(uint64_t bytes_max, const char* origin) : left_(bytes_max), origin_(origin) {}
  // Throws kLimit where `count` more entries of `bytes_each` do not fit.
  void charge(uint64_t count, uint64_t bytes_each);
  // What a string allocates beside its object.
  void charge_string(uint64_t length);

 private:
  uint64_t left_;
  const char* origin_;
};

}  // namespace minim
