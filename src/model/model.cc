#include "model/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/adapter/adapt.h"
#include "model/adapter/adapter.h"
#include "model/architecture.h"
#include "model/fingerprint.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace minim {
namespace {

// Of fewer rows a product takes as long as reading its weights.
constexpr int64_t kMemoryRowsMax = 4;

[[noreturn]] void throw_batch(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "model: " + message);
}

void check_tokens(const Batch& batch, const ModelConfig& config) {
  for (const int32_t token : batch.tokens) {
    if (token >= 0 && token < config.vocabulary_size) continue;
    throw_batch(
        fmt::format("token {} is outside the vocabulary of {}", token, config.vocabulary_size));
  }
}

void check_positions(const Batch& batch, const ModelConfig& config) {
  if (batch.positions.size() != batch.tokens.size()) {
    throw_batch(
        fmt::format("{} tokens with {} positions", batch.tokens.size(), batch.positions.size()));
  }
  for (const int32_t position : batch.positions) {
    if (position < 0) throw_batch(fmt::format("position {}", position));
    if (config.learned_positions > 0 && position >= config.learned_positions) {
      throw Error(ErrorCode::kLimit, fmt::format("model: position {} is past the {} that the model "
                                                 "has learned; use a shorter context",
                                                 position, config.learned_positions));
    }
  }
}

void check_chunk(const SequenceChunk& chunk, const ModelConfig& config) {
  const KvLayout* layout = chunk.cache.layout;
  if (layout == nullptr || layout->layer_count != config.layer_count ||
      layout->kv_head_count != config.kv_head_count || layout->head_dim != config.head_dim ||
      layout->block_tokens < 1) {
    throw_batch("the cache of a sequence has the layout of another model");
  }
  const int64_t capacity = static_cast<int64_t>(chunk.cache.blocks.size()) * layout->block_tokens;
  if (chunk.first_slot < 0 || chunk.first_slot > capacity - chunk.count) {
    throw_batch(fmt::format("slots {} to {} of a cache that has {}", chunk.first_slot,
                            chunk.first_slot + chunk.count, capacity));
  }
}

void check_chunks(const Batch& batch, const ModelConfig& config) {
  int64_t next = 0;
  for (const SequenceChunk& chunk : batch.chunks) {
    if (chunk.begin != next || chunk.count < 1 || chunk.count > batch.rows() - next) {
      throw_batch(fmt::format("a chunk of {} rows at row {} in a batch of {}, where row {} is next",
                              chunk.count, chunk.begin, batch.rows(), next));
    }
    check_chunk(chunk, config);
    next += chunk.count;
  }
  if (next != batch.rows()) {
    throw_batch(fmt::format("the chunks cover {} rows of {}", next, batch.rows()));
  }
}

void check_adapters(const Batch& batch, const Model& model) {
  for (const SequenceChunk& chunk : batch.chunks) {
    if (chunk.adapters == nullptr || &chunk.adapters->model() == &model) continue;
    throw_batch("the adapters of a sequence are another model's");
  }
}

void check_outputs(const Batch& batch) {
  int64_t previous = -1;
  for (const int32_t output : batch.outputs) {
    if (output <= previous || output >= batch.rows()) {
      throw_batch(
          fmt::format("output row {} after {} in a batch of {}", output, previous, batch.rows()));
    }
    previous = output;
  }
}

void check_result(ConstMatrixView result, int64_t rows, int64_t cols) {
  if (result.rows == rows && result.cols == cols) return;
  throw_batch(fmt::format("room for {} x {} results, where {} x {} are wanted", result.rows,
                          result.cols, rows, cols));
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;

std::shared_ptr<const Model> Model::load(const Context& context,
                                         std::shared_ptr<const ModelFile> file,
                                         const LoadOptions& options) {
  if (options.context_length < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("model: a context of {} tokens", options.context_length));
  }
  ModelConfig config = read_model_config(*file);
  if (options.context_length > 0) {
    config.context_length = std::min(config.context_length, options.context_length);
  }
  const Architecture& architecture = find_architecture(config.architecture);
  WeightLoader loader(context, file, architecture.tensors(config),
                      {options.precision, options.progress});

  const std::shared_ptr<Model> model(new Model);
  model->graph_ = architecture.load(loader, config);
  model->head_ = loader.matrix(config.tied_embeddings ? "token_embd.weight" : "output.weight");
  model->matrices_ = loader.matrices();
  model->config_ = std::move(config);
  model->weight_bytes_ = loader.weight_bytes();
  model->fingerprint_ = config_fingerprint(model->config_) + loader.fingerprint();
  model->file_ = std::move(file);
  return model;
}

const WeightMatrix* Model::find_matrix(const std::string& name) const {
  const auto found = matrices_.find(name);
  return found == matrices_.end() ? nullptr : &found->second;
}

KvLayout Model::kv_layout(DataType type) const {
  MINIM_CHECK(is_cache_type(type));
  KvLayout layout;
  layout.type = type;
  layout.layer_count = config_.layer_count;
  layout.kv_head_count = config_.kv_head_count;
  layout.head_dim = config_.head_dim;
  return layout;
}

const Rotary* Model::rotary(int layer) const {
  MINIM_CHECK(layer >= 0 && layer < config_.layer_count);
  return graph_->rotary(layer);
}

Pass Model::make_pass(const Context& context, const Batch& batch, Activations& activations) const {
  return {context, config_, batch, activations, is_adapted(batch)};
}

void Model::run(const Context& context, const Batch& batch, Activations& activations) const {
  if (batch.rows() > activations.rows_max()) {
    throw Error(ErrorCode::kLimit, fmt::format("model: a batch of {} tokens, where {} fit",
                                               batch.rows(), activations.rows_max()));
  }
  check_tokens(batch, config_);
  check_positions(batch, config_);
  check_chunks(batch, config_);
  check_adapters(batch, *this);
  check_outputs(batch);
  const auto few = count_few_rows(batch);
  if (!few) {
    throw_batch("chunks with few rows come first in a batch, then those with few outputs");
  }
  context.threads.begin_work(batch.rows() <= kMemoryRowsMax ? ThreadWork::kMemory
                                                            : ThreadWork::kArithmetic);
  activations.set_rows(batch.rows(), few->rows);
  if (batch.rows() > 0) graph_->forward(make_pass(context, batch, activations));
}

void Model::forward(const Context& context, const Batch& batch, Activations& activations,
                    MatrixView logits) const {
  const auto output_count = static_cast<int64_t>(batch.outputs.size());
  check_result(logits, output_count, config_.vocabulary_size);
  run(context, batch, activations);
  if (output_count == 0) return;
  matmul(context, head_, activations.normed, logits, activations.few_rows());
  adapt(make_pass(context, batch, activations), head_, activations.normed, logits);
  if (config_.final_soft_cap > 0.0f) soft_cap(context, config_.final_soft_cap, logits);
}

void Model::forward_hidden(const Context& context, const Batch& batch, Activations& activations,
                           MatrixView hidden) const {
  check_result(hidden, static_cast<int64_t>(batch.outputs.size()), config_.dim);
  run(context, batch, activations);
  for (int64_t row = 0; row < hidden.rows; ++row) {
    std::copy_n(activations.normed.row(row), hidden.cols, hidden.row(row));
  }
}

}  // namespace minim
