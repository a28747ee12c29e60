// Rows of floats to stored blocks.
#include "kernels/quantize.h"

#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "kernels/quantize_block.h"
#include "kernels/quantize_types.h"

namespace minim::kernels {
namespace {

template <typename Block>
void quantize_blocks(const float* values, const float* importance, void* blocks, int64_t count,
                     int block_values) {
  auto* block = static_cast<Block*>(blocks);
  for (int64_t i = 0; i < count; i += block_values) {
    quantize(values + i, importance == nullptr ? nullptr : importance + i, *block++);
  }
}

template <uint16_t (*kConvert)(float)>
void convert_floats(const float* values, void* halves, int64_t count) {
  auto* bytes = static_cast<char*>(halves);
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = kConvert(values[i]);
    std::memcpy(bytes + 2 * i, &bits, 2);
  }
}

// Without rounding up to infinity.
uint16_t to_finite_bfloat16(float value) {
  constexpr float kLargest = 0x1.fep127f;
  return float_to_bfloat16(clamp_number(value, -kLargest, kLargest));
}

}  // namespace

void quantize_row(DataType type, const float* values, void* blocks, int64_t count,
                  const float* importance) noexcept {
  const DataTypeInfo& info = data_type_info(type);
  const int block_values = info.block_values;
  MINIM_CHECK(info.is_weight && count >= 0 && count % block_values == 0);
  switch (type) {
    case DataType::kF32:
      if (count > 0) std::memcpy(blocks, values, static_cast<size_t>(count) * sizeof(float));
      return;
    case DataType::kF16: return convert_floats<scale_to_half>(values, blocks, count);
    case DataType::kBf16: return convert_floats<to_finite_bfloat16>(values, blocks, count);
#define MINIM_CASE(name)  \
  case DataType::k##name: \
    return quantize_blocks<Block##name>(values, importance, blocks, count, block_values)
      MINIM_CASE(Q8_0);
      MINIM_CASE(Q4_0);
      MINIM_CASE(Q4_1);
      MINIM_CASE(Q5_0);
      MINIM_CASE(Q5_1);
      MINIM_CASE(Q2_K);
      MINIM_CASE(Q3_K);
      MINIM_CASE(Q4_K);
      MINIM_CASE(Q5_K);
      MINIM_CASE(Q6_K);
      MINIM_CASE(Iq4Nl);
      MINIM_CASE(Iq4Xs);
      MINIM_CASE(Mxfp4);
      MINIM_CASE(Nf4);
      MINIM_CASE(Tq1_0);
      MINIM_CASE(Tq2_0);
#undef MINIM_CASE
    case DataType::kI8:
    case DataType::kI16:
    case DataType::kI32:
    case DataType::kI64:
    case DataType::kF64: break;
  }
}

}  // namespace minim::kernels
