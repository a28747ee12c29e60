// Attention of many rows (a prompt): tiles of rows by vectors of keys in registers, as in the
// products of matmul_float.inl.h. A chunk of 64 keys becomes two panels of floats that all tiles
// of rows share; the keys of coded caches need none, their scores are dot products of bytes.
#pragma once

#include "kernels/attention_values.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kQueryTile = V::kTokenTile;
constexpr int kManySpans = 2;
constexpr int kManyKeys = kManySpans * kSpanKeys;
constexpr int kKeyTile = V::kPanelVectors * V::kLanes;
static_assert(kSpanKeys % kKeyTile == 0 && kQueryTile % 2 == 0);

// The parts of the scratch memory. Rows are padded to whole tiles.
struct ManyRows {
  int tiles;
  Queries queries;      // of plain caches: a row, before it goes to its tile
  float* tile_queries;  // [tiles, padded, kQueryTile]: plain caches
  float* outputs;       // [tiles * kQueryTile, padded]
  SoftmaxRow* softmax;  // [tiles * kQueryTile]
  float* scores;        // [kQueryTile, kManyKeys]: the tile at hand
  float* shrink;        // [kQueryTile]
  float* keys;          // [padded, kManyKeys]: plain caches
  float* values;        // [kManyKeys, padded]
  ValueSource source;
};

MINIM_INLINE ManyRows take_many_rows(ScratchParts& parts, DataType type, int64_t rows,
                                     int head_dim) {
  ManyRows many{};
  many.tiles = static_cast<int>((rows + kQueryTile - 1) / kQueryTile);
  const int64_t padded_rows = int64_t{many.tiles} * kQueryTile;
  const bool coded = has_codes(type);
  many.queries = take_queries(parts, type, coded ? padded_rows : 1, head_dim);
  const int64_t padded = many.queries.padded;
  many.outputs = parts.take<float>(padded_rows * padded);
  many.softmax = parts.take<SoftmaxRow>(padded_rows);
  many.scores = parts.take<float>(int64_t{kQueryTile} * kManyKeys);
  many.shrink = parts.take<float>(kQueryTile);
  many.values = parts.take<float>(kManyKeys * padded);
  many.source = take_value_source(parts, head_dim);
  if (!coded) {
    many.tile_queries = parts.take<float>(padded_rows * padded);
    many.keys = parts.take<float>(padded * kManyKeys);
  }
  return many;
}

// ---- panels ------------------------------------------------------------------------------------

// many.keys: columns of a span's keys, at lanes [at, at + 32).
template <typename Type>
MINIM_INLINE void fill_keys(const AttentionSlice& slice, const ManyRows& many, const KeySpan& span,
                            int at) {
  for (int lane = 0; lane < span.end; lane += V::kLanes) {
    const std::byte* from = span.keys + lane / kGroup * static_cast<int64_t>(slice.group_bytes) +
                            lane % kGroup * Type::kBytes;
    float* to = many.keys + at + lane;
    for (int column = 0; column < slice.head_dim; ++column) {
      V::store(to + column * kManyKeys, Type::load(from + column * kGroup * Type::kBytes));
    }
  }
}

// Values of a group as floats.
template <typename Codes>
MINIM_INLINE void widen_codes(const AttentionSlice& slice, const ManyRows& many,
                              const KeySpan& span, int group, int begin, int end, float* rows) {
  const int64_t padded = many.queries.padded;
  const std::byte* scales = span.values + group * static_cast<int64_t>(slice.group_bytes) +
                            scales_offset<Codes>(slice.head_dim);
  for (int block = 0; block < many.queries.blocks; ++block) {
    float of_block[kGroup];
    for (int i = 0; i < kGroup; i += V::kLanes) {
      V::store(of_block + i, V::load_half(scales + (block * kGroup + i) * 2));
    }
    constexpr int kVectors = kCodeBlock / V::kLanes;
    const int column = block * kCodeBlock;
    const auto columns = value_columns<Codes, kVectors>(slice, many.source, span, group, column);
    for (int key = begin; key < end; ++key) {
      const V::F scale = V::set(of_block[key]);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const V::F codes =
            load_values<Codes, false>(columns.vectors[v] + key * columns.stride, V::kLanes);
        V::store(rows + key * padded + column + v * V::kLanes, V::mul(codes, scale));
      }
    }
  }
}

