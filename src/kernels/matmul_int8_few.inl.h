// Products of packed weights with few tokens: panels stream through once, their codes widened in
// registers.
#pragma once

#include "kernels/int8_activations.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// Ahead: beyond what the processor fetches on its own. 1.2B q4_0 on a Xeon with AMX: 44.7 tokens/s
// at 1024, 45.7 at 2048, 42.0 at 4096, 37 from 8192 on.
constexpr int64_t kPrefetchBytes = 2048;

// kTokens tokens at the chunk at hand.
template <int kTokens>
struct StreamInput {
  const int8_t* codes[kTokens];
  const int32_t* sums[kTokens];
};

// Adds quads [kFirst, kFirst + kCount) of block `block` to the dots, or to their narrow sums.
template <typename Type, int kTokens, int kFirst, int kCount, typename Sums>
MINIM_INLINE void dot_quads(const BlockPlanes& planes, int block, int vector, V::Table table,
                            const StreamInput<kTokens>& x, Sums* sums) {
  if constexpr (kCount > 0) {
    const V::I codes = load_quad<Type, kFirst>(planes, vector, table);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const V::I four = V::broadcast_i(x.codes[t] + block * kBlockCols + 4 * kFirst);
      sums[t] = dot_codes<ArithmeticOf<Type>>(sums[t], codes, four);
    }
    dot_quads<Type, kTokens, kFirst + 1, kCount - 1>(planes, block, vector, table, x, sums);
  }
}

// The same in runs, where those are longer than a quad.
template <typename Type, int kTokens, int kFirst, int kCount>
MINIM_INLINE void dot_runs(const BlockPlanes& planes, int block, int vector, V::Table table,
                           const StreamInput<kTokens>& x, V::I* dots) {
  constexpr int kRun = ArithmeticOf<Type>::kRunQuads;
  if constexpr (kRun == 1) {
    dot_quads<Type, kTokens, kFirst, kCount>(planes, block, vector, table, x, dots);
  } else if constexpr (kCount > 0) {
    V::Narrow sums[kTokens];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[t] = V::zero_narrow();
    dot_quads<Type, kTokens, kFirst, kRun>(planes, block, vector, table, x, sums);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) dots[t] = V::add_narrow(dots[t], sums[t]);
    dot_runs<Type, kTokens, kFirst + kRun, kCount - kRun>(planes, block, vector, table, x, dots);
  }
}

// A chunk of one vector of rows.
template <typename Type>
struct StreamChunk {
  const std::byte* data;
  ChunkLayout layout;
  int vector;
  V::Table table;
  SuperScales<Type> super;
};

// totals += the groups of a block from quad kFirst on, but for the scale of x.
template <typename Type, int kTokens, int kFirst>
MINIM_INLINE void stream_groups(const StreamChunk<Type>& chunk, const BlockPlanes& planes,
                                int block, const StreamInput<kTokens>& x, V::F* totals) {
  constexpr int kGroupQuads = kDotCols<Type> / 4;
  if constexpr (kFirst < kQuads) {
    const int column = block * kBlockCols + 4 * kFirst;
    const int dot = column / kDotCols<Type>;
    const int group = column / kForm<Type>.scale_values;
    V::I dots[kTokens];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) dots[t] = first_dot<ArithmeticOf<Type>>(x.sums[t] + dot);
    dot_runs<Type, kTokens, kFirst, kGroupQuads>(planes, block, chunk.vector, chunk.table, x, dots);
    const V::F scale =
        load_group<Type>(chunk.data + chunk.layout.scales, chunk.super.scale, group, chunk.vector);
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) totals[t] = V::fma(V::float_i(dots[t]), scale, totals[t]);
    if constexpr (Type::kHasOffsets) {
      const V::F offset = load_group<Type>(chunk.data + chunk.layout.offsets, chunk.super.offset,
                                           group, chunk.vector);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        totals[t] = V::fma(V::float_i(V::broadcast_i(x.sums[t] + dot)), offset, totals[t]);
      }
    }
    stream_groups<Type, kTokens, kFirst + kGroupQuads>(chunk, planes, block, x, totals);
  }
}

