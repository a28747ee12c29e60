// One conversation with a model: what was said (the cache) and what comes next (the logits).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "model/activations.h"
#include "model/model.h"
#include "runtime/kv_cache.h"
#include "tensor/matrix_view.h"
#include "text/tokenizer.h"

namespace minim {

struct SessionOptions {
  int64_t context_tokens = 0;         // the most the session can hold; 0: what the model can
  int64_t batch_tokens = 512;         // computed at once while a prompt is read
  DataType kv_type = DataType::kF16;  // of the cache: kF32, kF16, kQ8_0 or kQ4_0
};

// One writer at a time. The context must outlive the session.
class Session {
 public:
  // Throws kInvalidArgument for options outside the model's bounds.
  Session(const Context& context, std::shared_ptr<const Model> model,
          const SessionOptions& options = {});

  const Context& context() const { return context_; }
  const Model& model() const { return *model_; }
  int64_t length() const { return length_; }
  int64_t context_tokens() const { return cache_.slots_max(); }
  size_t cache_bytes() const { return cache_.bytes(); }

  // Appends tokens and returns the logits after the last one: [vocabulary], valid until the next
  // call. Throws kLimit, with nothing appended, if they do not fit the context; kInvalidArgument
  // for ids outside the vocabulary.
  std::span<float> append(std::span<const TokenId> tokens, const ProgressSink& progress = {});

  // Appends tokens and hands over the logits after each one from index `first_output` on, in order
  // and in panels: rows of `logits` belong to indices first, first + 1, ... The visitor may change
  // them.
  using LogitsVisitor = std::function<void(int64_t first, MatrixView logits)>;
  void append(std::span<const TokenId> tokens, int64_t first_output, const LogitsVisitor& visit,
              const ProgressSink& progress = {});

  // Forgets everything from `length` on. REQUIRES: 0 <= length <= length().
  void rewind(int64_t length);

 private:
  void forward(std::span<const TokenId> tokens, int64_t first_output, MatrixView logits);
  MatrixView logits_view(int64_t rows);

  const Context& context_;
  std::shared_ptr<const Model> model_;
  KvCache cache_;
  int64_t batch_tokens_;
  Activations activations_;
  std::vector<float> logits_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> outputs_;
  int64_t length_ = 0;
};

}  // namespace minim
