// What is done to keys and values after they were stored: reading them back, turning keys to other
// positions, wiping. kv_view.h draws the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/context.h"
#include "tensor/kv_view.h"
#include "tensor/ops.h"

namespace minim {

// Where the groups of a head lie in a block.
struct KvHead {
  int layer = 0;
  int kv_head = 0;
};

// The keys of one group of 16 tokens as floats. rows: [16, head_dim].
void load_keys(const KvLayout& layout, const KvHead& head, int group, const std::byte* block,
               float* rows);

// Turns the keys of all tokens of `blocks` in one layer by `positions`, which may be negative: what
// was stored for position p becomes what p + positions would have been. Coded caches are rounded
// once more. `table` is that of the layer; its magnitude is in the keys already.
void turn_keys(const Context& context, const KvLayout& layout, int layer, const RopeTable& table,
               int32_t positions, std::span<std::byte* const> blocks);

// Wipes tokens [first, block_tokens) of a block in all layers.
void clear_tokens(const KvLayout& layout, int first, std::byte* block);

}  // namespace minim
