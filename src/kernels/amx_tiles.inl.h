// The tile registers of AMX: eight tiles of at most 16 rows of 64 bytes, whose shapes are set
// before they are used (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
// chapter 18). A tile of weights holds in row i, lane j the four bytes (or two halves) i of row j
// of the matrix: the order in which panels lie anyway.
#pragma once

#include "kernels/simd/attributes.h"

namespace minim::kernels::MINIM_ISA {
namespace {

constexpr int kAmxRows = 16;
constexpr int kAmxRowBytes = 64;
constexpr int kAmxLanes = kAmxRowBytes / 4;

struct AmxConfig {
  alignas(64) uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(AmxConfig) == 64);

MINIM_INLINE void set_tile(AmxConfig& config, int tile, int rows, int row_bytes) {
  config.rows[tile] = static_cast<uint8_t>(rows);
  config.row_bytes[tile] = static_cast<uint16_t>(row_bytes);
}

// Clears all tiles.
MINIM_INLINE void load_config(const AmxConfig& config) {
  asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
}
// Threads without tiles in use are cheaper to switch.
MINIM_INLINE void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

// The instructions are spelled out, because the intrinsics of GCC 12 take literal numbers of tiles
// only, and do not say that they read memory. Strides are in bytes.
template <int kTile>
MINIM_INLINE void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
template <int kTile>
MINIM_INLINE void load_tile(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
MINIM_INLINE void store_tile(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}
// kSums += kX * kWeights over signed bytes.
template <int kSums, int kX, int kWeights>
MINIM_INLINE void dot_tiles_int8() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kX), "i"(kWeights));
}
// The same over pairs of bfloat16, summed in float.
template <int kSums, int kX, int kWeights>
MINIM_INLINE void dot_tiles_bfloat16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kX), "i"(kWeights));
}

}  // namespace
}  // namespace minim::kernels::MINIM_ISA
