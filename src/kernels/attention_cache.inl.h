// What attention sees of a cache of each type. tensor/kv_view.h draws the layout: groups of 16
// tokens, in which keys lie column by column, so that a vector holds one column of neighbouring
// keys and no sum runs across lanes, and values lie row by row.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kGroup = kCacheGroupTokens;
constexpr int kSpanKeys = 2 * kGroup;  // what one step of the loops over keys takes
constexpr int kCodeBlock = 32;         // values that share a scale
static_assert(kGroup % V::kLanes == 0);

MINIM_INLINE int code_blocks(int head_dim) { return (head_dim + kCodeBlock - 1) / kCodeBlock; }

// Eight bits: value = scale * code. Key codes are biased by 128, because the products of bytes
// want one side unsigned.
struct Q8Codes {
  static constexpr bool kCoded = true;
  static constexpr int kBits = 8;
  static constexpr int kKeyBias = 128;
};
// Four bits: value = scale * (code - 8).
struct Q4Codes {
  static constexpr bool kCoded = true;
  static constexpr int kBits = 4;
  static constexpr int kKeyBias = 8;
};
struct PlainF32 : F32 {
  static constexpr bool kCoded = false;
  static constexpr int kBits = 32;
};
struct PlainF16 : F16 {
  static constexpr bool kCoded = false;
  static constexpr int kBits = 16;
};

// Up to 32 neighbouring keys and their values, of one head in one block of the cache.
struct KeySpan {
  const std::byte* keys;    // the first of its two groups; the second may not exist if end <= 16
  const std::byte* values;  // likewise
  int64_t first_key;        // the slot of key 0
  int begin;                // keys [begin, end) are looked at
  int end;
};

// Goes through the spans of a slice's keys.
class SpanWalk {
 public:
  explicit SpanWalk(const AttentionSlice& slice)
      : slice_(slice),
        key_(slice.key_begin),
        block_(slice.blocks + slice.key_begin / slice.block_tokens),
        offset_(static_cast<int>(slice.key_begin % slice.block_tokens)) {}

  bool done() const { return key_ >= slice_.key_end; }

  // REQUIRES: !done().
  KeySpan next() {
    const int first = offset_ / kSpanKeys * kSpanKeys;
    const std::byte* groups = *block_ + first / kGroup * static_cast<int64_t>(slice_.group_bytes);
    KeySpan span;
    span.keys = groups + slice_.key_offset;
    span.values = groups + slice_.value_offset;
    span.first_key = key_ - offset_ + first;
    span.begin = offset_ - first;
    int64_t end = slice_.key_end - span.first_key;
    if (end > slice_.block_tokens - first) end = slice_.block_tokens - first;
    span.end = static_cast<int>(end < kSpanKeys ? end : kSpanKeys);
    key_ = span.first_key + span.end;
    offset_ = first + span.end;
    if (offset_ >= slice_.block_tokens) {
      ++block_;
      offset_ = 0;
    }
    return span;
  }

 private:
  const AttentionSlice& slice_;
  int64_t key_;
  const std::byte* const* block_;
  int offset_;  // of key_ in its block
};

// Spans that are worked on together.
template <int kSpans>
struct KeyChunk {
  KeySpan spans[kSpans];
  int count;
  bool whole;  // every row sees all keys of all its spans
};

template <int kSpans>
MINIM_INLINE KeyChunk<kSpans> next_chunk(const AttentionSlice& slice, SpanWalk& walk) {
  KeyChunk<kSpans> chunk;
  const int64_t last = slice.first_position + slice.tokens - 1;
  const int64_t first_of_last = slice.window > 0 ? last - slice.window + 1 : 0;
  chunk.whole = true;
  for (chunk.count = 0; chunk.count < kSpans && !walk.done(); ++chunk.count) {
    const KeySpan span = walk.next();
    chunk.whole = chunk.whole && span.end - span.begin == kSpanKeys &&
                  span.first_key + kSpanKeys - 1 <= slice.first_position &&
                  span.first_key >= first_of_last;
    chunk.spans[chunk.count] = span;
  }
  return chunk;
}

// Where the scales of a group lie: [block][token], behind the codes.
template <typename Codes>
MINIM_INLINE int64_t scales_offset(int head_dim) {
  return int64_t{code_blocks(head_dim)} * kCodeBlock * kGroup * Codes::kBits / 8;
}

// Largest and smallest of a block; not a number if any value is none or infinite.
struct BlockRange {
  float high;
  float low;
};
MINIM_INLINE BlockRange block_range(const float* x) {
  V::F high = V::load(x);
  V::F low = V::sub(V::zero(), high);
  V::F poison = V::zero();  // infinities and NaN times zero are NaN
  for (int i = 0; i < kCodeBlock; i += V::kLanes) {
    const V::F value = V::load(x + i);
    high = V::max(high, value);
    low = V::max(low, V::sub(V::zero(), value));
    poison = V::fma(value, V::zero(), poison);
  }
  const float bad = V::reduce_add(poison);
  return {V::reduce_max(high) + bad, bad - V::reduce_max(low)};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
