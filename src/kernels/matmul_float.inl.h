// Products of weights as files store them, in float. Few tokens: the weights stream through once,
// in the order in which they lie, lanes along the row. Many tokens: matmul_lanes.inl.h.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/matmul_lanes.inl.h"
#include "kernels/weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// From a line of some rows to what is fetched beside it: the same place in the rows after them, or,
// where those are far, a place in the same row. 135M f16: 94 tokens/s instead of 64.
MINIM_INLINE int64_t fetch_ahead(int64_t stride, int rows) {
  constexpr int64_t kNear = 8192;
  constexpr int64_t kInRow = 2048;
  return rows * stride <= kNear ? rows * stride : kInRow;
}

// kRows rows of plain numbers by kTokens tokens.
template <typename Type, int kRows, int kTokens>
void stream_rows(const std::byte* weights, int64_t stride, int64_t cols, const float* x,
                 int64_t x_stride, float* out, int64_t out_stride) {
  const int64_t ahead = fetch_ahead(stride, kRows);
  V::F sums[kRows][kTokens];
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[r][t] = V::zero();
  }
  const auto step = [&](int64_t column, auto load_weights, auto load_values) {
    V::F values[kTokens];
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) values[t] = load_values(x + t * x_stride + column);
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V::F row = load_weights(weights + r * stride + column * Type::kBytes);
      MINIM_UNROLL
      for (int t = 0; t < kTokens; ++t) sums[r][t] = V::fma(row, values[t], sums[r][t]);
    }
  };
  const auto whole_step = [&](int64_t column) {
    step(
        column, [](const std::byte* p) { return Type::load(p); },
        [](const float* p) { return V::load(p); });
  };
  constexpr int kLineCols = 64 / Type::kBytes;
  int64_t column = 0;
  for (; column + kLineCols <= cols; column += kLineCols) {
    MINIM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      __builtin_prefetch(weights + r * stride + column * Type::kBytes + ahead);
    }
    MINIM_UNROLL
    for (int i = 0; i < kLineCols; i += V::kLanes) whole_step(column + i);
  }
  for (; column + V::kLanes <= cols; column += V::kLanes) whole_step(column);
  if (const int rest = static_cast<int>(cols - column); rest > 0) {
    step(
        column, [rest](const std::byte* p) { return Type::load_partial(p, rest); },
        [rest](const float* p) { return V::load_partial(p, rest); });
  }
  MINIM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    MINIM_UNROLL
    for (int t = 0; t < kTokens; ++t) out[t * out_stride + r] = V::reduce_add(sums[r][t]);
  }
}

// One row of blocks by kTokens tokens, two chains of sums each.
template <typename Type, int kTokens>
void stream_blocks(const std::byte* weights, int64_t cols, const float* x, int64_t x_stride,
                   float* out, int64_t out_stride) {
  const auto* block = reinterpret_cast<const typename Type::Block*>(weights);
  V::F sums[kTokens][2];
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = V::zero();
  Unpacked unpacked;
  for (int64_t column = 0; column < cols; column += Type::kValues, ++block) {
    Type::unpack(*block, unpacked);
    for (int i = 0; i < Type::kValues; i += 2 * V::kLanes) {
      MINIM_UNROLL
      for (int chain = 0; chain < 2; ++chain) {
        const int at = i + chain * V::kLanes;
        const V::F values = Type::values(unpacked, at);
        MINIM_UNROLL
        for (int t = 0; t < kTokens; ++t) {
          sums[t][chain] = V::fma(values, V::load(x + t * x_stride + column + at), sums[t][chain]);
        }
      }
    }
  }
  MINIM_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    out[t * out_stride] = V::reduce_add(V::add(sums[t][0], sums[t][1]));
  }
}

// Rows [row, row_end) of the slice.
template <typename Type, int kTokens>
void stream_weights(const MatmulSlice& slice, int64_t token, int64_t row, int64_t row_end) {
  const int64_t stride = row_bytes<Type>(slice.cols);
  const int64_t x_stride = slice.input_stride / static_cast<int64_t>(sizeof(float));
  const float* x = reinterpret_cast<const float*>(slice.input) + token * x_stride;
  float* out = slice.out + token * slice.out_stride;
  if constexpr (Blocked<Type>) {
    for (; row < row_end; ++row) {
      stream_blocks<Type, kTokens>(slice.weights + row * stride, slice.cols, x, x_stride, out + row,
                                   slice.out_stride);
    }
  } else {
    for (; row + 4 <= row_end; row += 4) {
      stream_rows<Type, 4, kTokens>(slice.weights + row * stride, stride, slice.cols, x, x_stride,
                                    out + row, slice.out_stride);
    }
    for (; row < row_end; ++row) {
      stream_rows<Type, 1, kTokens>(slice.weights + row * stride, stride, slice.cols, x, x_stride,
                                    out + row, slice.out_stride);
    }
  }
}

// More than two tokens take some rows at a time, which stay in the nearest cache.
template <typename Type>
MINIM_INLINE void stream_tokens_stored(const MatmulSlice& slice) {
  constexpr int64_t kBytes = 16384;
  int64_t step = slice.row_end - slice.row_begin;
  if (slice.tokens > 2) {
    const int64_t rows = kBytes / row_bytes<Type>(slice.cols) / 4 * 4;
    step = rows < 4 ? 4 : rows;
  }
  for (int64_t row = slice.row_begin; row < slice.row_end; row += step) {
    const int64_t row_end = slice.row_end - row < step ? slice.row_end : row + step;
    int64_t token = 0;
    for (; token + 2 <= slice.tokens; token += 2) {
      stream_weights<Type, 2>(slice, token, row, row_end);
    }
    if (token < slice.tokens) stream_weights<Type, 1>(slice, token, row, row_end);
  }
}

MINIM_INLINE bool sums_as_few(const MatmulSlice& slice) {
  if (slice.order == SumOrder::kByTokens) return slice.tokens <= kFewRowsMax;
  return slice.order == SumOrder::kFew;
}

template <typename Type, typename Lanes>
void multiply_stored(const MatmulSlice& slice) noexcept {
  if (!sums_as_few(slice)) return multiply_lanes<Type, Lanes>(slice);
  stream_tokens_stored<Type>(slice);
}

template <typename Type>
void dequantize_stored_row(const std::byte* weights, int64_t cols, int64_t row,
                           float* out) noexcept {
  expand<Type>(weights + row * row_bytes<Type>(cols), 0, cols, out);
}

// The row of a table for weights as they are stored.
template <typename Type, typename Lanes>
constexpr MatmulKernel stored_kernel(MatmulPrecision precision) {
  return {.type = Type::kType,
          .precision = precision,
          .row_multiple = kPanelRows,
          .two_orders = true,
          .packed_bytes = nullptr,
          .pack = nullptr,
          .dequantize_row = dequantize_stored_row<Type>,
          .prepared_bytes = nullptr,
          .prepare = nullptr,
          .multiply = multiply_stored<Type, Lanes>};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
