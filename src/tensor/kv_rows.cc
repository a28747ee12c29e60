#include "tensor/kv_rows.h"

#include <cstring>

#include "base/half.h"
#include "kernels/kernel_table.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

constexpr int kGroup = kernels::kCacheGroupTokens;
constexpr int kCodeBlock = 32;  // values that share a scale

int group_count(const KvLayout& layout) { return (layout.block_tokens + kGroup - 1) / kGroup; }

int code_blocks(const KvLayout& layout) { return (layout.head_dim + kCodeBlock - 1) / kCodeBlock; }

// Bytes of codes in a group; the scales follow.
size_t code_bytes(const KvLayout& layout) {
  const size_t values = static_cast<size_t>(code_blocks(layout)) * kCodeBlock * kGroup;
  return layout.type == DataType::kQ8_0 ? values : values / 2;
}

bool is_coded(DataType type) { return type == DataType::kQ8_0 || type == DataType::kQ4_0; }

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// The code of one column of one token of a group of keys, less its bias.
int key_code(DataType type, const std::byte* group, int token, int column) {
  if (type == DataType::kQ8_0) {
    return load<uint8_t>(group + (column / 4 * kGroup + token) * 4 + column % 4) - 128;
  }
  const auto both = load<uint8_t>(group + (column / 8 * kGroup + token) * 4 + column % 4);
  return (column % 8 < 4 ? both & 15 : both >> 4) - 8;
}

void load_coded_keys(const KvLayout& layout, const std::byte* group, float* rows) {
  const std::byte* scales = group + code_bytes(layout);
  for (int token = 0; token < kGroup; ++token) {
    float* row = rows + token * layout.head_dim;
    for (int column = 0; column < layout.head_dim; ++column) {
      const auto bits = load<uint16_t>(scales + (column / kCodeBlock * kGroup + token) * 2);
      row[column] =
          half_to_float(bits) * static_cast<float>(key_code(layout.type, group, token, column));
    }
  }
}

// Rows of one group, stored as the cache stores them. `memory` takes the keys and as much again.
void store_rows(const Context& context, const KvLayout& layout, const float* rows,
                std::byte* memory) {
  kernels::CacheStoreSlice slice;
  slice.cache_type = layout.type;
  slice.blocks = &memory;
  slice.block_tokens = kGroup;
  slice.group_bytes = layout.group_bytes();
  slice.key_offset = 0;
  slice.value_offset = layout.group_bytes();  // stored too, and dropped
  slice.head_dim = layout.head_dim;
  slice.tokens = kGroup;
  slice.keys = slice.values = rows;
  slice.key_stride = slice.value_stride = layout.head_dim;
  context.kernels.store_in_cache(slice);
}

// `elements` elements of `bytes` bytes, a token's first at `token` * `token_stride`.
struct TokenBytes {
  size_t offset;
  size_t token_stride;
  size_t elements;
  size_t element_stride;
  size_t bytes;
};

void clear(const TokenBytes& place, int first, std::byte* group) {
  for (int token = first; token < kGroup; ++token) {
    std::byte* at = group + place.offset + static_cast<size_t>(token) * place.token_stride;
    for (size_t i = 0; i < place.elements; ++i, at += place.element_stride) {
      std::memset(at, 0, place.bytes);
    }
  }
}

void clear_group(const KvLayout& layout, bool keys, int first, std::byte* group) {
  const auto columns = static_cast<size_t>(layout.head_dim);
  if (!is_coded(layout.type)) {
    const size_t bytes = layout.type == DataType::kF32 ? 4 : 2;
    return keys ? clear({0, bytes, columns, kGroup * bytes, bytes}, first, group)
                : clear({0, columns * bytes, 1, 0, columns * bytes}, first, group);
  }
  const size_t row_bytes = code_bytes(layout) / kGroup;
  clear({code_bytes(layout), 2, static_cast<size_t>(code_blocks(layout)), kGroup * 2, 2}, first,
        group);
  return keys ? clear({0, 4, row_bytes / 4, kGroup * 4, 4}, first, group)
              : clear({0, row_bytes, 1, 0, row_bytes}, first, group);
}

}  // namespace

void load_keys(const KvLayout& layout, const KvHead& head, int group, const std::byte* block,
               float* rows) {
  const std::byte* keys = block + layout.key_offset(head.layer, head.kv_head) +
                          static_cast<size_t>(group) * layout.group_bytes();
  if (is_coded(layout.type)) return load_coded_keys(layout, keys, rows);
  for (int column = 0; column < layout.head_dim; ++column) {
    for (int token = 0; token < kGroup; ++token) {
      const int at = column * kGroup + token;
      rows[token * layout.head_dim + column] = layout.type == DataType::kF32
                                                   ? load<float>(keys + 4 * at)
                                                   : half_to_float(load<uint16_t>(keys + 2 * at));
    }
  }
}

void turn_keys(const Context& context, const KvLayout& layout, int layer, const RopeTable& table,
               int32_t positions, std::span<std::byte* const> blocks) {
  const auto pairs = static_cast<int64_t>(table.frequencies.size());
  require_shape(layer >= 0 && layer < layout.layer_count, "turn_keys: layer {} of {}", layer,
                layout.layer_count);
  require_shape(2 * pairs <= layout.head_dim, "turn_keys: {} pairs in heads of {}", pairs,
                layout.head_dim);
  const size_t row_values = static_cast<size_t>(layout.head_dim) * kGroup;
  auto run_one = [&](int64_t task) {
    std::byte* block = blocks[static_cast<size_t>(task / layout.kv_head_count)];
    const KvHead head{layer, static_cast<int>(task % layout.kv_head_count)};
    float* rows = task_scratch().floats(row_values + layout.group_bytes() / 2);
    auto* stored = reinterpret_cast<std::byte*>(rows + row_values);
    const kernels::RopeSlice slice{.x = rows,
                                   .head_count = kGroup,
                                   .head_dim = layout.head_dim,
                                   .frequencies = table.frequencies.data(),
                                   .pair_count = static_cast<int>(pairs),
                                   .position = static_cast<float>(positions),
                                   .pairing = table.pairing};
    for (int group = 0; group < group_count(layout); ++group) {
      load_keys(layout, head, group, block, rows);
      context.kernels.rope(slice);
      store_rows(context, layout, rows, stored);
      std::memcpy(block + layout.key_offset(layer, head.kv_head) +
                      static_cast<size_t>(group) * layout.group_bytes(),
                  stored, layout.group_bytes());
    }
  };
  context.threads.run(static_cast<int64_t>(blocks.size()) * layout.kv_head_count, run_one);
}

void clear_tokens(const KvLayout& layout, int first, std::byte* block) {
  for (int layer = 0; layer < layout.layer_count; ++layer) {
    for (int head = 0; head < layout.kv_head_count; ++head) {
      for (int group = first / kGroup; group < group_count(layout); ++group) {
        const int in_group = first > group * kGroup ? first - group * kGroup : 0;
        const size_t offset = static_cast<size_t>(group) * layout.group_bytes();
        clear_group(layout, true, in_group, block + layout.key_offset(layer, head) + offset);
        clear_group(layout, false, in_group, block + layout.value_offset(layer, head) + offset);
      }
    }
  }
}

}  // namespace minim
