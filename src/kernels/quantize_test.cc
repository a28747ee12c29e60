// Stored blocks and floats: golden blocks of an independent implementation (scripts/golden/
// quantize.py), the plain roundings byte for byte, error bounds, and numbers that no half can
// scale.
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "kernels/block_types.h"
#include "tests/support/test_data.h"

namespace minim::kernels {
namespace {

using Bytes = std::vector<uint8_t>;
using Floats = std::vector<float>;

std::vector<DataType> block_types() {
  std::vector<DataType> types;
  for (const DataTypeInfo& info : data_types()) {
    if (info.block_values > 1) types.push_back(info.type);
  }
  return types;
}

Bytes quantized(DataType type, const Floats& values, const Floats& importance = {}) {
  Bytes blocks(data_type_bytes(type, values.size()).value());
  quantize_row(type, values.data(), blocks.data(), static_cast<int64_t>(values.size()),
               importance.empty() ? nullptr : importance.data());
  return blocks;
}

Floats dequantized(DataType type, const Bytes& blocks, size_t count) {
  Floats values(count);
  dequantize_row(type, blocks.data(), values.data(), static_cast<int64_t>(count));
  return values;
}

Floats round_trip(DataType type, const Floats& values, const Floats& importance = {}) {
  return dequantized(type, quantized(type, values, importance), values.size());
}

Floats gaussian(size_t count, float scale = 0.02f) {
  Rng rng(11);
  Floats values(count);
  for (float& value : values) value = scale * rng.normal();
  return values;
}

Floats laplace(size_t count) {
  Rng rng(12);
  Floats values(count);
  for (float& value : values) {
    value = -0.02f * std::log(1.0f - rng.uniform()) * (rng.next() & 1 ? 1.0f : -1.0f);
  }
  return values;
}

// sqrt(sum w (x - y)^2 / sum w x^2)
double relative_error(const Floats& x, const Floats& y, const Floats& weights = {}) {
  double error = 0;
  double total = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : static_cast<double>(weights[i]);
    error += weight * std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    total += weight * std::pow(static_cast<double>(x[i]), 2);
  }
  return std::sqrt(error / total);
}

Bytes from_hex(const std::string& text) {
  Bytes bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

Floats floats_from_hex(const std::string& text) {
  const Bytes bytes = from_hex(text);
  Floats values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

uint64_t fnv1a(const Floats& values) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const float value : values) {
    const float unsigned_zero = value + 0.0f;
    uint8_t bytes[4];
    std::memcpy(bytes, &unsigned_zero, 4);
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  }
  return hash;
}

class EveryBlockType : public ::testing::TestWithParam<DataType> {
 protected:
  const DataTypeInfo& info() const { return data_type_info(GetParam()); }
  size_t block_values() const { return static_cast<size_t>(info().block_values); }
};

INSTANTIATE_TEST_SUITE_P(Quantize, EveryBlockType, ::testing::ValuesIn(block_types()),
                         [](const auto& test) { return data_type_info(test.param).name; });

TEST_P(EveryBlockType, DequantizesTheGoldenBlocks) {
  const std::string name = info().name;
  std::ifstream file(minim::testing::golden_path("golden/quantize/" + name + ".txt"));
  int blocks = 0;
  int full = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, stored, hash, floats;
    words >> kind >> stored >> hash >> floats;
    if (kind != "block") continue;
    const Floats values = dequantized(GetParam(), from_hex(stored), block_values());
    if (!floats.empty()) {
      EXPECT_EQ(values, floats_from_hex(floats));
      ++full;
    }
    EXPECT_EQ(fnv1a(values), std::stoull(hash, nullptr, 16)) << "block " << blocks << ": " << line;
    ++blocks;
  }
  EXPECT_GE(blocks, 64);
  EXPECT_GE(full, 1);
}

TEST_P(EveryBlockType, RoundsLikeTheReference) {
  const std::string name = info().name;
  std::ifstream file(minim::testing::golden_path("golden/quantize/" + name + ".txt"));
  int blocks = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, floats, stored;
    words >> kind >> floats >> stored;
    if (kind != "quantize") continue;
    EXPECT_EQ(quantized(GetParam(), floats_from_hex(floats)), from_hex(stored))
        << "input " << blocks;
    ++blocks;
  }
  const bool has_plain_rounding =
      name.substr(0, 3) != "iq4" && name != "nf4" && name.substr(name.size() - 2) != "_k";
  EXPECT_EQ(blocks, has_plain_rounding ? 11 : 0);
}

