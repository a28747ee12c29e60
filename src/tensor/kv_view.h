// The keys and values of one sequence, as attention sees them: fixed-size blocks of tokens that
// somebody else owns, so that sequences can share the blocks of a common prefix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/data_type.h"
#include "kernels/kernel_table.h"

namespace minim {

// What a cache can be: f32, f16, q8_0 (8.5 bits a value) and q4_0 (4.5 bits).
constexpr bool is_cache_type(DataType type) {
  return type == DataType::kF32 || type == DataType::kF16 || type == DataType::kQ8_0 ||
         type == DataType::kQ4_0;
}

// The layout of a block: [layer][key, value][kv_head][group of 16 tokens], the last group of a
// block padded. A group of keys lies column by column, one of values row by row:
//
//   type        keys                              values
//   f32, f16    [column][token]                   [token][column]
//   q8_0        [four columns][token][column]     [token][column]
//   q4_0        [eight columns][token][column]    [token][block of 32][16 bytes]
//
// Of q8_0 and q4_0 the columns are padded to blocks of 32, each with a scale: after the codes of a
// group come its scales, [block][token] in half precision. A value is scale * code, or
// scale * (code - 8) of four bits; key codes of q8_0 are stored as code + 128. Of the bytes with
// two codes, those of keys hold columns i and i + 4 of eight, those of values i and i + 16 of 32,
// the first in the low half.
struct KvLayout {
  DataType type = DataType::kF16;  // REQUIRES: is_cache_type(type)
  int layer_count = 0;
  int kv_head_count = 0;
  int head_dim = 0;
  int block_tokens = 32;

  bool operator==(const KvLayout&) const = default;

  // Of the keys, or of the values, of 16 tokens of one head.
  size_t group_bytes() const {
    const auto values = static_cast<size_t>(head_dim);
    if (type == DataType::kF32) return values * 4 * kernels::kCacheGroupTokens;
    if (type == DataType::kF16) return values * 2 * kernels::kCacheGroupTokens;
    const size_t block_bytes = type == DataType::kQ8_0 ? 34 : 18;
    return (values + 31) / 32 * block_bytes * kernels::kCacheGroupTokens;
  }
  // What a token takes of the keys, or of the values, of one head.
  size_t row_bytes() const { return group_bytes() / kernels::kCacheGroupTokens; }
  size_t head_bytes() const {
    constexpr int kGroup = kernels::kCacheGroupTokens;
    return group_bytes() * static_cast<size_t>((block_tokens + kGroup - 1) / kGroup);
  }
  size_t plane_bytes() const { return head_bytes() * static_cast<size_t>(kv_head_count); }
  size_t block_bytes() const { return plane_bytes() * 2 * static_cast<size_t>(layer_count); }

  // Where in a block the groups of one head begin.
  size_t key_offset(int layer, int kv_head) const {
    return plane_bytes() * 2 * static_cast<size_t>(layer) +
           head_bytes() * static_cast<size_t>(kv_head);
  }
  size_t value_offset(int layer, int kv_head) const {
    return key_offset(layer, kv_head) + plane_bytes();
  }
};

struct KvView {
  const KvLayout* layout = nullptr;
  std::span<std::byte* const> blocks;  // block i holds tokens [i, i + 1) * block_tokens
};

}  // namespace minim