// totals = what the chunk gives, but for the scale of x.
template <typename Type, int kTokens>
MINIM_INLINE void stream_chunk(const StreamChunk<Type>& chunk, int blocks,
                               const StreamInput<kTokens>& x, V::F* totals) {
  constexpr PackedForm form = kForm<Type>;
  constexpr int kStep = chunk_layout<Type>(kChunkBlocks).bytes / kChunkBlocks;
  BlockPlanes planes{chunk.data + chunk.layout.low, chunk.data + chunk.layout.high};
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) totals[t] = V::zero();
  for (int block = 0; block < blocks; ++block) {
    if (chunk.vector == 0) {
      MINIM_UNROLL
      for (int at = 0; at < kStep; at += kLine) {
        __builtin_prefetch(chunk.data + block * kStep + at + kPrefetchBytes);
      }
    }
    stream_groups<Type, kTokens, 0>(chunk, planes, block, x, totals);
    planes.low += form.low_bits * kLine;
    planes.high += form.high_bits * kLine;
  }
}

// The panel of `row` by kTokens tokens from `token` on.
template <typename Type, int kTokens>
void stream_panel(const MatmulSlice& slice, const std::byte* panel, int64_t row, int64_t token) {
  alignas(16) uint8_t levels[16];
  StreamChunk<Type> chunk{panel, {}, 0, level_table<Type>(levels), {}};
  StreamInput<kTokens> x;
  const float* scales[kTokens];
  V::F sums[kPackVectors][kTokens];
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const PreparedRow prepared =
        prepared_row<kDotCols<Type>>(slice.input + (token + t) * slice.input_stride, slice.cols);
    x.codes[t] = prepared.codes;
    x.sums[t] = prepared.sums;
    scales[t] = prepared.scales;
    MINIM_UNROLL
    for (int v = 0; v < kPackVectors; ++v) sums[v][t] = V::zero();
  }
  for (int64_t column = 0; column < slice.cols; column += kChunkCols) {
    const int blocks = chunk_blocks(slice.cols, column);
    chunk.layout = chunk_layout<Type>(blocks);
    MINIM_UNROLL
    for (int v = 0; v < kPackVectors; ++v) {
      chunk.vector = v;
      chunk.super = load_super_scales<Type>(chunk.data, v);
      V::F totals[kTokens];
      stream_chunk<Type, kTokens>(chunk, blocks, x, totals);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        sums[v][t] = V::fma(totals[t], V::set(*scales[t]), sums[v][t]);
      }
    }
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      x.codes[t] += kChunkCols;
      x.sums[t] += kChunkCols / kDotCols<Type>;
      ++scales[t];
    }
    chunk.data += chunk.layout.bytes;
  }
  const int rows = static_cast<int>(slice.row_end - row);
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    float* out = slice.out + (token + t) * slice.out_stride + row;
    for (int v = 0; v < kPackVectors; ++v) {
      store_rows(out + v * V::kLanes, sums[v][t], lanes_left(rows, v));
    }
  }
}

// All tokens of the slice by one panel, kTokens at a time and then fewer.
template <typename Type, int kTokens>
MINIM_INLINE void stream_tokens(const MatmulSlice& slice, const std::byte* panel, int64_t row,
                                int64_t token) {
  for (; token + kTokens <= slice.tokens; token += kTokens) {
    stream_panel<Type, kTokens>(slice, panel, row, token);
  }
  if constexpr (kTokens > 1) stream_tokens<Type, kTokens / 2>(slice, panel, row, token);
}

template <typename Type>
MINIM_INLINE void stream_weights_int8(const MatmulSlice& slice) {
  const int64_t bytes = panel_bytes<Type>(slice.cols);
  const std::byte* panel = slice.weights + slice.row_begin / kPackRows * bytes;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += kPackRows, panel += bytes) {
    stream_tokens<Type, V::kStreamTokens>(slice, panel, row, 0);
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
