// Activations rounded to 8 bits, as the products with packed weights read them, and what those
// products know of a type of weight.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes.inl.h"
#include "kernels/packed_weights.inl.h"

namespace minim::kernels::MINIM_ISA {
namespace {

// One token's activations, as prepare_int8() lays them out: bytes, then group sums, then scales.
struct PreparedRow {
  const int8_t* codes;  // [cols]
  const int32_t* sums;  // [cols / kDotCols], times -bias for types with a bias
  const float* scales;  // [chunks]
};

template <int kGroupCols>
MINIM_INLINE PreparedRow prepared_row(const std::byte* row, int64_t cols) {
  const std::byte* sums = row + whole_lines(cols);
  const std::byte* scales = sums + whole_lines(cols / kGroupCols * 4);
  return {reinterpret_cast<const int8_t*>(row), reinterpret_cast<const int32_t*>(sums),
          reinterpret_cast<const float*>(scales)};
}

template <int kGroupCols>
size_t prepared_int8_bytes(int64_t cols) noexcept {
  const int64_t chunks = (cols + kChunkCols - 1) / kChunkCols;
  const int64_t bytes =
      whole_lines(cols) + whole_lines(cols / kGroupCols * 4) + whole_lines(chunks * 4);
  // An odd number of cache lines, so that the tokens of a tile do not evict each other.
  return static_cast<size_t>((bytes / kLine | 1) * kLine);
}

constexpr int kActivationMax = 127;

// Rounds `count` values to codes in [-127, 127]; returns their scale, NaN where a value is not
// finite. REQUIRES: count is a multiple of 32.
MINIM_INLINE float round_chunk(const float* x, int64_t count, int8_t* codes) {
  V::F largest = V::zero();
  V::F poison = V::zero();
  for (int64_t i = 0; i < count; i += V::kLanes) {
    const V::F values = V::load(x + i);
    largest = V::max(largest, V::abs(values));
    poison = V::fma(values, V::zero(), poison);
  }
  const float magnitude = V::reduce_max(largest);
  constexpr auto kMax = static_cast<float>(kActivationMax);
  const V::F inverse = V::set(magnitude > 0 ? kMax / magnitude : 0.0f);
  for (int64_t i = 0; i < count; i += V::kLanes) {
    // The quotient may be larger than 127 where the magnitude is subnormal.
    const V::F quotient = V::round(V::mul(V::load(x + i), inverse));
    V::store_i8(codes + i, V::max(V::min(quotient, V::set(kMax)), V::set(-kMax)));
  }
  return magnitude / kMax + V::reduce_add(poison);
}

template <int kGroupCols, int kFactor>
void prepare_int8(const float* x, int64_t cols, std::byte* prepared) noexcept {
  const PreparedRow row = prepared_row<kGroupCols>(prepared, cols);
  auto* codes = const_cast<int8_t*>(row.codes);
  auto* sums = const_cast<int32_t*>(row.sums);
  auto* scales = const_cast<float*>(row.scales);
  for (int64_t column = 0; column < cols; column += kChunkCols) {
    const int64_t left = cols - column;
    const int64_t count = left < kChunkCols ? left : kChunkCols;
    *scales++ = round_chunk(x + column, count, codes + column);
  }
  for (int64_t column = 0; column < cols; column += kGroupCols) {
    int32_t sum = 0;
    for (int i = 0; i < kGroupCols; ++i) sum += codes[column + i];
    *sums++ = sum * kFactor;
  }
}

// The quads of a group whose products are summed in 16 bits before they go to 32: as many as cannot
// overflow, a power of two; 1 where 32 bits are as cheap.
template <typename Type>
constexpr int run_quads() {
  constexpr int kSumMax = 32767;
  constexpr int kQuadMax = V::kNarrowProducts * kCodeMagnitude<Type> * kActivationMax;
  int quads = 1;
  if (kQuadMax > 0) {
    while (2 * quads * kQuadMax <= kSumMax && 2 * quads * 4 <= kDotCols<Type>) quads *= 2;
  }
  return quads;
}
// 8 * 2 * 15 * 127 = 30480, 4 * 2 * 31 * 127 = 31496, 2 * 2 * 63 * 127 = 32004; two quads of
// 2 * 128 * 127 = 32512 are too much.
static_assert(V::kNarrowProducts != 2 || (run_quads<Q4_0>() == 8 && run_quads<Q5_0>() == 4 &&
                                          run_quads<Q6_K>() == 2 && run_quads<Q8_0>() == 1));

// What the arithmetic knows of a type: the tiles of types that are alike are the same code.
template <bool kSigned, bool kBiased, int kCols, bool kWithOffsets, int kQuadsOfRun>
struct Arithmetic {
  static constexpr bool kSignedBytes = kSigned;
  static constexpr bool kHasBias = kBiased;
  static constexpr int kGroupCols = kCols;
  static constexpr bool kHasOffsets = kWithOffsets;
  static constexpr int kRunQuads = kQuadsOfRun;
  static_assert(kGroupCols / 4 % kRunQuads == 0);
};
template <typename Type>
using ArithmeticOf = Arithmetic<kSignedCodes<Type>, kBias<Type> != 0, kDotCols<Type>,
                                Type::kHasOffsets, run_quads<Type>()>;

// `sums` are V::I or V::Narrow.
template <typename Form, typename Sums>
MINIM_INLINE Sums dot_codes(Sums sums, V::I weights, V::I x) {
  if constexpr (Form::kSignedBytes) {
    return V::dot_signed(sums, weights, x);
  } else {
    return V::dot(sums, weights, x);
  }
}

// Where the dot products of a group begin: at what takes the bias off the codes.
template <typename Form>
MINIM_INLINE V::I first_dot(const int32_t* sum) {
  if constexpr (Form::kHasBias) {
    return V::broadcast_i(sum);
  } else {
    return V::zero_i();
  }
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
