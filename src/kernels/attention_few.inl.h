// Attention of few rows (a decoded token, or the query heads of one key head of a few): the cache
// streams through once, in chunks of up to 128 keys. Lanes are keys in the scores and columns of
// the head in the values.
#pragma once

#include "kernels/attention_queries.inl.h"
#include "kernels/attention_values.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kFewRows = kFewRowsMax;  // more go to attention_many.inl.h
constexpr int kChunkSpans = 4;
constexpr int kChunkKeys = kChunkSpans * kSpanKeys;
// The registers of a tile of products, of which a third goes to what is multiplied.
constexpr int kSumVectors = V::kTokenTile * V::kPanelVectors;
constexpr int kRowsAtOnce = kSumVectors / 3 < kFewRows ? kSumVectors / 3 : kFewRows;
constexpr int kScoreVectors = 2;

// The parts of the scratch memory.
struct FewRows {
  Queries queries;
  float* outputs;  // [rows, padded]
  float* scores;   // [rows, kChunkKeys]
  float* scaled;   // [rows, kSpanKeys]: weights times the scales of a block of values
  ValueSource values;
  SoftmaxRow* softmax;  // [rows]
  float* shrink;        // [rows]: what the outputs are worth in the chunk at hand
};

MINIM_INLINE FewRows take_few_rows(ScratchParts& parts, DataType type, int64_t rows, int head_dim) {
  FewRows few;
  few.queries = take_queries(parts, type, rows, head_dim);
  few.outputs = parts.take<float>(rows * few.queries.padded);
  few.scores = parts.take<float>(rows * kChunkKeys);
  few.scaled = parts.take<float>(rows * kSpanKeys);
  few.values = take_value_source(parts, head_dim);
  few.softmax = parts.take<SoftmaxRow>(rows);
  few.shrink = parts.take<float>(rows);
  return few;
}

// ---- scores ------------------------------------------------------------------------------------

// Where the keys of kScoreVectors vectors begin: those past the span's end repeat the first.
struct ScoreLanes {
  int64_t offsets[kScoreVectors];  // of the groups
  int lanes[kScoreVectors];        // within them
};
MINIM_INLINE ScoreLanes score_lanes(const AttentionSlice& slice, const KeySpan& span, int at) {
  ScoreLanes to;
  MINIM_UNROLL
  for (int v = 0; v < kScoreVectors; ++v) {
    const int lane = at + v * V::kLanes < span.end ? at + v * V::kLanes : at;
    to.offsets[v] = lane / kGroup * static_cast<int64_t>(slice.group_bytes);
    to.lanes[v] = lane % kGroup;
  }
  return to;
}

// The sums of kColumns columns of plain keys, each in a chain of its own.
template <typename Type, int kRows, int kColumns, int kChains>
MINIM_INLINE void score_columns(const std::byte* const* keys, const float* queries, int64_t padded,
                                V::F (*sums)[kScoreVectors][kChains]) {
  MINIM_UNROLL
  for (int column = 0; column < kColumns; ++column) {
    V::F key[kScoreVectors];
    MINIM_UNROLL
    for (int v = 0; v < kScoreVectors; ++v) {
      key[v] = Type::load(keys[v] + column * kGroup * Type::kBytes);
    }
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F query = V::set(queries[r * padded + column]);
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) {
        sums[r][v][column] = V::fma(key[v], query, sums[r][v][column]);
      }
    }
  }
}

// scores[row][key] of kRows rows. Each line of values is fetched while one of keys is read.
template <typename Type, int kRows>
void score_plain(const AttentionSlice& slice, const FewRows& few, int row, const KeySpan& span,
                 float* scores) {
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  constexpr int64_t kStep = kGroup * Type::kBytes;
  const int64_t padded = few.queries.padded;
  const float* queries = few.queries.floats + row * padded;
  for (int at = 0; at < span.end; at += kScoreVectors * V::kLanes) {
    const ScoreLanes place = score_lanes(slice, span, at);
    const std::byte* keys[kScoreVectors];
    MINIM_UNROLL
    for (int v = 0; v < kScoreVectors; ++v) {
      keys[v] = span.keys + place.offsets[v] + place.lanes[v] * Type::kBytes;
    }
    V::F sums[kRows][kScoreVectors][kChains];
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) {
        MINIM_UNROLL
        for (int chain = 0; chain < kChains; ++chain) sums[r][v][chain] = V::zero();
      }
    }
    int column = 0;
    for (; column + kChains <= slice.head_dim; column += kChains) {
      if (at == 0 && row == 0) {
        prefetch<2 * kStep * kChains>(span.values + 2 * kStep * column);
      }
      score_columns<Type, kRows, kChains, kChains>(keys, queries + column, padded, sums);
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) keys[v] += kChains * kStep;
    }
    for (; column < slice.head_dim; ++column) {
      score_columns<Type, kRows, 1, kChains>(keys, queries + column, padded, sums);
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) keys[v] += kStep;
    }
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) {
        V::F sum = sums[r][v][0];
        for (int chain = 1; chain < kChains; ++chain) sum = V::add(sum, sums[r][v][chain]);
        V::store(scores + r * kChunkKeys + at + v * V::kLanes, sum);
      }
    }
  }
}

