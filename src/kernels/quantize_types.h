// One block of every type from its values: what quantize_row calls in a loop. `importance` may be
// null, and is as long as `values` otherwise.
#pragma once

#include "kernels/block_types.h"

namespace minim::kernels {

void quantize(const float* values, const float* importance, BlockQ8_0& block);
void quantize(const float* values, const float* importance, BlockQ4_0& block);
void quantize(const float* values, const float* importance, BlockQ4_1& block);
void quantize(const float* values, const float* importance, BlockQ5_0& block);
void quantize(const float* values, const float* importance, BlockQ5_1& block);
void quantize(const float* values, const float* importance, BlockIq4Nl& block);
void quantize(const float* values, const float* importance, BlockMxfp4& block);
void quantize(const float* values, const float* importance, BlockNf4& block);
void quantize(const float* values, const float* importance, BlockQ2_K& block);
void quantize(const float* values, const float* importance, BlockQ3_K& block);
void quantize(const float* values, const float* importance, BlockQ4_K& block);
void quantize(const float* values, const float* importance, BlockQ5_K& block);
void quantize(const float* values, const float* importance, BlockQ6_K& block);
void quantize(const float* values, const float* importance, BlockIq4Xs& block);
void quantize(const float* values, const float* importance, BlockTq1_0& block);
void quantize(const float* values, const float* importance, BlockTq2_0& block);

}  // namespace minim::kernels
