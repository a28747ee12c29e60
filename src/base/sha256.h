// SHA-256 (FIPS 180-4): what tells apart whether a file is the one that somebody published.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace minim {

class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  // Of everything added, in 64 hexadecimal digits. REQUIRES: called once, and last.
  std::string finish();

 private:
  void add_block(const std::byte* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> rest_ = {};  // bytes that fill no block yet
  size_t rest_count_ = 0;
  uint64_t byte_count_ = 0;
};

}  // namespace minim
