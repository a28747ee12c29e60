// A loaded language model: immutable, shared by any number of sessions and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/context.h"
#include "base/progress.h"
#include "formats/model_file.h"
#include "model/activations.h"
#include "model/batch.h"
#include "model/config.h"
#include "tensor/kv_view.h"
#include "tensor/matrix_view.h"
#include "tensor/weight_matrix.h"

namespace minim {

class Graph;
struct Pass;
struct Rotary;

struct LoadOptions {
  // Tokens that a sequence will hold at most; 0: all that the model can. A smaller number picks the
  // short factors of models that have two sets (LongRoPE).
  int64_t context_length = 0;
  // The roughest that products may be: kInt8 rounds the activations to 8 bits where weights are
  // quantised, and of prompts both sides to bfloat16 where weights have 16 bits and the processor
  // multiplies those. kFloat32 takes everything as stored.
  MatmulPrecision precision = MatmulPrecision::kInt8;
  ProgressSink progress;  // stage "loading", in bytes
};

class Model {
 public:
  // Reads config and weights, checks every shape, packs the weights for this machine. Throws what
  // read_model_config() throws; kFormat for a tensor that is missing or has the wrong shape, naming
  // it; kUnsupported for a type that cannot be computed with. Tensors that the architecture does
  // not know are named in one warning.
  static std::shared_ptr<const Model> load(const Context& context,
                                           std::shared_ptr<const ModelFile> file,
                                           const LoadOptions& options = {});
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  const ModelFile& file() const { return *file_; }
  // The matrix of a tensor, "blk.0.attn_q.weight"; null where the model has none of that name, and
  // for the matrices of experts.
  const WeightMatrix* find_matrix(const std::string& name) const;
  // Of a cache that forward() accepts. REQUIRES: is_cache_type(type).
  KvLayout kv_layout(DataType type = DataType::kF16) const;
  // How keys of `layer` are turned by their positions, before they go into a cache; null where
  // positions are learned.
  const Rotary* rotary(int layer) const;
  // The same for every copy of a model, and another for others: config, tensors and a sample of
  // each one's bytes.
  uint64_t fingerprint() const { return fingerprint_; }
  // Resident bytes of all weights.
  size_t weight_bytes() const { return weight_bytes_; }

  // Appends the batch's keys and values to its caches and writes the logits of the rows in
  // batch.outputs. logits: [outputs, vocabulary]. Throws kInvalidArgument for tokens outside the
  // vocabulary and for a batch that contradicts itself, kLimit for one with more rows than
  // `activations` has or positions past what the model has learned.
  void forward(const Context& context, const Batch& batch, Activations& activations,
               MatrixView logits) const;

  // The same up to the final norm: hidden states for embeddings. hidden: [outputs, dim].
  void forward_hidden(const Context& context, const Batch& batch, Activations& activations,
                      MatrixView hidden) const;

 private:
  Model();
  Pass make_pass(const Context& context, const Batch& batch, Activations& activations) const;
  // Checks the batch, then leaves the final hidden states of its outputs in activations.normed.
  void run(const Context& context, const Batch& batch, Activations& activations) const;

  ModelConfig config_;
  std::shared_ptr<const ModelFile> file_;
  std::unique_ptr<const Graph> graph_;
  WeightMatrix head_;  // [vocabulary, dim]
  std::unordered_map<std::string, WeightMatrix> matrices_;
  size_t weight_bytes_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace minim