// many.values: rows of a span's values, from row `at` on; zeros for what is not looked at.
template <typename Type>
MINIM_INLINE void fill_values(const AttentionSlice& slice, const ManyRows& many,
                              const KeySpan& span, int at) {
  const int64_t padded = many.queries.padded;
  float* rows = many.values + at * padded;
  const auto zero_rows = [&](int begin, int end) {
    __builtin_memset(rows + begin * padded, 0,
                     static_cast<size_t>((end - begin) * padded) * sizeof(float));
  };
  zero_rows(0, span.begin);
  zero_rows(span.end, kSpanKeys);
  if constexpr (Type::kCoded && Type::kBits == 4) {
    unpack_nibbles(slice, many.source, span);
  }
  for (int first = 0; first < span.end; first += kGroup) {
    const int begin = span.begin > first ? span.begin - first : 0;
    const int end = span.end - first < kGroup ? span.end - first : kGroup;
    if constexpr (Type::kCoded) {
      widen_codes<Type>(slice, many, span, first / kGroup, begin, end, rows + first * padded);
    } else {
      const int64_t stride = int64_t{slice.head_dim} * Type::kBytes;
      const std::byte* from =
          span.values + first / kGroup * static_cast<int64_t>(slice.group_bytes);
      for (int key = begin; key < end; ++key) {
        float* to = rows + (first + key) * padded;
        expand<Type>(from + key * stride, 0, slice.head_dim, to);
        for (int64_t i = slice.head_dim; i < padded; ++i) to[i] = 0;
      }
    }
  }
}

// ---- tiles -------------------------------------------------------------------------------------

// Scores of kRows rows of a tile with plain keys at lanes [at, at + kKeyTile) of the panel.
template <int kRows>
void score_tile_plain(const ManyRows& many, int tile, int head_dim, int at) {
  V::F sums[kRows][V::kPanelVectors];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < V::kPanelVectors; ++v) sums[r][v] = V::zero();
  }
  const float* keys = many.keys + at;
  const float* query = many.tile_queries + tile * many.queries.padded * kQueryTile;
  for (int column = 0; column < head_dim; ++column, keys += kManyKeys, query += kQueryTile) {
    V::F key[V::kPanelVectors];
    MINIM_UNROLL
    for (int v = 0; v < V::kPanelVectors; ++v) key[v] = V::load(keys + v * V::kLanes);
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F value = V::set(query[r]);
      MINIM_UNROLL
      for (int v = 0; v < V::kPanelVectors; ++v) sums[r][v] = V::fma(key[v], value, sums[r][v]);
    }
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < V::kPanelVectors; ++v) {
      V::store(many.scores + r * kManyKeys + at + v * V::kLanes, sums[r][v]);
    }
  }
}

// The same for kRows rows from `row` on, one vector of coded keys: lanes [lane, ...) of a span,
// to scores [at, ...).
template <typename Codes, int kRows>
void score_tile_coded(const AttentionSlice& slice, const ManyRows& many, int row,
                      const KeySpan& span, int lane, float* scores) {
  constexpr int kWords = kCodeBlock * Codes::kBits / 32;
  const Queries& queries = many.queries;
  const std::byte* group = span.keys + lane / kGroup * static_cast<int64_t>(slice.group_bytes);
  const std::byte* keys = group + lane % kGroup * 4;
  const std::byte* scales = group + scales_offset<Codes>(slice.head_dim) + lane % kGroup * 2;
  V::F totals[kRows];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) totals[r] = V::zero();
  for (int block = 0; block < queries.blocks; ++block) {
    const int64_t first = int64_t{row} * queries.blocks + block;
    const int8_t* codes = queries.codes + first * kCodeBlock;
    V::I sums[kRows][1];
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      sums[r][0] = V::broadcast_i(queries.biases + first + r * queries.blocks);
    }
    MINIM_UNROLL
    for (int word = 0; word < kWords; ++word) {
      const V::I key = V::load_i(keys + (block * kWords + word) * kGroup * 4);
      dot_word<Codes, kRows, 1>(&key, codes + word * (32 / Codes::kBits), queries.padded, sums);
    }
    const V::F scale = V::load_half(scales + block * kGroup * 2);
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F both = V::mul(scale, V::set(queries.scales[first + r * queries.blocks]));
      totals[r] = V::fma(V::float_i(sums[r][0]), both, totals[r]);
    }
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) V::store(scores + r * kManyKeys, totals[r]);
}

