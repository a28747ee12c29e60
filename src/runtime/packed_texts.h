// Many texts through a model in few forward passes, for what needs no generation: embeddings,
// likelihoods. Texts are packed into batches as sequences of their own; what they all begin with is
// computed once. What comes out for a text is bit for bit what comes out for it alone, as long as
// it fits one batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "model/activations.h"
#include "model/model.h"
#include "runtime/kv_pool.h"
#include "runtime/sequence.h"
#include "text/tokenizer.h"

namespace minim {

struct PackingOptions {
  int64_t batch_tokens = 512;  // computed at once; at least 18
  // Who runs each forward pass, as Scheduler::run() does; null: the calling thread. Whoever it is
  // must return when it is done.
  std::function<void(std::function<void()>)> run;
};

struct PackedText {
  std::vector<TokenId> tokens;
  // What is wanted after tokens [first_output, first_output + output_count).
  int64_t first_output = 0;
  int64_t output_count = 0;
};

// One thread at a time.
class PackedTexts {
 public:
  // Throws kInvalidArgument for batches that make no sense. The context must outlive it.
  PackedTexts(const Context& context, std::shared_ptr<const Model> model,
              const PackingOptions& options = {});

  const Model& model() const { return *model_; }
  const Context& context() const { return context_; }

  // Rows of a text in order, those of different texts in any. The row is valid during the call.
  using Visitor = std::function<void(size_t text, int64_t position, std::span<float> row)>;
  // Throw kInvalidArgument for a text without tokens or with ones outside the vocabulary, kLimit
  // for one that is longer than the context, each with the number of the text.
  void hidden_states(std::span<const PackedText> texts, const Visitor& visit);  // [dim]
  void logits(std::span<const PackedText> texts, const Visitor& visit);         // [vocabulary]

 private:
  enum class Wanted { kHidden, kLogits };
  struct Part;

  void check(std::span<const PackedText> texts) const;
  void read_all(std::span<const PackedText> texts, Wanted wanted, const Visitor& visit);
  Sequence read_shared(std::span<const PackedText> texts);
  void forward(std::vector<Part>& parts, std::span<const PackedText> texts, Wanted wanted,
               const Visitor& visit);

  const Context& context_;
  const std::shared_ptr<const Model> model_;
  const PackingOptions options_;
  const std::shared_ptr<KvPool> pool_;
  Activations activations_;
  std::vector<float> rows_;
};

}  // namespace minim