template <typename Codes, int kRows>
void score_coded(const AttentionSlice& slice, const FewRows& few, int row, const KeySpan& span,
                 float* scores) {
  constexpr int kWords = kCodeBlock * Codes::kBits / 32;
  constexpr int64_t kWordBytes = int64_t{kGroup} * 4;
  const Queries& queries = few.queries;
  const int64_t scales = scales_offset<Codes>(slice.head_dim);
  for (int at = 0; at < span.end; at += kScoreVectors * V::kLanes) {
    const ScoreLanes place = score_lanes(slice, span, at);
    V::F totals[kRows][kScoreVectors];
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) totals[r][v] = V::zero();
    }
    for (int block = 0; block < queries.blocks; ++block) {
      const int8_t* codes = queries.codes + row * queries.padded + block * kCodeBlock;
      const int64_t first = int64_t{row} * queries.blocks + block;
      V::I sums[kRows][kScoreVectors];
      MINIM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        MINIM_UNROLL
        for (int v = 0; v < kScoreVectors; ++v) {
          sums[r][v] = V::broadcast_i(queries.biases + first + r * queries.blocks);
        }
      }
      MINIM_UNROLL
      for (int word = 0; word < kWords; ++word) {
        const int64_t offset = (block * kWords + word) * kWordBytes;
        V::I keys[kScoreVectors];
        MINIM_UNROLL
        for (int v = 0; v < kScoreVectors; ++v) {
          keys[v] = V::load_i(span.keys + place.offsets[v] + offset + place.lanes[v] * 4);
        }
        dot_word<Codes, kRows, kScoreVectors>(keys, codes + word * (32 / Codes::kBits),
                                              queries.padded, sums);
      }
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) {
        const V::F scale = V::load_half(span.keys + place.offsets[v] + scales +
                                        (block * kGroup + place.lanes[v]) * 2);
        MINIM_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const V::F both = V::mul(scale, V::set(queries.scales[first + r * queries.blocks]));
          totals[r][v] = V::fma(V::float_i(sums[r][v]), both, totals[r][v]);
        }
      }
    }
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      MINIM_UNROLL
      for (int v = 0; v < kScoreVectors; ++v) {
        V::store(scores + r * kChunkKeys + at + v * V::kLanes, totals[r][v]);
      }
    }
  }
}

// ---- values ------------------------------------------------------------------------------------

// What one pass over a span's values works with: the weights of a row's keys, `weight_stride` from
// one row to the next; and what to fetch meanwhile, `fetch_stride` for each key, which may be
// nothing. Values of plain caches are fetched during the scores; codes take longer to add up than
// to score, so that here is time for both.
struct ValuePass {
  const float* weights;
  int64_t weight_stride;
  const std::byte* next_keys;
  const std::byte* next_values;
  int64_t fetch_stride;
};

// sums[row][vector] += weights[row][key] x values for keys [begin, end) of a group.
template <typename Type, int kRows, int kVectors, int kChains, bool kPartial>
MINIM_INLINE void add_group(const ValueColumns<kVectors>& columns, int begin, int end,
                            const ValuePass& pass, V::F (*sums)[kVectors][kChains]) {
  constexpr int kPassBytes = kVectors * V::kLanes * Type::kBits / 8;
  constexpr int kFetchBytes = Type::kCoded || kPassBytes < 64 ? 64 : kPassBytes;
  const auto add_key = [&](int key, int chain) {
    if (pass.next_keys != nullptr) {
      const bool fetch_value = Type::kCoded && key % 2 == 1;
      prefetch<kFetchBytes>((fetch_value ? pass.next_values : pass.next_keys) +
                            key * pass.fetch_stride);
    }
    V::F values[kVectors];
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      values[v] =
          load_values<Type, kPartial>(columns.vectors[v] + key * columns.stride, columns.rest);
    }
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F weight = V::set(pass.weights[r * pass.weight_stride + key]);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v][chain] = V::fma(values[v], weight, sums[r][v][chain]);
      }
    }
  };
  int key = begin;
  for (; key + kChains <= end; key += kChains) {
    MINIM_UNROLL
    for (int chain = 0; chain < kChains; ++chain) add_key(key + chain, chain);
  }
  for (; key < end; ++key) add_key(key, 0);
}

