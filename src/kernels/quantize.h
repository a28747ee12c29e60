// Conversion between floats and stored blocks, one row at a time. This scalar code is the
// specification of every type; the layouts are drawn in block_types.h.
#pragma once

#include <cstdint>

#include "kernels/data_type.h"

namespace minim::kernels {

// REQUIRES: find_data_type(type)->is_weight; count is a multiple of its block_values.
void dequantize_row(DataType type, const void* blocks, float* values, int64_t count) noexcept;

// Round-to-nearest with the reference rounding of each format. `importance` holds one weight a
// value (larger: its error matters more), or is null: all the same. Values are finite.
void quantize_row(DataType type, const float* values, void* blocks, int64_t count,
                  const float* importance = nullptr) noexcept;

}  // namespace minim::kernels