// outputs = outputs * shrink + weights x values [begin, end), kVectors vectors from `at` on.
template <int kRows, int kVectors>
void add_tile(const ManyRows& many, int tile, int begin, int end, int at) {
  const int64_t padded = many.queries.padded;
  float* outputs = many.outputs + int64_t{tile} * kQueryTile * padded + at;
  V::F sums[kRows][kVectors];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const V::F shrink = V::set(many.shrink[r]);
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = V::mul(shrink, V::load(outputs + r * padded + v * V::kLanes));
    }
  }
  const float* values = many.values + begin * padded + at;
  const float* weights = many.scores + begin;
  for (int key = begin; key < end; ++key, values += padded, ++weights) {
    V::F value[kVectors];
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) value[v] = V::load(values + v * V::kLanes);
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F weight = V::set(weights[r * kManyKeys]);
      MINIM_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[r][v] = V::fma(value[v], weight, sums[r][v]);
    }
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int v = 0; v < kVectors; ++v) V::store(outputs + r * padded + v * V::kLanes, sums[r][v]);
  }
}

// ---- the whole ---------------------------------------------------------------------------------

using ManyChunk = KeyChunk<kManySpans>;

// Lanes [begin, end) of a chunk's first `spans` spans are what some row of a tile sees.
struct TileLanes {
  int spans;
  int begin;
  int end;
};

MINIM_INLINE TileLanes tile_lanes(const AttentionSlice& slice, const ManyChunk& chunk,
                                  int first_row, int row_count) {
  if (chunk.whole) return {chunk.count, 0, chunk.count * kSpanKeys};
  const int64_t first = visible_to(slice, first_row).first;
  const int64_t last = visible_to(slice, first_row + row_count - 1).last;
  TileLanes lanes{0, kManyKeys, 0};
  for (int s = 0; s < chunk.count; ++s) {
    const KeySpan& span = chunk.spans[s];
    const int begin = clamp_lane(first - span.first_key, span);
    const int end = clamp_lane(last + 1 - span.first_key, span);
    if (begin >= end) continue;
    if (lanes.end == 0) lanes.begin = s * kSpanKeys + begin;
    lanes.spans = s + 1;
    lanes.end = s * kSpanKeys + end;
  }
  return lanes;
}

template <typename Type, int kRows>
void score_tile(const AttentionSlice& slice, const ManyRows& many, int tile, const ManyChunk& chunk,
                const TileLanes& lanes) {
  if constexpr (!Type::kCoded) {
    for (int at = lanes.begin / kKeyTile * kKeyTile; at < lanes.end; at += kKeyTile) {
      score_tile_plain<kRows>(many, tile, slice.head_dim, at);
    }
  } else {
    for (int at = lanes.begin / V::kLanes * V::kLanes; at < lanes.end; at += V::kLanes) {
      const KeySpan& span = chunk.spans[at / kSpanKeys];
      if (at % kSpanKeys >= span.end) continue;  // a group that may not exist
      score_tile_coded<Type, kRows>(slice, many, tile * kQueryTile, span, at % kSpanKeys,
                                    many.scores + at);
    }
  }
}