// Of one span, kVectors vectors (with kPartial one that is not whole) from column `at` on.
template <typename Type, int kRows, int kVectors, bool kPartial = false>
void add_columns(const AttentionSlice& slice, const FewRows& few, int row, const KeySpan& span,
                 const ValuePass& pass, int at) {
  const int64_t fetch_group = pass.fetch_stride * kGroup;
  constexpr int kSums = kRows * kVectors;
  constexpr int kChains = kSums <= 2 ? 4 : kSums <= kSumVectors / 4 ? 2 : 1;
  const int64_t padded = few.queries.padded;
  float* outputs = few.outputs + row * padded + at;
  V::F sums[kRows][kVectors][kChains];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const V::F shrink = V::set(few.shrink[row + r]);
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v][0] = V::mul(shrink, V::load(outputs + r * padded + v * V::kLanes));
      for (int chain = 1; chain < kChains; ++chain) sums[r][v][chain] = V::zero();
    }
  }
  for (int group = 0; group * kGroup < span.end; ++group) {
    const int first = group * kGroup;
    const int begin = span.begin > first ? span.begin - first : 0;
    const int end = span.end - first < kGroup ? span.end - first : kGroup;
    ValuePass of_group = pass;
    of_group.weights += first;
    if (pass.next_keys != nullptr) {
      of_group.next_keys += group * fetch_group;
      of_group.next_values += group * fetch_group;
    }
    add_group<Type, kRows, kVectors, kChains, kPartial>(
        value_columns<Type, kVectors>(slice, few.values, span, group, at), begin, end, of_group,
        sums);
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      V::F sum = sums[r][v][0];
      for (int chain = 1; chain < kChains; ++chain) sum = V::add(sum, sums[r][v][chain]);
      V::store(outputs + r * padded + v * V::kLanes, sum);
    }
  }
}

// Vectors of columns that the registers hold for so many rows: a power of two, at most 4.
constexpr int value_vectors(int rows) {
  const int fit = kSumVectors * 2 / 3 / rows;
  return fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
}

// Columns from `at` on, kVectors vectors at a time and what is left with fewer.
template <typename Type, int kRows, int kVectors>
MINIM_INLINE void add_plain_values(const AttentionSlice& slice, const FewRows& few, int row,
                                   const KeySpan& span, const ValuePass& pass, int at) {
  for (; at + kVectors * V::kLanes <= slice.head_dim; at += kVectors * V::kLanes) {
    // A line that several passes read is fetched by the first of them.
    ValuePass of_columns = pass;
    const bool fetches = pass.next_keys != nullptr && at * Type::kBits % 512 == 0;
    of_columns.next_keys = fetches ? pass.next_keys + at * Type::kBits / 8 : nullptr;
    add_columns<Type, kRows, kVectors>(slice, few, row, span, of_columns, at);
  }
  if constexpr (kVectors > 1) {
    add_plain_values<Type, kRows, kVectors / 2>(slice, few, row, span, pass, at);
  } else if (at < slice.head_dim) {
    ValuePass of_rest = pass;
    of_rest.next_keys = nullptr;
    add_columns<Type, kRows, 1, true>(slice, few, row, span, of_rest, at);
  }
}

template <typename Codes, int kRows>
void add_coded_values(const AttentionSlice& slice, const FewRows& few, int row, const KeySpan& span,
                      const ValuePass& pass) {
  constexpr int kBlockVectors = kCodeBlock / V::kLanes;
  constexpr int kVectors =
      value_vectors(kRows) < kBlockVectors ? value_vectors(kRows) : kBlockVectors;
  ValuePass scaled = pass;
  scaled.weights = few.scaled;
  scaled.weight_stride = kSpanKeys;
  scaled.fetch_stride = pass.fetch_stride / few.queries.blocks;
  for (int block = 0; block < few.queries.blocks; ++block) {
    const std::byte* scales = span.values + scales_offset<Codes>(slice.head_dim) +
                              block * kGroup * static_cast<int64_t>(sizeof(HalfBits));
    for (int key = 0; key < span.end; key += V::kLanes) {
      const std::byte* of_keys =
          scales + key / kGroup * static_cast<int64_t>(slice.group_bytes) + key % kGroup * 2;
      const V::F scale = V::load_half(of_keys);
      MINIM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V::F weight = V::load(pass.weights + r * pass.weight_stride + key);
        V::store(few.scaled + r * kSpanKeys + key, V::mul(weight, scale));
      }
    }
    // Each block's first pass fetches its share.
    const int64_t share = block * kSpanKeys * scaled.fetch_stride;
    scaled.next_keys = pass.next_keys == nullptr ? nullptr : pass.next_keys + share;
    scaled.next_values = pass.next_keys == nullptr ? nullptr : pass.next_values + share;
    for (int at = 0; at < kCodeBlock; at += kVectors * V::kLanes) {
      add_columns<Codes, kRows, kVectors>(slice, few, row, span, scaled, block * kCodeBlock + at);
      scaled.next_keys = nullptr;
    }
  }
}

