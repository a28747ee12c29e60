// Super-blocks of 256 values: first a scale (and minimum) for every group, then the numbers that
// store them, then codes for what was stored. A group tries the neighbours of its stored numbers
// too, and the block's own scale is fitted once more to all the codes: rounding errors of one stage
// are mended by the next.
#include <cstring>

#include "kernels/quantize_block.h"
#include "kernels/quantize_types.h"

namespace minim::kernels {
namespace {

// ---- x = scale * group scale * grid: Q3_K, Q6_K, IQ4_XS -----------------------------------------

struct SymmetricCodes {
  int group_scales[16];
  uint8_t codes[kSuperBlock];
  HalfBits scale;
};

template <typename Grid, int kGroups, int kScaleLow, int kScaleHigh>
class SymmetricSearch {
 public:
  explicit SymmetricSearch(const ScaledBlock& block) : block_(block) {}

  SymmetricCodes run() {
    float extreme = 0.0f;
    for (int group = 0; group < kGroups; ++group) {
      wanted_[group] = search_scale<Grid>(x(group), weights(group), kGroupValues);
      if (std::fabs(wanted_[group]) > std::fabs(extreme)) extreme = wanted_[group];
    }
    // The low end of the range reaches one further.
    Choice best = choose(block_.to_half(extreme / kScaleLow));
    for (int round = 0; round < kRounds; ++round) {
      const HalfBits refitted = block_.to_half(refit(best));
      if (refitted == best.scale) break;
      const Choice next = choose(refitted);
      if (!(next.error < best.error)) break;
      best = next;
    }
    return encode(best);
  }

 private:
  static constexpr int kGroupValues = kSuperBlock / kGroups;
  static constexpr int kRounds = 2;
  static constexpr int kNeighbours = 8;

  struct Choice {
    HalfBits scale;
    float error = 0.0f;
    int group_scales[kGroups];
  };

  const float* x(int group) const { return block_.x + group * kGroupValues; }
  const float* weights(int group) const { return block_.weights + group * kGroupValues; }

  static float inverse_or_zero(float scale) {
    return std::fabs(scale) > 1e-37f ? 1.0f / scale : 0.0f;
  }

  Choice choose(HalfBits scale_bits) const {
    Choice choice;
    choice.scale = scale_bits;
    const float scale = block_.from_half(scale_bits);
    for (int group = 0; group < kGroups; ++group) choose_group(group, scale, choice);
    return choice;
  }

  // Tries the stored scales around the wanted one.
  void choose_group(int group, float scale, Choice& choice) const {
    const float center =
        round_small(clamp_number(wanted_[group] * inverse_or_zero(scale), kScaleLow, kScaleHigh));
    float candidate[kNeighbours], step[kNeighbours], inverse[kNeighbours];
    float error[kNeighbours] = {};
    for (int lane = 0; lane < kNeighbours; ++lane) {
      const float offset = static_cast<float>(lane - kNeighbours / 2);
      candidate[lane] = clamp_number(center + offset, kScaleLow, kScaleHigh);
      step[lane] = scale * candidate[lane];
      inverse[lane] = inverse_or_zero(step[lane]);
    }
    const float* values = x(group);
    const float* value_weights = weights(group);
    for (int i = 0; i < kGroupValues; ++i) {
      for (int lane = 0; lane < kNeighbours; ++lane) {
        const float q = Grid::nearest(values[i] * inverse[lane]);
        const float difference = values[i] - step[lane] * q;
        error[lane] += value_weights[i] * difference * difference;
      }
    }
    int best = kNeighbours / 2;
    for (int lane = 0; lane < kNeighbours; ++lane) {
      if (error[lane] < error[best]) best = lane;
    }
    choice.group_scales[group] = static_cast<int>(candidate[best]);
    choice.error += error[best];
  }

  // The least-squares block scale for the codes of `choice`.
  float refit(const Choice& choice) const {
    const float scale = block_.from_half(choice.scale);
    float xq = 0.0f;
    float qq = 0.0f;
    for (int group = 0; group < kGroups; ++group) {
      const auto group_scale = static_cast<float>(choice.group_scales[group]);
      const float inverse = inverse_or_zero(scale * group_scale);
      for (int i = 0; i < kGroupValues; ++i) {
        const float q = group_scale * Grid::nearest(x(group)[i] * inverse);
        xq += weights(group)[i] * x(group)[i] * q;
        qq += weights(group)[i] * q * q;
      }
    }
    return qq > 0.0f ? xq / qq : scale;
  }

