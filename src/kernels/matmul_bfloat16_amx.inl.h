// Products of half-precision weights with many tokens by the tile registers of AMX: 32 rows by 32
// tokens in four tiles of sums, over panels of bfloat16 as in matmul_lanes.inl.h.
#pragma once

#include "kernels/amx_tiles.inl.h"
#include "kernels/bfloat16_lanes.inl.h"
#include "kernels/gemm_amx.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

static_assert(kPanelRows == 2 * kAmxLanes && kTileLanes % kAmxLanes == 0);

constexpr int kAmxTokens = 2 * kAmxRows;  // of a step
constexpr int kAmxTokenBlock = 128;       // whose sums share the first cache with a part of a panel

// Tiles 0 to 3 hold sums, 4 and 5 tokens, 6 and 7 weights.
MINIM_INLINE void configure_bfloat16(int64_t tokens) {
  AmxConfig config;
  for (int half = 0; half < 2; ++half) {
    const int64_t left = tokens - half * kAmxRows;
    const int rows = static_cast<int>(left < 0 ? 0 : left < kAmxRows ? left : kAmxRows);
    const int row_bytes = rows > 0 ? kAmxRowBytes : 0;
    set_tile(config, 2 * half, rows, row_bytes);
    set_tile(config, 2 * half + 1, rows, row_bytes);
    set_tile(config, 4 + half, rows, row_bytes);
    set_tile(config, 6 + half, kAmxRows, kAmxRowBytes);
  }
  load_config(config);
}

// Some lanes of a panel by some tokens. Strides in bytes.
struct AmxStep {
  const float* panel;  // [lanes, kPanelRows]
  int64_t lanes;
  const std::byte* x;
  int64_t x_stride;
  float* sums;  // [tokens, kPanelRows], added to
};

// kHalves: sixteen or thirty-two tokens, or what the configuration leaves of them.
template <int kHalves>
void multiply_amx_step(const AmxStep& step) {
  constexpr int64_t kSumsStride = kPanelRows * sizeof(float);
  float* second_sums = step.sums + kAmxRows * kPanelRows;
  load_tile<0>(step.sums, kSumsStride);
  load_tile<1>(step.sums + kAmxLanes, kSumsStride);
  if constexpr (kHalves == 2) {
    load_tile<2>(second_sums, kSumsStride);
    load_tile<3>(second_sums + kAmxLanes, kSumsStride);
  }
  for (int64_t lane = 0; lane < step.lanes; lane += kAmxLanes) {
    const std::byte* x = step.x + lane * 4;
    const float* weights = step.panel + lane * kPanelRows;
    load_tile<4>(x, step.x_stride);
    load_tile<6>(weights, kSumsStride);
    dot_tiles_bfloat16<0, 4, 6>();
    load_tile<7>(weights + kAmxLanes, kSumsStride);
    dot_tiles_bfloat16<1, 4, 7>();
    if constexpr (kHalves == 2) {
      load_tile<5>(x + kAmxRows * step.x_stride, step.x_stride);
      dot_tiles_bfloat16<2, 5, 6>();
      dot_tiles_bfloat16<3, 5, 7>();
    }
  }
  store_tile<0>(step.sums, kSumsStride);
  store_tile<1>(step.sums + kAmxLanes, kSumsStride);
  if constexpr (kHalves == 2) {
    store_tile<2>(second_sums, kSumsStride);
    store_tile<3>(second_sums + kAmxLanes, kSumsStride);
  }
}

// The step for all `tokens` tokens.
MINIM_INLINE void multiply_amx_steps(AmxStep step, int64_t tokens) {
  for (; tokens >= kAmxTokens; tokens -= kAmxTokens) {
    multiply_amx_step<2>(step);
    step.x += kAmxTokens * step.x_stride;
    step.sums += kAmxTokens * kPanelRows;
  }
  if (tokens == 0) return;
  configure_bfloat16(tokens);
  tokens > kAmxRows ? multiply_amx_step<2>(step) : multiply_amx_step<1>(step);
  configure_bfloat16(kAmxTokens);
}

// Tokens [token, token + tokens) by one panel of the block, whose rows begin at `row`.
MINIM_INLINE void multiply_amx_panel(const MatmulSlice& slice, LaneBlock& block, int panel,
                                     int64_t row, int64_t token, int64_t tokens) {
  alignas(64) float sums[kAmxTokenBlock * kPanelRows];
  visit_sums(slice, row, token, tokens, sums, [&](float* to, const float* out, int lanes) {
    V::store(to, block.column == 0 || lanes == 0 ? V::zero() : V::load_partial(out, lanes));
  });
  const float* x = bfloat16_lanes(slice, token, block.column);
  for (int64_t lane = 0; lane < block.panel_lanes; lane += kTileLanes) {
    const int64_t left = block.panel_lanes - lane;
    multiply_amx_steps({.panel = block.panel(panel) + lane * kPanelRows,
                        .lanes = left < kTileLanes ? left : kTileLanes,
                        .x = reinterpret_cast<const std::byte*>(x + lane),
                        .x_stride = slice.input_stride,
                        .sums = sums},
                       tokens);
  }
  visit_sums(slice, row, token, tokens, sums, [](const float* from, float* out, int lanes) {
    store_rows(out, V::load(from), lanes);
  });
}

template <typename Type>
void multiply_bfloat16_amx(const MatmulSlice& slice) noexcept {
  if (sums_as_few(slice)) return stream_tokens_stored<Type>(slice);
  configure_bfloat16(kAmxTokens);
  LaneBlock block;
  for (int64_t row = slice.row_begin; row < slice.row_end; row += block.panels * kPanelRows) {
    for (int64_t column = 0; column < slice.cols; column += block.cols) {
      fill_block<Type, Bfloat16Lanes>(slice, row, column, block);
      for (int64_t token = 0; token < slice.tokens; token += kAmxTokenBlock) {
        const int64_t left = slice.tokens - token;
        const int64_t tokens = left < kAmxTokenBlock ? left : kAmxTokenBlock;
        for (int p = 0; p < block.panels; ++p) {
          multiply_amx_panel(slice, block, p, row + p * kPanelRows, token, tokens);
        }
      }
    }
  }
  release_tiles();
}

template <typename Type>
constexpr MatmulKernel bfloat16_amx_kernel() {
  MatmulKernel kernel = bfloat16_kernel<Type>();
  kernel.multiply = multiply_bfloat16_amx<Type>;
  return kernel;
}

constexpr MatmulKernel kBfloat16AmxKernels[] = {bfloat16_amx_kernel<F16>(),
                                                bfloat16_amx_kernel<Bf16>()};

constexpr GemmKernel kAmxGemm = make_amx_gemm_kernel();

constexpr Bfloat16Kernels make_bfloat16_amx_kernels() {
  return {.matmuls = {kBfloat16AmxKernels,
                      sizeof(kBfloat16AmxKernels) / sizeof(kBfloat16AmxKernels[0])},
          .gemm = &kAmxGemm,
          .probe_products = probe_bfloat16_products};
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