TEST_P(EveryBlockType, ZerosStayZeros) {
  const Floats zeros(block_values() * 2);
  EXPECT_EQ(round_trip(GetParam(), zeros), zeros);
  EXPECT_EQ(round_trip(GetParam(), zeros, Floats(zeros.size(), 1.0f)), zeros);
  EXPECT_EQ(round_trip(GetParam(), zeros, zeros), zeros);
}

TEST_P(EveryBlockType, ConstantsComeBackNearly) {
  // The grids of IQ4 and MXFP4 hold no number near every constant's ratio to a scale of theirs, but
  // a searched scale fits one number exactly; MXFP4's scales are powers of two.
  const double bound = GetParam() == DataType::kMxfp4 ? 0.2 : 0.01;
  for (const float constant : {1.0f, -1.0f, 0.37f, -0.0123f}) {
    const Floats values(block_values(), constant);
    EXPECT_LT(relative_error(values, round_trip(GetParam(), values)), bound) << constant;
  }
}

TEST_P(EveryBlockType, HugeValuesSaturate) {
  for (const float peak : {7e4f, 1e7f, 1e20f, 3e38f, std::numeric_limits<float>::max()}) {
    Floats values = gaussian(block_values(), 0.2f);
    for (float& value : values) value *= peak;
    values[3] = peak;
    values[7] = -peak;
    for (const Floats& importance : {Floats{}, Floats(values.size(), 2.0f)}) {
      const Floats result = round_trip(GetParam(), values, importance);
      for (const float value : result) EXPECT_TRUE(std::isfinite(value)) << peak;
      EXPECT_GT(result[3], 0.0f) << peak;
      EXPECT_LT(result[7], 0.0f) << peak;
    }
  }
}

TEST_P(EveryBlockType, TinyValuesAreNoLargerAfterwards) {
  for (const float peak : {1e-3f, 1e-6f, 3e-8f, 1e-12f, 1e-30f, 1e-38f, 1e-45f}) {
    Floats values = gaussian(block_values(), 0.2f);
    for (float& value : values) value *= peak;
    values[5] = peak;
    for (const Floats& importance : {Floats{}, Floats(values.size(), 1e-30f)}) {
      for (const float value : round_trip(GetParam(), values, importance)) {
        // A scale may round up to the smallest half, 2^-24, which the largest code multiplies.
        EXPECT_LE(std::fabs(value), std::max(3.0f * peak, 0x1p-24f * 128.0f * 127.0f)) << peak;
      }
    }
  }
}

TEST_P(EveryBlockType, ValuesThatAreNotFiniteDoNoHarmElsewhere) {
  const float infinity = std::numeric_limits<float>::infinity();
  const size_t count = block_values();
  const Floats good = gaussian(count);
  const Floats expected = round_trip(GetParam(), good);
  for (const float bad : {std::nanf(""), infinity, -infinity}) {
    for (const size_t position : {size_t{0}, count / 2, count - 1}) {
      Floats values = good;
      values.insert(values.end(), good.begin(), good.end());
      values[position] = bad;
      Floats importance(values.size(), 1.0f);
      quantized(GetParam(), values, importance);
      const Floats result = round_trip(GetParam(), values);
      EXPECT_EQ(Floats(result.begin() + static_cast<int64_t>(count), result.end()), expected);
      importance[position] = bad;
      quantized(GetParam(), good,
                Floats(importance.begin(), importance.begin() + static_cast<int64_t>(count)));
    }
  }
}

TEST_P(EveryBlockType, BlocksMayLieAtAnyByte) {
  const Floats values = gaussian(block_values() * 2);
  const Bytes blocks = quantized(GetParam(), values);
  Bytes shifted(blocks.size() + 1);
  quantize_row(GetParam(), values.data(), shifted.data() + 1, static_cast<int64_t>(values.size()));
  EXPECT_EQ(Bytes(shifted.begin() + 1, shifted.end()), blocks);
  Floats result(values.size());
  dequantize_row(GetParam(), shifted.data() + 1, result.data(),
                 static_cast<int64_t>(result.size()));
  EXPECT_EQ(result, dequantized(GetParam(), blocks, values.size()));
}