  SymmetricCodes encode(const Choice& choice) const {
    SymmetricCodes result;
    result.scale = choice.scale;
    const float scale = block_.from_half(choice.scale);
    for (int group = 0; group < kGroups; ++group) {
      result.group_scales[group] = choice.group_scales[group];
      const float inverse = inverse_or_zero(scale * static_cast<float>(choice.group_scales[group]));
      for (int i = 0; i < kGroupValues; ++i) {
        result.codes[group * kGroupValues + i] =
            static_cast<uint8_t>(Grid::code(x(group)[i] * inverse));
      }
    }
    return result;
  }

  const ScaledBlock& block_;
  float wanted_[kGroups];
};

// ---- x = scale * group scale * code - minimum * group minimum: Q2_K, Q4_K, Q5_K -----------------

struct AffineCodes {
  int group_scales[16];
  int group_minimums[16];
  uint8_t codes[kSuperBlock];
  HalfBits scale;
  HalfBits minimum;
};

template <int kCodeMax, int kGroups, int kScaleMax>
class AffineSearch {
 public:
  explicit AffineSearch(const ScaledBlock& block) : block_(block) {}

  AffineCodes run() {
    float scale_max = 0.0f;
    float minimum_max = 0.0f;
    for (int group = 0; group < kGroups; ++group) {
      wanted_[group] = search_affine<kCodeMax>(x(group), weights(group), kGroupValues, true);
      scale_max = std::max(scale_max, wanted_[group].scale);
      minimum_max = std::max(minimum_max, -wanted_[group].minimum);
    }
    Choice best =
        choose(block_.to_half(scale_max / kScaleMax), block_.to_half(minimum_max / kScaleMax));
    for (int round = 0; round < kRounds; ++round) {
      const Pair refitted = refit(best);
      const HalfBits scale = block_.to_half(refitted.scale);
      const HalfBits minimum = block_.to_half(refitted.minimum);
      if (scale == best.scale && minimum == best.minimum) break;
      const Choice next = choose(scale, minimum);
      if (!(next.error < best.error)) break;
      best = next;
    }
    return encode(best);
  }

 private:
  using Grid = WholeGrid<0, kCodeMax>;
  static constexpr int kGroupValues = kSuperBlock / kGroups;
  static constexpr int kRounds = 2;
  static constexpr int kNeighbours = 3;  // of each of the two numbers

  struct Pair {
    float scale;
    float minimum;
  };
  struct Choice {
    HalfBits scale;
    HalfBits minimum;
    float error = 0.0f;
    int group_scales[kGroups];
    int group_minimums[kGroups];
  };

  const float* x(int group) const { return block_.x + group * kGroupValues; }
  const float* weights(int group) const { return block_.weights + group * kGroupValues; }

  static float inverse_or_zero(float scale) { return scale > 1e-37f ? 1.0f / scale : 0.0f; }
  static float to_number(float wanted, float unit) {
    return round_small(clamp_number(wanted * inverse_or_zero(unit), 0.0f, kScaleMax));
  }

  Choice choose(HalfBits scale_bits, HalfBits minimum_bits) const {
    Choice choice;
    choice.scale = scale_bits;
    choice.minimum = minimum_bits;
    const Pair unit{block_.from_half(scale_bits), block_.from_half(minimum_bits)};
    for (int group = 0; group < kGroups; ++group) choose_group(group, unit, choice);
    return choice;
  }

  // Tries the stored pairs around the wanted one.
  void choose_group(int group, const Pair& unit, Choice& choice) const {
    const float scale_center = to_number(wanted_[group].scale, unit.scale);
    const float minimum_center = to_number(-wanted_[group].minimum, unit.minimum);
    constexpr int kCandidates = 12;  // 9 pairs, and three lanes that repeat some
    float scales[kCandidates], minimums[kCandidates];
    float step[kCandidates], shift[kCandidates], inverse[kCandidates];
    float error[kCandidates] = {};
    for (int lane = 0; lane < kCandidates; ++lane) {
      const auto scale_offset = static_cast<float>(lane % kNeighbours - 1);
      const auto minimum_offset = static_cast<float>(lane / kNeighbours - 1);
      scales[lane] = clamp_number(scale_center + scale_offset, 0.0f, kScaleMax);
      minimums[lane] = clamp_number(minimum_center + minimum_offset, 0.0f, kScaleMax);
      step[lane] = unit.scale * scales[lane];
      shift[lane] = unit.minimum * minimums[lane];
      inverse[lane] = inverse_or_zero(step[lane]);
    }
    const float* values = x(group);
    const float* value_weights = weights(group);
    for (int i = 0; i < kGroupValues; ++i) {
      for (int lane = 0; lane < kCandidates; ++lane) {
        const float above = values[i] + shift[lane];
        const float difference = above - step[lane] * Grid::nearest(above * inverse[lane]);
        error[lane] += value_weights[i] * difference * difference;
      }
    }
    int best = kNeighbours + 1;  // the center
    for (int lane = 0; lane < kCandidates; ++lane) {
      if (error[lane] < error[best]) best = lane;
    }
    choice.group_scales[group] = static_cast<int>(scales[best]);
    choice.group_minimums[group] = static_cast<int>(minimums[best]);
    choice.error += error[best];
  }