// kRows rows of a tile, of which `row_count` are real.
template <typename Type, int kRows>
void attend_tile(const AttentionSlice& slice, const ManyRows& many, int tile, int row_count,
                 const ManyChunk& chunk) {
  const int first_row = tile * kQueryTile;
  const TileLanes lanes = tile_lanes(slice, chunk, first_row, row_count);
  if (lanes.end == 0) return;
  score_tile<Type, kRows>(slice, many, tile, chunk, lanes);
  soften<kManySpans, kRows>(slice, chunk, lanes.spans,
                            {.scores = many.scores,
                             .stride = kManyKeys,
                             .softmax = many.softmax + first_row,
                             .shrink = many.shrink,
                             .first = first_row,
                             .count = row_count});
  int at = 0;
  for (; at + kKeyTile <= slice.head_dim; at += kKeyTile) {
    add_tile<kRows, V::kPanelVectors>(many, tile, lanes.begin, lanes.end, at);
  }
  for (; at < slice.head_dim; at += V::kLanes) {
    add_tile<kRows, 1>(many, tile, lanes.begin, lanes.end, at);
  }
}

template <typename Type>
MINIM_INLINE void begin_many(const AttentionSlice& slice, const ManyRows& many) {
  const int rows = slice.tokens * slice.heads;
  const int padded_rows = many.tiles * kQueryTile;
  const int64_t padded = many.queries.padded;
  const auto zero = [](void* memory, int64_t bytes) {
    __builtin_memset(memory, 0, static_cast<size_t>(bytes));
  };
  zero(many.outputs, padded_rows * padded * 4);
  zero(many.scores, int64_t{kQueryTile} * kManyKeys * 4);
  for (int r = 0; r < kQueryTile; ++r) many.shrink[r] = 1.0f;
  if constexpr (Type::kCoded) {
    zero(many.queries.codes, padded_rows * padded);
    zero(many.queries.biases, int64_t{padded_rows} * many.queries.blocks * 4);
    zero(many.queries.scales, int64_t{padded_rows} * many.queries.blocks * 4);
  } else {
    zero(many.tile_queries, padded_rows * padded * 4);
  }
  for (int row = 0; row < rows; ++row) {
    many.softmax[row].maximum = -kInfinity;
    V::store(many.softmax[row].sums, V::zero());
    if constexpr (Type::kCoded) {
      fill_query<Type>(slice, row, many.queries, row);
    } else {
      fill_query<Type>(slice, row, many.queries, 0);
      float* to = many.tile_queries + row / kQueryTile * padded * kQueryTile + row % kQueryTile;
      for (int i = 0; i < slice.head_dim; ++i) to[i * kQueryTile] = many.queries.floats[i];
    }
  }
}

template <typename Type>
void attend_many(const AttentionSlice& slice) {
  const int rows = slice.tokens * slice.heads;
  ScratchParts parts(slice.scratch);
  const ManyRows many = take_many_rows(parts, slice.cache_type, rows, slice.head_dim);
  begin_many<Type>(slice, many);
  SpanWalk walk(slice);
  while (!walk.done()) {
    const ManyChunk chunk = next_chunk<kManySpans>(slice, walk);
    for (int s = 0; s < chunk.count; ++s) {
      if constexpr (!Type::kCoded) fill_keys<Type>(slice, many, chunk.spans[s], s * kSpanKeys);
      fill_values<Type>(slice, many, chunk.spans[s], s * kSpanKeys);
    }
    for (int tile = 0; tile < many.tiles; ++tile) {
      const int left = rows - tile * kQueryTile;
      if (left > kQueryTile / 2) {
        const int row_count = left < kQueryTile ? left : kQueryTile;
        attend_tile<Type, kQueryTile>(slice, many, tile, row_count, chunk);
      } else {
        attend_tile<Type, kQueryTile / 2>(slice, many, tile, left, chunk);
      }
    }
  }
  for (int row = 0; row < rows; ++row) {
    finish_slice_row(slice, row, many.softmax[row], many.outputs + row * many.queries.padded);
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
