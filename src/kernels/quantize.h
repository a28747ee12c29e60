// Conversion between floats and stored blocks, one row at a time. This scalar code is the
// specification of every type; the layouts are drawn in block_types.h.
#pragma once

#include <cstdint>

#include "kernels/data_type.h"

namespace minim::kernels {

// `blocks` may have any alignment. Exact: one multiplication, or two and a subtraction, in the
// order that block_types.h writes, so every machine gives the same bits.
// REQUIRES: find_data_type(type)->is_weight; count is a multiple of its block_values.
void dequantize_row(DataType type, const void* blocks, float* values, int64_t count) noexcept;

// Without importance the types of 32 or 64 values and the ternary ones take their format's plain
// rounding; IQ4_NL, IQ4_XS and the K types search scales that lower the squared error, where
// larger values count more. With importance (one weight a value, not negative: larger, and its
// error matters more) every type searches.
//
// A finite input never gives an infinity: scales saturate at the largest half, as do F16 values.
// Scales below the smallest half give zeros.
// REQUIRES: as above, and finite values. Others are no error here, but what they become, and what
// becomes of their block, is unspecified: callers check what came from a file.
void quantize_row(DataType type, const float* values, void* blocks, int64_t count,
                  const float* importance = nullptr) noexcept;

}  // namespace minim::kernels
