// Seeded inputs for the tests of kernels and tensor operations.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/quantize.h"
#include "kernels/registry.h"

namespace minim::testing {

// MINIM_SEED, or the day's default; tests name it in every failure.
inline uint64_t test_seed() {
  const char* text = std::getenv("MINIM_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20240229;
}

inline std::vector<float> random_floats(Rng& rng, size_t count, float deviation = 1.0f) {
  std::vector<float> values(count);
  for (float& value : values) value = rng.normal() * deviation;
  return values;
}

// [rows, cols] normal values as stored blocks, and the floats that these stand for.
struct RandomWeights {
  std::vector<std::byte> bytes;
  std::vector<float> values;
};

inline RandomWeights random_weights(Rng& rng, DataType type, int64_t rows, int64_t cols) {
  RandomWeights weights;
  const auto row_bytes = static_cast<size_t>(*data_type_bytes(type, static_cast<uint64_t>(cols)));
  weights.bytes.resize(row_bytes * static_cast<size_t>(rows));
  weights.values.resize(static_cast<size_t>(rows * cols));
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<float> values = random_floats(rng, static_cast<size_t>(cols));
    std::byte* stored = weights.bytes.data() + row_bytes * static_cast<size_t>(row);
    kernels::quantize_row(type, values.data(), stored, cols);
    kernels::dequantize_row(type, stored, weights.values.data() + row * cols, cols);
  }
  return weights;
}

// The tables that this machine runs.
inline std::vector<const kernels::KernelTable*> supported_tables() {
  std::vector<const kernels::KernelTable*> tables;
  for (const kernels::KernelTable* table : kernels::kernel_tables()) {
    if (cpu_supports(table->set)) tables.push_back(table);
  }
  return tables;
}

}  // namespace minim::testing

// Names the table and the seed in the failures of the enclosing scope.
#define MINIM_TRACE_TABLE(table)                                       \
  SCOPED_TRACE(fmt::format("{} kernels, MINIM_SEED={}",                \
                           ::minim::instruction_set_name((table).set), \
                           ::minim::testing::test_seed()))