TEST_P(EveryBlockType, ErrorsStayWithinTheirBounds) {
  struct Bound {
    DataType type;
    double gaussian, laplace;
  };
  // Measured when the searches were written, and one part in fifty.
  static constexpr Bound kBounds[] = {
      {DataType::kQ8_0, 0.00533, 0.00673}, {DataType::kQ4_0, 0.0856, 0.1070},
      {DataType::kQ4_1, 0.0781, 0.0918},   {DataType::kQ5_0, 0.0425, 0.0536},
      {DataType::kQ5_1, 0.0378, 0.0445},   {DataType::kQ2_K, 0.2669, 0.2968},
      {DataType::kQ3_K, 0.1452, 0.1710},   {DataType::kQ4_K, 0.0701, 0.0833},
      {DataType::kQ5_K, 0.0344, 0.0409},   {DataType::kQ6_K, 0.0169, 0.0207},
      {DataType::kIq4Nl, 0.0737, 0.0856},  {DataType::kIq4Xs, 0.0743, 0.0864},
      {DataType::kTq1_0, 0.8056, 0.8322},  {DataType::kTq2_0, 0.8056, 0.8322},
      {DataType::kMxfp4, 0.1139, 0.1261},  {DataType::kNf4, 0.0920, 0.1036},
  };
  const auto* bound = std::find_if(std::begin(kBounds), std::end(kBounds),
                                   [](const Bound& b) { return b.type == GetParam(); });
  ASSERT_NE(bound, std::end(kBounds));
  const Floats normal = gaussian(1 << 15);
  EXPECT_LT(relative_error(normal, round_trip(GetParam(), normal)), bound->gaussian * 1.02);
  const Floats heavy = laplace(1 << 15);
  EXPECT_LT(relative_error(heavy, round_trip(GetParam(), heavy)), bound->laplace * 1.02);
}

TEST_P(EveryBlockType, ImportanceLowersTheErrorItWeighs) {
  const Floats values = gaussian(1 << 14);
  Rng rng(13);
  Floats importance(values.size());
  for (float& weight : importance) weight = 0.01f - std::log(1.0f - rng.uniform());
  const double plain = relative_error(values, round_trip(GetParam(), values), importance);
  const double weighted =
      relative_error(values, round_trip(GetParam(), values, importance), importance);
  EXPECT_LT(weighted, 0.985 * plain);
}

TEST_P(EveryBlockType, OnlyRatiosOfImportanceMatter) {
  const Floats values = gaussian(block_values() * 4);
  Floats importance(values.size(), 1.0f);
  for (size_t i = 0; i < importance.size(); i += 3) importance[i] = 0.25f;
  Floats scaled = importance;
  for (float& weight : scaled) weight *= 0x1p-80f;
  EXPECT_EQ(quantized(GetParam(), values, importance), quantized(GetParam(), values, scaled));
}

TEST_P(EveryBlockType, PowersOfTwoScaleTheResult) {
  const Floats values = gaussian(block_values() * 4, 1.0f);
  Floats doubled = values;
  for (float& value : doubled) value *= 4.0f;
  Floats expected = round_trip(GetParam(), values);
  for (float& value : expected) value *= 4.0f;
  EXPECT_EQ(round_trip(GetParam(), doubled), expected);
}

TEST_P(EveryBlockType, StoredValuesAreStable) {
  // What was stored once loses little when it is stored again; nothing where the plain rounding
  // finds its own scale again.
  const Floats values = gaussian(1 << 14);
  const Floats once = round_trip(GetParam(), values);
  const Floats twice = round_trip(GetParam(), once);
  switch (GetParam()) {
    case DataType::kQ8_0:
    case DataType::kQ4_0:
    case DataType::kQ5_0:
    case DataType::kTq1_0:
    case DataType::kTq2_0:
    case DataType::kMxfp4:
    case DataType::kNf4: EXPECT_EQ(twice, once); break;
    default: EXPECT_LT(relative_error(once, twice), 0.5 * relative_error(values, once));
  }
}

TEST_P(EveryBlockType, RowsAreTheirBlocks) {
  const Floats values = gaussian(block_values() * 3);
  const Bytes row = quantized(GetParam(), values);
  Bytes single;
  for (size_t begin = 0; begin < values.size(); begin += block_values()) {
    const auto first = values.begin() + static_cast<int64_t>(begin);
    const Bytes block =
        quantized(GetParam(), Floats(first, first + static_cast<int64_t>(block_values())));
    single.insert(single.end(), block.begin(), block.end());
  }
  EXPECT_EQ(row, single);
}

TEST(Quantize, MoreBitsAreBetter) {
  for (const Floats& values : {gaussian(1 << 14), laplace(1 << 14)}) {
    double previous = 0;
    for (const DataType type : {DataType::kQ8_0, DataType::kQ6_K, DataType::kQ5_K, DataType::kQ4_K,
                                DataType::kQ3_K, DataType::kQ2_K}) {
      const double error = relative_error(values, round_trip(type, values));
      EXPECT_GT(error, 1.5 * previous) << data_type_info(type).name;
      previous = error;
    }
  }
}

