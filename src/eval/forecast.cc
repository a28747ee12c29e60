#include "eval/forecast.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/quantize.h"
#include "model/architecture.h"
#include "tensor/ops.h"

namespace minim {
namespace {

constexpr int kReadings = 7;

template <typename Body>
double median_seconds(const Body& body) {
  std::vector<double> seconds;
  body();  // brings memory in and threads up
  for (int i = 0; i < kReadings; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[kReadings / 2];
}

void add_matrix(const TensorSpec& spec, DataType type, ModelShape& shape) {
  if (spec.kind != TensorKind::kMatrix) return;
  const ModelConfig& config = shape.config;
  const bool embeddings = spec.name == "token_embd.weight";
  // A table that is only looked up is no product.
  if ((embeddings && !config.tied_embeddings) || spec.name == "position_embd.weight") return;
  MatrixGroup group = {.type = type,
                       .rows = spec.shape[1],
                       .cols = spec.shape[0],
                       .count = static_cast<double>(spec.shape[2]),
                       .is_head = embeddings || spec.name == "output.weight"};
  if (spec.shape[2] > 1) group.used = config.expert_used_count / group.count;
  for (MatrixGroup& known : shape.groups) {
    if (known.type != group.type || known.rows != group.rows || known.cols != group.cols ||
        known.used != group.used || known.is_head != group.is_head) {
      continue;
    }
    known.count += group.count;
    return;
  }
  shape.groups.push_back(group);
}

double matrix_bytes(const MatrixGroup& group) {
  const DataTypeInfo& info = data_type_info(group.type);
  return static_cast<double>(group.rows) * static_cast<double>(group.cols) * info.block_bytes /
         info.block_values;
}

// The same random row over and over: speed does not depend on the values.
std::shared_ptr<std::vector<std::byte>> stored_rows(const MatrixGroup& group) {
  Rng rng(1);
  std::vector<float> values(static_cast<size_t>(group.cols));
  for (float& value : values) value = 0.02f * rng.normal();
  const auto row_bytes =
      static_cast<size_t>(*data_type_bytes(group.type, static_cast<uint64_t>(group.cols)));
  auto bytes =
      std::make_shared<std::vector<std::byte>>(row_bytes * static_cast<size_t>(group.rows));
  kernels::quantize_row(group.type, values.data(), bytes->data(), group.cols);
  for (size_t row = 1; row < static_cast<size_t>(group.rows); ++row) {
    std::memcpy(bytes->data() + row * row_bytes, bytes->data(), row_bytes);
  }
  return bytes;
}

// Rows of activations.
class Rows {
 public:
  Rows(int64_t rows, int64_t cols)
      : rows_(rows), cols_(cols), values_(static_cast<size_t>(rows * cols), 0.5f) {}
  MatrixView view() { return {values_.data(), rows_, cols_, cols_}; }

 private:
  int64_t rows_;
  int64_t cols_;
  std::vector<float> values_;
};

// A share of the model's matrices, in memory together as the model's would be.
class Sample {
 public:
  Sample(const Context& context, const ModelShape& shape, const ForecastOptions& options)
      : context_(context), groups_(shape.groups) {
    double bytes = 0;
    for (const MatrixGroup& group : groups_) bytes += matrix_bytes(group) * group.count;
    const double share = std::min(1.0, static_cast<double>(options.sample_bytes_max) / bytes);
    for (const MatrixGroup& group : groups_) {
      const auto stored = stored_rows(group);
      const auto copies = std::max<int64_t>(1, std::llround(group.count * share));
      auto& matrices = matrices_.emplace_back();
      for (int64_t i = 0; i < copies; ++i) {
        // Types that are read as they are stored need copies of their own.
        auto own = std::make_shared<std::vector<std::byte>>(*stored);
        matrices.push_back(WeightMatrix::pack(context, group.type, group.rows, group.cols, *own,
                                              own, memory_, options.precision));
      }
    }
  }

  // Seconds that all products of one token take.
  double token_seconds() {
    std::vector<std::vector<double>> readings(groups_.size());
    for (int reading = 0; reading <= kReadings; ++reading) {
      for (size_t at = 0; at < groups_.size(); ++at) {
        Rows x(1, groups_[at].cols), out(1, groups_[at].rows);
        const auto start = std::chrono::steady_clock::now();
        for (const WeightMatrix& matrix : matrices_[at]) {
          matmul(context_, matrix, x.view(), out.view());
        }
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        if (reading > 0) readings[at].push_back(taken.count());
      }
    }
    double seconds = 0;
    for (size_t at = 0; at < groups_.size(); ++at) {
      std::sort(readings[at].begin(), readings[at].end());
      seconds += readings[at][kReadings / 2] * groups_[at].count * groups_[at].used /
                 static_cast<double>(matrices_[at].size());
    }
    return seconds;
  }

  // Seconds for a prompt, the head for its last token only.
  double prompt_seconds(int64_t tokens) {
    double seconds = 0;
    for (size_t at = 0; at < groups_.size(); ++at) {
      const MatrixGroup& group = groups_[at];
      const int64_t rows = group.is_head ? 1 : tokens;
      Rows x(rows, group.cols), out(rows, group.rows);
      const double each =
          median_seconds([&] { matmul(context_, matrices_[at].front(), x.view(), out.view()); });
      seconds += each * group.count * group.used;
    }
    return seconds;
  }

 private:
  const Context& context_;
  const std::vector<MatrixGroup>& groups_;
  WeightMemory memory_;
  std::vector<std::vector<WeightMatrix>> matrices_;  // one list a group
};

// Seconds for what is no product in a model, for `rows` tokens after `depth`: a layer of norms,
// sums, rotation, attention and activation, as many times as there are layers.
double rest_seconds(const Context& context, const ModelConfig& config, DataType cache_type,
                    int64_t rows, int64_t depth) {
  const KvLayout layout{cache_type, 1, config.kv_head_count, config.head_dim};
  const auto block_count = (depth + rows + layout.block_tokens - 1) / layout.block_tokens;
  WeightMemory memory;
  std::vector<std::shared_ptr<std::byte>> owners;
  std::vector<std::byte*> blocks;
  for (int64_t i = 0; i < block_count; ++i) {
    owners.push_back(memory.allocate(layout.block_bytes()));
    std::memset(owners.back().get(), 0, layout.block_bytes());
    blocks.push_back(owners.back().get());
  }
  const KvView cache{&layout, blocks};
  const int ffn = config.expert_count > 0 ? config.expert_ffn_dim : config.ffn_dim;
  Rows x(rows, config.dim), normed(rows, config.dim), query(rows, config.query_dim()),
      key(rows, config.kv_dim()), value(rows, config.kv_dim()), attended(rows, config.query_dim()),
      gate(rows, ffn), up(rows, ffn);
  const std::vector<float> norm(static_cast<size_t>(config.dim), 1.0f);
  const std::vector<float> frequencies(static_cast<size_t>(config.head_dim / 2), 0.1f);
  const std::vector<int32_t> positions(static_cast<size_t>(rows), static_cast<int32_t>(depth));
  const RopeTable rotary{.frequencies = frequencies};
  const AttentionOptions attention_options{.head_count = config.head_count,
                                           .scale = config.attention_scale};
  const auto layer = [&] {
    rms_norm(context, x.view(), norm, config.norm_epsilon, normed.view());
    rope(context, rotary, positions, config.head_dim, query.view());
    rope(context, rotary, positions, config.head_dim, key.view());
    const AttentionChunk chunk{cache,        depth,        key.view(),
                               value.view(), query.view(), attended.view()};
    attention(context, 0, attention_options, {&chunk, 1});
    add(context, normed.view(), x.view());
    rms_norm(context, x.view(), norm, config.norm_epsilon, normed.view());
    gated_activate(context, Activation::kSilu, gate.view(), up.view());
    add(context, normed.view(), x.view());
  };
  return median_seconds([&] {
    for (int i = 0; i < config.layer_count; ++i) layer();
  });
}

void check_options(const ModelConfig& config, const ForecastOptions& options) {
  const int64_t most = config.context_length;
  if (options.depth < 0 || options.depth >= most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("forecast: {} tokens before the next do not fit the model's context "
                            "of {}",
                            options.depth, most));
  }
  if (options.prompt_tokens < 1 || options.prompt_tokens > std::min<int64_t>(most, 4096)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("forecast: a prompt of {} tokens; 1 to {} can be forecast",
                            options.prompt_tokens, std::min<int64_t>(most, 4096)));
  }
}

}  // namespace