  // The least-squares scale and minimum of the block for the codes of `choice`.
  Pair refit(const Choice& choice) const {
    const Pair unit{block_.from_half(choice.scale), block_.from_half(choice.minimum)};
    float qq = 0.0f, qm = 0.0f, mm = 0.0f, xq = 0.0f, xm = 0.0f;
    for (int group = 0; group < kGroups; ++group) {
      const auto group_scale = static_cast<float>(choice.group_scales[group]);
      const auto group_minimum = static_cast<float>(choice.group_minimums[group]);
      const float inverse = inverse_or_zero(unit.scale * group_scale);
      const float shift = unit.minimum * group_minimum;
      for (int i = 0; i < kGroupValues; ++i) {
        const float q = group_scale * Grid::nearest((x(group)[i] + shift) * inverse);
        const float weight = weights(group)[i];
        qq += weight * q * q;
        qm -= weight * q * group_minimum;
        mm += weight * group_minimum * group_minimum;
        xq += weight * q * x(group)[i];
        xm -= weight * group_minimum * x(group)[i];
      }
    }
    const float determinant = qq * mm - qm * qm;
    if (!(determinant > 1e-5f * qq * mm)) return unit;
    const Pair pair{(mm * xq - qm * xm) / determinant, (qq * xm - qm * xq) / determinant};
    return pair.scale > 0.0f && pair.minimum > 0.0f ? pair : unit;
  }

  AffineCodes encode(const Choice& choice) const {
    AffineCodes result;
    result.scale = choice.scale;
    result.minimum = choice.minimum;
    const Pair unit{block_.from_half(choice.scale), block_.from_half(choice.minimum)};
    for (int group = 0; group < kGroups; ++group) {
      result.group_scales[group] = choice.group_scales[group];
      result.group_minimums[group] = choice.group_minimums[group];
      const float inverse =
          inverse_or_zero(unit.scale * static_cast<float>(choice.group_scales[group]));
      const float shift = unit.minimum * static_cast<float>(choice.group_minimums[group]);
      for (int i = 0; i < kGroupValues; ++i) {
        result.codes[group * kGroupValues + i] =
            static_cast<uint8_t>(Grid::code((x(group)[i] + shift) * inverse));
      }
    }
    return result;
  }