TEST(Quantize, TernaryWeightsAreExact) {
  Rng rng(14);
  Floats values(1024);
  for (float& value : values) value = 0.0625f * (static_cast<float>(rng.below(3)) - 1.0f);
  for (const DataType type : {DataType::kTq1_0, DataType::kTq2_0}) {
    EXPECT_EQ(round_trip(type, values), values) << data_type_info(type).name;
  }
}

TEST(Quantize, AGroupOfOneSignKeepsItsShape) {
  // All above zero and far from it: the K types' minimum cannot help, their scale must.
  Floats values = gaussian(4096, 0.1f);
  for (float& value : values) value += 1.0f;
  EXPECT_LT(relative_error(values, round_trip(DataType::kQ4_K, values)), 0.022);
  EXPECT_LT(relative_error(values, round_trip(DataType::kQ4_1, values)), 0.008);
  for (float& value : values) value -= 2.0f;  // all below: the minimum helps
  EXPECT_LT(relative_error(values, round_trip(DataType::kQ4_K, values)), 0.011);
}

TEST(Quantize, AnOutlierInAGroupLeavesTheOtherGroupsAlone) {
  Floats values = gaussian(256);
  values[70] = 4.0f;
  const Floats result = round_trip(DataType::kQ6_K, values);
  EXPECT_NEAR(result[70], 4.0f, 0.1f);
  const Floats others(values.begin() + 96, values.end());
  const Floats others_result(result.begin() + 96, result.end());
  EXPECT_LT(relative_error(others, others_result), 0.25);
}

TEST(Quantize, RealWeightsKeepTheirBounds) {
  MINIM_DATA_OR_SKIP(path, "weights/stories260K/stories260K.bin");
  const std::string content = minim::testing::read_data(path);
  constexpr size_t kHeader = 7 * sizeof(int32_t);
  Floats values((content.size() - kHeader) / sizeof(float) / 256 * 256);
  std::memcpy(values.data(), content.data() + kHeader, values.size() * sizeof(float));
  struct Row {
    DataType type;
    double reference;  // what the format's reference quantizer reaches
  };
  for (const Row& row :
       {Row{DataType::kQ2_K, 0.27913}, Row{DataType::kQ3_K, 0.14036}, Row{DataType::kQ4_K, 0.06542},
        Row{DataType::kQ5_K, 0.03270}, Row{DataType::kQ6_K, 0.01597},
        Row{DataType::kIq4Nl, 0.07238}, Row{DataType::kIq4Xs, 0.07316}}) {
    EXPECT_LT(relative_error(values, round_trip(row.type, values)), row.reference)
        << data_type_info(row.type).name;
  }
}

TEST(Quantize, HalvesRoundAndSaturate) {
  const Floats values = {1.0f, -2.5f, 65504.0f, 70000.0f, -1e30f, 0x1p-24f, 0x1p-26f, 0.1f};
  EXPECT_EQ(round_trip(DataType::kF16, values),
            (Floats{1.0f, -2.5f, 65504.0f, 65504.0f, -65504.0f, 0x1p-24f, 0.0f, 0.0999755859375f}));
  const Floats wide = {1.0f, 0x1.fffffep127f, -0x1.fffffep127f, 0x1p-133f, 0.1f};
  EXPECT_EQ(round_trip(DataType::kBf16, wide),
            (Floats{1.0f, 0x1.fep127f, -0x1.fep127f, 0x1p-133f, 0.10009765625f}));
  const Floats any = gaussian(100);
  EXPECT_EQ(round_trip(DataType::kF32, any), any);
}

TEST(Quantize, EmptyRowsAreRows) {
  for (const DataTypeInfo& info : data_types()) {
    if (!info.is_weight) continue;
    quantize_row(info.type, nullptr, nullptr, 0);
    dequantize_row(info.type, nullptr, nullptr, 0);
  }
}

TEST(Quantize, Nf4LevelsAreQuantilesOfTheNormalDistribution) {
  // P(X <= level * c) for the c that makes the outermost quantile 1: equally spaced on either side.
  constexpr double kOutermost = 1.8481308221817017;
  for (int i = 0; i <= 7; ++i) {
    const double below = 0.5 * std::erfc(-kNf4Levels[i] * kOutermost / std::sqrt(2.0));
    EXPECT_NEAR(below, 0.5 - (7 - i) * (0.5 - 0.032291666) / 7.0, 2e-6) << i;
  }
  for (int i = 7; i < 16; ++i) {
    const double below = 0.5 * std::erfc(-kNf4Levels[i] * kOutermost / std::sqrt(2.0));
    EXPECT_NEAR(below, 0.5 + (i - 7) * (0.5 - 0.032291666) / 8.0, 2e-6) << i;
  }
}

}  // namespace
}  // namespace minim::kernels
