// How rows of keys and values get into a cache.
#pragma once

#include "kernels/attention_cache.inl.h"
#include "kernels/rows.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// One block of a row, zeros past its end, as codes.
struct CodedBlock {
  HalfBits scale;
  int8_t codes[kCodeBlock];
};

// The nearest half, saturating; NaN stays NaN, so that it shows where it came from.
MINIM_INLINE HalfBits saturated_half(float scale) {
  const float limited = scale > 65504.0f ? 65504.0f : scale < -65504.0f ? -65504.0f : scale;
  HalfBits bits[V::kLanes];
  V::store_half(bits, V::set(limited));
  return bits[0];
}

MINIM_INLINE float code_inverse(HalfBits scale, float exact) {
  return (scale & 0x7fffu) == 0 ? 0.0f : 1.0f / exact;
}

// Symmetric, the largest magnitude becomes 127.
MINIM_INLINE void encode_block(Q8Codes, const float* x, CodedBlock& to) {
  const BlockRange range = block_range(x);
  const float exact = (range.high > -range.low ? range.high : -range.low) / 127.0f;
  to.scale = saturated_half(exact);
  const V::F inverse = V::set(code_inverse(to.scale, exact));
  const V::F limit = V::set(127.0f);
  for (int i = 0; i < kCodeBlock; i += V::kLanes) {
    const V::F code = V::round(V::mul(V::load(x + i), inverse));
    V::store_i8(to.codes + i, V::max(V::sub(V::zero(), limit), V::min(limit, code)));
  }
}

// The value of the largest magnitude becomes code 0, of which there is no opposite: -8.
MINIM_INLINE void encode_block(Q4Codes, const float* x, CodedBlock& to) {
  const BlockRange range = block_range(x);
  const float exact = (range.high > -range.low ? range.high : range.low) / -8.0f;
  to.scale = saturated_half(exact);
  const V::F inverse = V::set(code_inverse(to.scale, exact));
  for (int i = 0; i < kCodeBlock; i += V::kLanes) {
    const V::F code = V::floor(V::fma(V::load(x + i), inverse, V::set(8.5f)));
    V::store_i8(to.codes + i, V::max(V::zero(), V::min(V::set(15.0f), code)));
  }
}

template <typename Codes>
MINIM_INLINE void encode_row_block(const float* x, int head_dim, int block, CodedBlock& to) {
  const int left = head_dim - block * kCodeBlock;
  const float* from = x + block * kCodeBlock;
  float padded[kCodeBlock];
  if (left < kCodeBlock) {
    __builtin_memset(padded, 0, sizeof(padded));
    __builtin_memcpy(padded, from, static_cast<size_t>(left) * sizeof(float));
    from = padded;
  }
  encode_block(Codes{}, from, to);
}

MINIM_INLINE void store_scale(HalfBits scale, int64_t offset, int block, int lane,
                              std::byte* group) {
  __builtin_memcpy(group + offset + (block * kGroup + lane) * 2, &scale, sizeof(scale));
}

// Bytes are [four columns][token][column]; of four bits, the high halves hold the next four.
template <typename Codes>
MINIM_INLINE void store_key(Codes, const float* x, int head_dim, int lane, std::byte* group) {
  const int64_t scales = scales_offset<Codes>(head_dim);
  constexpr int kWords = kCodeBlock * Codes::kBits / 32;
  for (int block = 0; block < code_blocks(head_dim); ++block) {
    CodedBlock coded;
    encode_row_block<Codes>(x, head_dim, block, coded);
    store_scale(coded.scale, scales, block, lane, group);
    for (int word = 0; word < kWords; ++word) {
      uint8_t bytes[4];
      for (int i = 0; i < 4; ++i) {
        if constexpr (Codes::kBits == 8) {
          bytes[i] = static_cast<uint8_t>(coded.codes[4 * word + i] + 128);
        } else {
          const int8_t* codes = coded.codes + 8 * word + i;
          bytes[i] = static_cast<uint8_t>(codes[0] | codes[4] << 4);
        }
      }
      __builtin_memcpy(group + ((block * kWords + word) * kGroup + lane) * 4, bytes, 4);
    }
  }
}

// Rows of codes; of four bits, byte i of a block holds values i and i + 16.
template <typename Codes>
MINIM_INLINE void store_value(Codes, const float* x, int head_dim, int lane, std::byte* group) {
  const int64_t scales = scales_offset<Codes>(head_dim);
  constexpr int kBlockBytes = kCodeBlock * Codes::kBits / 8;
  const int blocks = code_blocks(head_dim);
  for (int block = 0; block < blocks; ++block) {
    CodedBlock coded;
    encode_row_block<Codes>(x, head_dim, block, coded);
    store_scale(coded.scale, scales, block, lane, group);
    if constexpr (Codes::kBits == 4) {
      for (int i = 0; i < kBlockBytes; ++i) {
        coded.codes[i] = static_cast<int8_t>(coded.codes[i] | coded.codes[i + 16] << 4);
      }
    }
    __builtin_memcpy(group + (lane * blocks + block) * kBlockBytes, coded.codes, kBlockBytes);
  }
}