  const ScaledBlock& block_;
  AffineFit wanted_[kGroups];
};

// ---- packing ------------------------------------------------------------------------------------

// `bits` (2 at most) of every code, from bit `from` on, in the layout of Q2_K's codes.
void pack_two_bits(const uint8_t* codes, int from, uint8_t* out) {
  for (int j = 0; j < 64; ++j) {
    const uint8_t* first = codes + j / 32 * 128 + j % 32;
    int byte = 0;
    for (int part = 0; part < 4; ++part) byte |= ((first[32 * part] >> from) & 3) << (2 * part);
    out[j] = static_cast<uint8_t>(byte);
  }
}

// The low four bits: `half` values apart share a byte.
void pack_nibbles(const uint8_t* codes, int half, uint8_t* out) {
  for (int j = 0; j < kSuperBlock / 2; ++j) {
    const uint8_t* low = codes + j / half * 2 * half + j % half;
    out[j] = static_cast<uint8_t>((low[0] & 15) | (low[half] & 15) << 4);
  }
}

// One bit of every code: bit g of out[j] is that of value 32 * g + j.
void pack_bit(const uint8_t* codes, int bit, uint8_t* out) {
  for (int j = 0; j < 32; ++j) {
    int byte = 0;
    for (int group = 0; group < 8; ++group) byte |= ((codes[32 * group + j] >> bit) & 1) << group;
    out[j] = static_cast<uint8_t>(byte);
  }
}

// The eight six-bit pairs of Q4_K and Q5_K.
void pack_k_groups(const AffineCodes& found, uint8_t* bytes) {
  const int* s = found.group_scales;
  const int* m = found.group_minimums;
  for (int j = 0; j < 4; ++j) {
    bytes[j] = static_cast<uint8_t>(s[j] | s[j + 4] >> 4 << 6);
    bytes[4 + j] = static_cast<uint8_t>(m[j] | m[j + 4] >> 4 << 6);
    bytes[8 + j] = static_cast<uint8_t>((s[j + 4] & 15) | (m[j + 4] & 15) << 4);
  }
}

void pack(const AffineCodes& found, BlockQ2_K& out) {
  for (int group = 0; group < 16; ++group) {
    out.group_scales[group] =
        static_cast<uint8_t>(found.group_scales[group] | found.group_minimums[group] << 4);
  }
  pack_two_bits(found.codes, 0, out.codes);
  out.scale = found.scale;
  out.minimum = found.minimum;
}

void pack(const AffineCodes& found, BlockQ4_K& out) {
  out.scale = found.scale;
  out.minimum = found.minimum;
  pack_k_groups(found, out.group_scales);
  pack_nibbles(found.codes, 32, out.codes);
}

void pack(const AffineCodes& found, BlockQ5_K& out) {
  out.scale = found.scale;
  out.minimum = found.minimum;
  pack_k_groups(found, out.group_scales);
  pack_nibbles(found.codes, 32, out.codes);
  pack_bit(found.codes, 4, out.high_bits);
}

void pack(const SymmetricCodes& found, BlockQ3_K& out) {
  std::memset(out.group_scales, 0, sizeof(out.group_scales));
  for (int group = 0; group < 16; ++group) {
    const int number = found.group_scales[group] + 32;
    out.group_scales[group % 8] |= static_cast<uint8_t>((number & 15) << (group / 8 * 4));
    out.group_scales[8 + group % 4] |= static_cast<uint8_t>((number >> 4) << (group / 4 * 2));
  }
  pack_two_bits(found.codes, 0, out.codes);
  pack_bit(found.codes, 2, out.high_bits);
  out.scale = found.scale;
}

void pack(const SymmetricCodes& found, BlockQ6_K& out) {
  for (int group = 0; group < 16; ++group) {
    out.group_scales[group] = static_cast<int8_t>(found.group_scales[group]);
  }
  pack_nibbles(found.codes, 64, out.codes);
  pack_two_bits(found.codes, 4, out.high_bits);
  out.scale = found.scale;
}

void pack(const SymmetricCodes& found, BlockIq4Xs& out) {
  unsigned high = 0;
  std::memset(out.group_scales_low, 0, sizeof(out.group_scales_low));
  for (int group = 0; group < 8; ++group) {
    const int number = found.group_scales[group] + 32;
    out.group_scales_low[group / 2] |= static_cast<uint8_t>((number & 15) << (group % 2 * 4));
    high |= static_cast<unsigned>(number >> 4) << (2 * group);
  }
  out.group_scales_high = static_cast<uint16_t>(high);
  out.scale = found.scale;
  pack_nibbles(found.codes, 16, out.codes);
}

template <typename Search, typename Block>
void quantize_with(const float* values, const float* importance, Block& block) {
  ScaledBlock scaled;
  if (!scale_block(values, importance, kSuperBlock, scaled)) {
    block = Block{};  // the scale is zero: whatever the codes, the values are
    return;
  }
  pack(Search(scaled).run(), block);
}

}  // namespace

void quantize(const float* values, const float* importance, BlockQ2_K& block) {
  quantize_with<AffineSearch<3, 16, 15>>(values, importance, block);
}
void quantize(const float* values, const float* importance, BlockQ3_K& block) {
  quantize_with<SymmetricSearch<WholeGrid<-4, 3>, 16, -32, 31>>(values, importance, block);
}
void quantize(const float* values, const float* importance, BlockQ4_K& block) {
  quantize_with<AffineSearch<15, 8, 63>>(values, importance, block);
}
void quantize(const float* values, const float* importance, BlockQ5_K& block) {
  quantize_with<AffineSearch<31, 8, 63>>(values, importance, block);
}
void quantize(const float* values, const float* importance, BlockQ6_K& block) {
  quantize_with<SymmetricSearch<WholeGrid<-32, 31>, 16, -128, 127>>(values, importance, block);
}
void quantize(const float* values, const float* importance, BlockIq4Xs& block) {
  quantize_with<SymmetricSearch<Iq4Grid, 8, -32, 31>>(values, importance, block);
}

}  // namespace minim::kernels