// ---- the whole ---------------------------------------------------------------------------------

using FewChunk = KeyChunk<kChunkSpans>;

// Rows [row, row + kRows) of the chunk.
template <typename Type, int kRows>
void attend_rows(const AttentionSlice& slice, const FewRows& few, int row, const FewChunk& chunk,
                 const FewChunk& next) {
  float* scores = few.scores + row * kChunkKeys;
  for (int s = 0; s < chunk.count; ++s) {
    if constexpr (Type::kCoded) {
      score_coded<Type, kRows>(slice, few, row, chunk.spans[s], scores + s * kSpanKeys);
    } else {
      score_plain<Type, kRows>(slice, few, row, chunk.spans[s], scores + s * kSpanKeys);
    }
  }
  soften<kChunkSpans, kRows>(slice, chunk, chunk.count,
                             {.scores = scores,
                              .stride = kChunkKeys,
                              .softmax = few.softmax + row,
                              .shrink = few.shrink + row,
                              .first = row,
                              .count = kRows});
  for (int s = 0; s < chunk.count; ++s) {
    ValuePass pass{scores + s * kSpanKeys, kChunkKeys, nullptr, nullptr,
                   static_cast<int64_t>(slice.group_bytes) / kGroup};
    if (row == 0 && s < next.count) {
      pass.next_keys = next.spans[s].keys;
      pass.next_values = next.spans[s].values;
    }
    if constexpr (!Type::kCoded) {
      add_plain_values<Type, kRows, value_vectors(kRows)>(slice, few, row, chunk.spans[s], pass, 0);
    } else {
      if constexpr (Type::kBits == 4) unpack_nibbles(slice, few.values, chunk.spans[s]);
      add_coded_values<Type, kRows>(slice, few, row, chunk.spans[s], pass);
    }
    for (int r = 0; r < kRows; ++r) few.shrink[row + r] = 1.0f;
  }
}

// As many rows as there is code for, which is 8, 6, 4, 3, 2 or 1; returns how many.
template <typename Type, int kRows>
MINIM_INLINE int attend_some_rows(int left, const AttentionSlice& slice, const FewRows& few,
                                  int row, const FewChunk& chunk, const FewChunk& next) {
  if constexpr (kRows > 1) {
    constexpr int kFewer = kRows > 4 ? kRows - 2 : kRows - 1;
    if (left < kRows) return attend_some_rows<Type, kFewer>(left, slice, few, row, chunk, next);
  }
  attend_rows<Type, kRows>(slice, few, row, chunk, next);
  return kRows;
}

template <typename Type>
void attend_few(const AttentionSlice& slice) {
  const int rows = slice.tokens * slice.heads;
  ScratchParts parts(slice.scratch);
  const FewRows few = take_few_rows(parts, slice.cache_type, rows, slice.head_dim);
  for (int row = 0; row < rows; ++row) {
    fill_query<Type>(slice, row, few.queries, row);
    few.softmax[row].maximum = -kInfinity;
    V::store(few.softmax[row].sums, V::zero());
  }
  __builtin_memset(few.outputs, 0, static_cast<size_t>(rows * few.queries.padded) * sizeof(float));
  SpanWalk walk(slice);
  FewChunk chunk = next_chunk<kChunkSpans>(slice, walk);
  while (chunk.count > 0) {
    const FewChunk next = next_chunk<kChunkSpans>(slice, walk);
    for (int row = 0; row < rows;) {
      row += attend_some_rows<Type, kRowsAtOnce>(rows - row, slice, few, row, chunk, next);
    }
    chunk = next;
  }
  for (int row = 0; row < rows; ++row) {
    finish_slice_row(slice, row, few.softmax[row], few.outputs + row * few.queries.padded);
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