MINIM_INLINE void store_key(PlainF32, const float* x, int head_dim, int lane, std::byte* group) {
  auto* to = reinterpret_cast<float*>(group) + lane;
  for (int i = 0; i < head_dim; ++i) to[i * kGroup] = x[i];
}

MINIM_INLINE void store_key(PlainF16, const float* x, int head_dim, int lane, std::byte* group) {
  auto* to = reinterpret_cast<HalfBits*>(group) + lane;
  for (int i = 0; i < head_dim; i += V::kLanes) {
    const int count = head_dim - i < V::kLanes ? head_dim - i : V::kLanes;
    HalfBits bits[V::kLanes];
    V::store_half(bits, V::load_partial(x + i, count));
    for (int lanes = 0; lanes < count; ++lanes) to[(i + lanes) * kGroup] = bits[lanes];
  }
}

MINIM_INLINE void store_value(PlainF32, const float* x, int head_dim, int lane, std::byte* group) {
  const auto bytes = static_cast<size_t>(head_dim) * sizeof(float);
  __builtin_memcpy(group + static_cast<size_t>(lane) * bytes, x, bytes);
}

MINIM_INLINE void store_value(PlainF16, const float* x, int head_dim, int lane, std::byte* group) {
  store_half_row(x, group + int64_t{lane} * head_dim * 2, head_dim);
}

MINIM_INLINE void store_vector(PlainF32, std::byte* to, V::F x) {
  V::store(reinterpret_cast<float*>(to), x);
}
MINIM_INLINE void store_vector(PlainF16, std::byte* to, V::F x) { V::store_half(to, x); }

// The keys of kLanes tokens, the first of which is token `lane` of the group: squares of floats
// are turned, which beats a column of scattered numbers for each token.
template <typename Type>
MINIM_INLINE void store_keys_of_lanes(const float* x, int64_t stride, int head_dim, int lane,
                                      std::byte* group) {
  int column = 0;
  for (; column + V::kLanes <= head_dim; column += V::kLanes) {
    alignas(64) float turned[V::kLanes * V::kLanes];
    V::transpose(x + column, stride, turned, V::kLanes);
    for (int i = 0; i < V::kLanes; ++i) {
      std::byte* to = group + ((column + i) * kGroup + lane) * Type::kBytes;
      store_vector(Type{}, to, V::load(turned + i * V::kLanes));
    }
  }
  for (int t = 0; t < V::kLanes && column < head_dim; ++t) {
    store_key(Type{}, x + t * stride + column, head_dim - column, lane + t,
              group + column * kGroup * Type::kBytes);
  }
}

template <typename Type>
void store_rows(const CacheStoreSlice& slice) {
  int64_t turned = 0;  // tokens whose keys are stored
  for (int64_t t = 0; t < slice.tokens; ++t) {
    const int64_t slot = slice.first_slot + t;
    const auto offset = static_cast<int>(slot % slice.block_tokens);
    std::byte* block = slice.blocks[slot / slice.block_tokens] +
                       offset / kGroup * static_cast<int64_t>(slice.group_bytes);
    const int lane = offset % kGroup;
    const float* key = slice.keys + t * slice.key_stride;
    if constexpr (!Type::kCoded && V::kLanes > 1) {
      if (t >= turned && lane % V::kLanes == 0 && t + V::kLanes <= slice.tokens &&
          offset + V::kLanes <= slice.block_tokens) {
        store_keys_of_lanes<Type>(key, slice.key_stride, slice.head_dim, lane,
                                  block + slice.key_offset);
        turned = t + V::kLanes;
      }
    }
    if (t >= turned) store_key(Type{}, key, slice.head_dim, lane, block + slice.key_offset);
    store_value(Type{}, slice.values + t * slice.value_stride, slice.head_dim, lane,
                block + slice.value_offset);
  }
}

void store_in_cache(const CacheStoreSlice& slice) noexcept {
  switch (slice.cache_type) {
    case DataType::kF32: return store_rows<PlainF32>(slice);
    case DataType::kQ8_0: return store_rows<Q8Codes>(slice);
    case DataType::kQ4_0: return store_rows<Q4Codes>(slice);
    default: return store_rows<PlainF16>(slice);
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
