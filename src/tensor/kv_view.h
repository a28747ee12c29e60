// The keys and values of one sequence, as attention sees them: fixed-size blocks of tokens that
// somebody else owns, so that sequences can share the blocks of a common prefix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/data_type.h"

namespace minim {

// The layout of a block: [layer][key, value][kv_head][token in block][head_dim].
struct KvLayout {
  DataType type = DataType::kF16;  // kF32 or kF16
  int layer_count = 0;
  int kv_head_count = 0;
  int head_dim = 0;
  int block_tokens = 32;

  size_t row_bytes() const { return *data_type_bytes(type, static_cast<uint64_t>(head_dim)); }
  size_t head_bytes() const { return row_bytes() * static_cast<size_t>(block_tokens); }
  size_t plane_bytes() const { return head_bytes() * static_cast<size_t>(kv_head_count); }
  size_t block_bytes() const { return plane_bytes() * 2 * static_cast<size_t>(layer_count); }

  // Where in a block the rows of one head begin; row t is t * row_bytes() further.
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
