#include "model/activations.h"

#include <fmt/core.h>

#include "base/checked_math.h"
#include "base/error.h"

namespace minim {
namespace {

constexpr int64_t kRowsMax = int64_t{1} << 20;
constexpr int64_t kAlignValues = 16;  // rows of every matrix begin on a cache line

int64_t padded(int64_t cols) { return (cols + kAlignValues - 1) / kAlignValues * kAlignValues; }

int64_t ffn_dim(const ModelConfig& config) {
  return config.expert_count > 0 ? config.expert_ffn_dim : config.ffn_dim;
}

// The widths of the matrices that share the buffer.
struct Widths {
  explicit Widths(const ModelConfig& config)
      : dim(padded(config.dim)),
        qkv(padded(config.query_dim() + 2 * config.kv_dim())),
        attended(padded(config.query_dim())),
        gate_up(padded(2 * ffn_dim(config))),
        router(padded(config.expert_count)) {}

  // x, normed and out; in a mixture of experts also what goes into an expert and what comes out.
  int64_t dim_matrices() const { return router > 0 ? 5 : 3; }
  int64_t total() const { return dim_matrices() * dim + qkv + attended + gate_up + router; }

  int64_t dim;
  int64_t qkv;
  int64_t attended;
  int64_t gate_up;
  int64_t router;
};

size_t float_count(const ModelConfig& config, int64_t rows_max) {
  const auto count = checked_multiply<int64_t>(Widths(config).total(), rows_max);
  const auto bytes = count ? checked_multiply<int64_t>(*count, sizeof(float)) : std::nullopt;
  if (rows_max < 1 || rows_max > kRowsMax || !bytes) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("model: batches of {} tokens: must be 1 to {}", rows_max, kRowsMax));
  }
  return static_cast<size_t>(*count) + kAlignValues;
}

size_t chosen_count(const ModelConfig& config, int64_t rows_max) {
  return static_cast<size_t>(config.expert_used_count) * static_cast<size_t>(rows_max);
}

// Not filled: a prompt shorter than the largest batch then never touches most of it.
std::shared_ptr<std::byte> allocate(size_t bytes, const MemorySource& memory) {
  if (memory) return memory(bytes);
  return {new std::byte[bytes], std::default_delete<std::byte[]>()};
}

}  // namespace

Activations::Activations(const ModelConfig& config, int64_t rows_max, const MemorySource& memory)
    : rows_max_(rows_max),
      buffer_(allocate(float_count(config, rows_max) * sizeof(float), memory)) {
  auto* const begin = reinterpret_cast<float*>(buffer_.get());
  const auto address = reinterpret_cast<uintptr_t>(begin) / sizeof(float);
  float* next = begin + (kAlignValues - address % kAlignValues) % kAlignValues;

  const Widths widths(config);
  const auto take = [&](int64_t cols, int64_t stride) {
    float* data = next;
    next += stride * rows_max;
    return MatrixView{data, rows_max, cols, stride};
  };
  x = take(config.dim, widths.dim);
  normed = take(config.dim, widths.dim);
  out = take(config.dim, widths.dim);
  const int64_t query_dim = config.query_dim();
  const int64_t kv_dim = config.kv_dim();
  qkv = take(query_dim + 2 * kv_dim, widths.qkv);
  query = qkv.col_range(0, query_dim);
  key = qkv.col_range(query_dim, kv_dim);
  value = qkv.col_range(query_dim + kv_dim, kv_dim);
  attended = take(query_dim, widths.attended);
  gate_up = take(2 * ffn_dim(config), widths.gate_up);
  gate = gate_up.col_range(0, ffn_dim(config));
  up = gate_up.col_range(ffn_dim(config), ffn_dim(config));
  if (config.expert_count > 0) {
    router = take(config.expert_count, widths.router);
    expert_in = take(config.dim, widths.dim);
    expert_out = take(config.dim, widths.dim);
    chosen.resize(chosen_count(config, rows_max));
    chosen_weights.resize(chosen.size());
    order.resize(chosen.size());
    group_begin.resize(static_cast<size_t>(config.expert_count) + 1);
  }
}

size_t Activations::bytes(const ModelConfig& config, int64_t rows_max) {
  const size_t chosen_bytes =
      chosen_count(config, rows_max) * (2 * sizeof(int32_t) + sizeof(float));
  const size_t group_bytes = config.expert_count > 0
                                 ? (static_cast<size_t>(config.expert_count) + 1) * sizeof(int32_t)
                                 : 0;
  return float_count(config, rows_max) * sizeof(float) + chosen_bytes + group_bytes;
}

void Activations::set_rows(int64_t rows, int64_t few) {
  MINIM_CHECK(few >= 0 && few <= rows && rows <= rows_max_);
  few_rows_ = few;
  for (MatrixView* view : {&x, &normed, &query, &key, &value, &qkv, &attended, &gate, &up, &gate_up,
                           &out, &router, &expert_in, &expert_out}) {
    view->rows = rows;
  }
}

}  // namespace minim
