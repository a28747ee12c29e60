// Sequences for tests of models: a cache, and forward passes over one or several of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "model/model.h"

namespace minim::testing {

// A context with some threads that keeps the warnings it gets.
class ModelTestContext {
 public:
  explicit ModelTestContext(int thread_count = 2)
      : threads_(thread_count),
        context_{threads_, kernels::select_kernel_table_from_environment(),
                 [this](LogLevel, std::string_view line) { warnings_.emplace_back(line); }} {}

  const Context& operator*() const { return context_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  ThreadPool threads_;
  std::vector<std::string> warnings_;
  Context context_;
};

// One sequence: tokens added so far and their cache.
class TestSequence {
 public:
  TestSequence(const Model& model, int64_t tokens_max, int block_tokens = 8,
               DataType type = DataType::kF32)
      : layout_(model.kv_layout(type)) {
    layout_.block_tokens = block_tokens;
    const int64_t block_count = (tokens_max + block_tokens - 1) / block_tokens;
    memory_.resize(static_cast<size_t>(block_count));
    for (auto& block : memory_) {
      block.resize(layout_.block_bytes());
      blocks_.push_back(block.data());
    }
  }
  TestSequence(const TestSequence&) = delete;
  TestSequence& operator=(const TestSequence&) = delete;

  KvView view() const { return {&layout_, blocks_}; }
  int64_t length = 0;

 private:
  KvLayout layout_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::byte*> blocks_;
};

struct TestChunk {
  TestSequence* sequence;
  std::vector<int32_t> tokens;
  const AdapterSet* adapters = nullptr;
};

// One batch: the logits of every row, [rows, vocabulary].
inline std::vector<float> forward_all(const Context& context, const Model& model,
                                      std::span<const TestChunk> chunks) {
  std::vector<int32_t> tokens, positions;
  std::vector<SequenceChunk> sequences;
  for (const TestChunk& chunk : chunks) {
    TestSequence& sequence = *chunk.sequence;
    const auto count = static_cast<int64_t>(chunk.tokens.size());
    sequences.push_back({static_cast<int64_t>(tokens.size()), count, sequence.length,
                         sequence.view(), chunk.adapters});
    for (const int32_t token : chunk.tokens) {
      tokens.push_back(token);
      positions.push_back(static_cast<int32_t>(sequence.length++));
    }
  }
  std::vector<int32_t> outputs(tokens.size());
  std::iota(outputs.begin(), outputs.end(), 0);
  const auto rows = static_cast<int64_t>(tokens.size());
  const int64_t vocabulary = model.config().vocabulary_size;
  Activations activations(model.config(), rows);
  std::vector<float> logits(static_cast<size_t>(rows * vocabulary));
  model.forward(context, {tokens, positions, sequences, outputs}, activations,
                {logits.data(), rows, vocabulary, vocabulary});
  return logits;
}

inline std::vector<float> forward_all(const Context& context, const Model& model,
                                      TestSequence& sequence, std::span<const int32_t> tokens) {
  const TestChunk chunk{&sequence, {tokens.begin(), tokens.end()}, nullptr};
  return forward_all(context, model, {&chunk, 1});
}

inline int32_t greatest(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace minim::testing
