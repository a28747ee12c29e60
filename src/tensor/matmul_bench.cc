// Products of every weight type: one token (decode), a few (batches), many (prefill).
#include <fmt/core.h>

#include <cstring>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "kernels/quantize.h"
#include "kernels/registry.h"
#include "tensor/limits_bench.h"
#include "tensor/ops.h"

namespace minim::bench {
namespace {

// The same random row over and over: speed does not depend on the values.
std::shared_ptr<std::vector<std::byte>> repeated_rows(DataType type, int64_t rows, int64_t cols) {
  Rng rng(1);
  std::vector<float> values(static_cast<size_t>(cols));
  for (float& value : values) value = rng.normal();
  const auto row_bytes = static_cast<size_t>(*data_type_bytes(type, static_cast<uint64_t>(cols)));
  auto bytes = std::make_shared<std::vector<std::byte>>(row_bytes * static_cast<size_t>(rows));
  kernels::quantize_row(type, values.data(), bytes->data(), cols);
  for (size_t row = 1; row < static_cast<size_t>(rows); ++row) {
    std::memcpy(bytes->data() + row * row_bytes, bytes->data(), row_bytes);
  }
  return bytes;
}

void run_product(const Context& context, const Options& options, const Limits& limits,
                 const kernels::MatmulKernel& kernel, int64_t rows, int64_t cols, int64_t tokens) {
  const std::string name = fmt::format(
      "matmul {} {} {}x{} tokens {}", data_type_info(kernel.type).name,
      kernel.precision == MatmulPrecision::kInt8 ? "int8" : "float", rows, cols, tokens);
  if (name.find(options.filter) == std::string::npos) return;
  const auto bytes = repeated_rows(kernel.type, rows, cols);
  WeightMemory memory;
  const WeightMatrix weights =
      WeightMatrix::pack(context, kernel.type, rows, cols, *bytes, bytes, memory, kernel.precision);
  std::vector<float> x(static_cast<size_t>(tokens * cols), 0.5f);
  std::vector<float> out(static_cast<size_t>(tokens * rows));
  run_work(
      context, options, limits,
      {name, 2.0 * static_cast<double>(rows * cols * tokens), static_cast<double>(weights.bytes()),
       [&] {
         matmul(context, weights, {x.data(), tokens, cols, cols}, {out.data(), tokens, rows, rows});
       },
       kernel.precision == MatmulPrecision::kInt8});
}

}  // namespace

void run_matmul_benchmarks(const Context& context, const Options& options, const Limits& limits) {
  for (const kernels::MatmulKernel* found : kernels::matmul_kernels(context.kernels)) {
    const kernels::MatmulKernel& kernel = *found;
    const int block = data_type_info(kernel.type).block_values;
    if (options.tiny) {
      run_product(context, options, limits, kernel, 64, 256, 8);
      continue;
    }
    // 40 million weights for decode, so that they come from memory; a projection of a model of
    // 1.2 billion for prefill, and one of 125 million.
    run_product(context, options, limits, kernel, 20480, 2048, 1);
    run_product(context, options, limits, kernel, 2048, 2048, 4);
    run_product(context, options, limits, kernel, 2048, 2048, 8);
    run_product(context, options, limits, kernel, 2048, 2048, 512);
    run_product(context, options, limits, kernel, 1536, block == 256 ? 768 : 576, 512);
  }
}

}  // namespace minim::bench
