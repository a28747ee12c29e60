// Caches and the buffers of one forward pass over all of them: what is timed where speed is
// measured or foretold.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/rng.h"
#include "model/activations.h"
#include "model/batch.h"
#include "model/model.h"
#include "runtime/kv_cache.h"

namespace minim {

struct SpeedRunOptions {
  int64_t slots = 1;           // tokens that each cache can hold
  int64_t sequence_count = 1;  // caches
  int64_t batch_tokens = 512;  // the most rows of a prompt at once
  DataType kv_type = DataType::kF16;
};

// Tokens are random. The context and the model must outlive it.
class SpeedRun {
 public:
  SpeedRun(const Context& context, const Model& model, const SpeedRunOptions& options);

  // Reads `count` tokens behind the first `begin` slots of one cache, in one batch of at most
  // batch_tokens; with logits of the last one where `last` holds.
  // REQUIRES: count <= batch_tokens, they fit.
  void read(int64_t sequence, int64_t begin, int64_t count, bool last);
  // One more token for every sequence, each after `length` others.
  void step(int64_t length);
  // The same without the head.
  void step_hidden(int64_t length);
  // Fills the caches up to `length` with zeros, which cost as much to look at as anything.
  void skip_to(int64_t length);

  size_t cache_bytes() const;

 private:
  void fill(int64_t rows);
  void prepare_step(int64_t length);
  Batch batch(std::span<const int32_t> outputs) const;

  const Context& context_;
  const Model& model_;
  std::shared_ptr<KvPool> pool_;
  Activations activations_;
  std::vector<KvCache> caches_;
  std::vector<float> logits_;  // or hidden states
  std::vector<int32_t> tokens_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> outputs_;
  std::vector<SequenceChunk> chunks_;
  Rng rng_{1};
};

}  // namespace minim