double ModelShape::token_weight_bytes() const {
  double bytes = 0;
  for (const MatrixGroup& group : groups) bytes += matrix_bytes(group) * group.count * group.used;
  return bytes;
}

ModelShape model_shape(const ModelFile& file) {
  ModelShape shape{read_model_config(file), {}};
  for (TensorSpec spec : find_architecture(shape.config.architecture).tensors(shape.config)) {
    const TensorEntry* entry = file.find(spec.name);
    if (entry == nullptr) continue;
    const DataTypeInfo& info = data_type_info(entry->type);
    if (!info.is_weight || entry->shape[0] % info.block_values != 0) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("forecast: tensor '{}' is stored as {}, which this model cannot be "
                              "computed with",
                              spec.name, info.name));
    }
    spec.shape = entry->shape;
    add_matrix(spec, entry->type, shape);
  }
  return shape;
}

ModelShape model_shape(const ModelConfig& config, DataType type) {
  validate_model_config(config);
  ModelShape shape{config, {}};
  for (const TensorSpec& spec : find_architecture(config.architecture).tensors(config)) {
    if (spec.required) add_matrix(spec, storage_type(spec, type), shape);
  }
  return shape;
}

Forecast forecast_speed(const Context& context, const ModelShape& shape,
                        const ForecastOptions& options) {
  check_options(shape.config, options);
  const KvLayout layout{options.cache_type, shape.config.layer_count, shape.config.kv_head_count,
                        shape.config.head_dim};
  Sample sample(context, shape, options);
  const double products = sample.token_seconds();
  const double token =
      products + rest_seconds(context, shape.config, options.cache_type, 1, options.depth);
  const int64_t rows = options.prompt_tokens;
  const double prompt = sample.prompt_seconds(rows) +
                        rest_seconds(context, shape.config, options.cache_type, rows, 0);
  return {.generation_tokens_per_second = 1 / token,
          .prompt_tokens_per_second = static_cast<double>(rows) / prompt,
          .token_bytes = shape.token_weight_bytes() +
                         static_cast<double>(options.depth) *
                             static_cast<double>(layout.block_bytes()) / layout.block_tokens,
          .products_share = products / token};
}

}  // namespace minim
