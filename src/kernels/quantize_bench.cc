// Megabytes of floats a second, in and out of every stored type, on one thread.
#include "kernels/quantize.h"

#include <fmt/core.h>

#include <vector>

#include "base/rng.h"
#include "tests/support/bench.h"

namespace minim {
namespace {

constexpr int64_t kValues = 1 << 16;

struct Rows {
  std::vector<float> values;
  std::vector<float> importance;
  std::vector<uint8_t> blocks;
};

void add_cases(const DataTypeInfo& info, Rows& rows, std::vector<bench::Case>& cases) {
  const DataType type = info.type;
  const double megabytes = kValues * sizeof(float) / 1e6;
  cases.push_back({fmt::format("quantize/{}", info.name), megabytes, "MB", [type, &rows] {
                     kernels::quantize_row(type, rows.values.data(), rows.blocks.data(), kValues);
                   }});
  if (info.block_values > 1) {
    cases.push_back(
        {fmt::format("quantize_weighted/{}", info.name), megabytes, "MB", [type, &rows] {
           kernels::quantize_row(type, rows.values.data(), rows.blocks.data(), kValues,
                                 rows.importance.data());
         }});
  }
  cases.push_back({fmt::format("dequantize/{}", info.name), megabytes, "MB", [type, &rows] {
                     kernels::dequantize_row(type, rows.blocks.data(), rows.values.data(), kValues);
                   }});
}

int run(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  Rng rng(1);
  Rows rows;
  rows.values.resize(kValues);
  rows.importance.resize(kValues);
  rows.blocks.resize(kValues * sizeof(float));
  for (float& value : rows.values) value = 0.02f * rng.normal();
  for (float& weight : rows.importance) weight = rng.uniform();
  std::vector<bench::Case> cases;
  for (const DataTypeInfo& info : data_types()) {
    if (info.is_weight) add_cases(info, rows, cases);
  }
  bench::run_cases(options, cases);
  return 0;
}

}  // namespace
}  // namespace minim

int main(int argc, char** argv) { return minim::run(argc, argv); }
