#include "bench/counts/work.h"

#include <fmt/core.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "base/rng.h"
#include "kernels/quantize.h"
#include "kernels/registry.h"
#include "tensor/ops.h"

namespace minim::bench {
namespace {

std::vector<float> random_values(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = rng.normal();
  return values;
}

// ---- products
// ------------------------------------------------------------------------------------

constexpr int64_t kRows = 64;
constexpr int64_t kCols = 512;

struct Product {
  const kernels::MatmulKernel* kernel;
  std::vector<std::byte> weights;
  std::vector<std::byte> input;
  std::vector<float> out;
  kernels::MatmulSlice slice;
};

std::vector<std::byte> stored_weights(DataType type) {
  const auto row_bytes = static_cast<size_t>(*data_type_bytes(type, kCols));
  std::vector<std::byte> stored(row_bytes * kRows);
  for (int64_t row = 0; row < kRows; ++row) {
    const std::vector<float> values = random_values(kCols, static_cast<uint64_t>(row) + 1);
    kernels::quantize_row(type, values.data(), stored.data() + static_cast<size_t>(row) * row_bytes,
                          kCols);
  }
  return stored;
}

std::function<void()> prepare_product(const Context& context, DataType type, int64_t tokens) {
  auto product = std::make_shared<Product>();
  const bool plain = type == DataType::kF16;
  product->kernel = kernels::find_matmul_kernel(
      context.kernels, type, plain ? MatmulPrecision::kFloat32 : MatmulPrecision::kInt8);
  const kernels::MatmulKernel& kernel = *product->kernel;
  const std::vector<std::byte> stored = stored_weights(type);
  product->weights = stored;
  if (kernel.pack != nullptr) {
    product->weights.resize(kernel.packed_bytes(kRows, kCols));
    kernel.pack(stored.data(), 0, kRows, kCols, product->weights.data());
  }
  const std::vector<float> x = random_values(tokens * kCols, 7);
  const size_t stride =
      kernel.prepare != nullptr ? kernel.prepared_bytes(kCols) : kCols * sizeof(float);
  product->input.resize(stride * static_cast<size_t>(tokens));
  for (int64_t t = 0; t < tokens; ++t) {
    const float* from = x.data() + t * kCols;
    std::byte* to = product->input.data() + static_cast<size_t>(t) * stride;
    if (kernel.prepare != nullptr) {
      kernel.prepare(from, kCols, to);
    } else {
      std::memcpy(to, from, stride);
    }
  }
  product->out.resize(static_cast<size_t>(tokens * kRows));
  product->slice = {.weights = product->weights.data(),
                    .cols = kCols,
                    .row_end = kRows,
                    .input = product->input.data(),
                    .input_stride = static_cast<int64_t>(stride),
                    .tokens = tokens,
                    .out = product->out.data(),
                    .out_stride = kRows};
  return [product] { product->kernel->multiply(product->slice); };
}

CountedWork product_work(DataType type, int64_t tokens) {
  return {fmt::format("matmul-{}-{}", data_type_info(type).name, tokens),
          static_cast<double>(kRows * kCols * tokens), [type, tokens](const Context& context) {
            return prepare_product(context, type, tokens);
          }};
}

// ---- attention
// -----------------------------------------------------------------------------------

constexpr int kHeads = 6;
constexpr int kKvHeads = 2;
constexpr int kHeadDim = 64;
constexpr int64_t kDepth = 512;

struct Attended {
  KvLayout layout;
  std::vector<std::byte> memory;
  std::vector<std::byte*> blocks;
  std::vector<float> queries;
  std::vector<float> out;
};

// `tokens` tokens at the end of kDepth.
std::function<void()> prepare_attention(const Context& context, DataType type, int64_t tokens) {
  auto attended = std::make_shared<Attended>();
  Attended& a = *attended;
  a.layout = {type, 1, kKvHeads, kHeadDim, 32};
  const auto count = static_cast<size_t>(kDepth / a.layout.block_tokens);
  a.memory.resize(count * a.layout.block_bytes());
  for (size_t i = 0; i < count; ++i) {
    a.blocks.push_back(a.memory.data() + i * a.layout.block_bytes());
  }
  constexpr int64_t kKvCols = kKvHeads * kHeadDim;
  constexpr int64_t kQueryCols = kHeads * kHeadDim;
  const std::vector<float> rows = random_values(kDepth * kKvCols, 3);
  const ConstMatrixView keys{rows.data(), kDepth, kKvCols, kKvCols};
  store_kv(context, {&a.layout, a.blocks}, 0, 0, keys, keys);
  a.queries = random_values(tokens * kQueryCols, 5);
  a.out.resize(a.queries.size());
  return [attended, &context, tokens] {
    attention(context, {&attended->layout, attended->blocks}, 0, kDepth - tokens,
              {.head_count = kHeads, .scale = 0.125f},
              {attended->queries.data(), tokens, kQueryCols, kQueryCols},
              {attended->out.data(), tokens, kQueryCols, kQueryCols});
  };
}

CountedWork attention_work(DataType type, int64_t tokens) {
  // Scores and values, of all tokens that each token sees.
  const double seen = static_cast<double>(tokens) *
                      (static_cast<double>(kDepth) - static_cast<double>(tokens - 1) / 2);
  return {fmt::format("attention-{}-{}", data_type_info(type).name, tokens),
          2.0 * seen * kHeads * kHeadDim, [type, tokens](const Context& context) {
            return prepare_attention(context, type, tokens);
          }};
}

// ---- rows
// ----------------------------------------------------------------------------------------

std::function<void()> prepare_rms_norm(const Context& context) {
  auto x = std::make_shared<std::vector<float>>(random_values(8 * kCols, 11));
  auto weight = std::make_shared<std::vector<float>>(random_values(kCols, 12));
  return [x, weight, &context] {
    rms_norm(context, {x->data(), 8, kCols, kCols}, *weight, 1e-5f, {x->data(), 8, kCols, kCols});
  };
}

std::function<void()> prepare_gated(const Context& context) {
  auto x = std::make_shared<std::vector<float>>(random_values(8 * kCols, 13));
  auto up = std::make_shared<std::vector<float>>(random_values(8 * kCols, 14));
  return [x, up, &context] {
    gated_activate(context, Activation::kSilu, {x->data(), 8, kCols, kCols},
                   {up->data(), 8, kCols, kCols});
  };
}

}  // namespace

std::vector<CountedWork> counted_works() {
  std::vector<CountedWork> works;
  for (const DataType type : {DataType::kQ4_0, DataType::kQ4_K, DataType::kQ6_K, DataType::kQ8_0,
                              DataType::kNf4, DataType::kF16}) {
    works.push_back(product_work(type, 1));
    works.push_back(product_work(type, 48));
  }
  for (const DataType type : {DataType::kF16, DataType::kQ8_0, DataType::kQ4_0}) {
    works.push_back(attention_work(type, 1));
    works.push_back(attention_work(type, 48));
  }
  works.push_back({"rms_norm", 8.0 * kCols, prepare_rms_norm});
  works.push_back({"gated_silu", 8.0 * kCols, prepare_gated});
  return works;
}

}  // namespace minim::bench
