// Embeddings of texts by any model: its hidden states, pooled to one vector a text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "model/model.h"
#include "runtime/packed_texts.h"
#include "text/tokenizer.h"

namespace minim {

enum class Pooling {
  kMean,   // the mean over all tokens
  kLast,   // the last token: of a causal model, the only one that has seen the whole text
  kFirst,  // the first token (CLS): says something where tokens see those after them
};
// "mean", "last", "first"
const char* pooling_name(Pooling pooling);

struct EmbedderOptions {
  // None: as the model's file says ("ARCHITECTURE.pooling_type"), else the last token.
  std::optional<Pooling> pooling;
  bool normalize = true;  // to length 1
  // The first values only, normalised again where that is asked for: for models trained so that
  // these are an embedding too (Matryoshka: Kusupati et al., 2022). 0: all.
  int64_t dimensions = 0;
  // Leaves out what is past the context; without, such a text is an error.
  bool truncate = false;
  int64_t tokens_max = 0;  // of a text; 0: what the model holds
  PackingOptions packing;
};

struct Embeddings {
  int64_t dimensions = 0;
  std::vector<float> values;          // [texts, dimensions]
  std::vector<int64_t> token_counts;  // of each text, after truncation
  int64_t truncated_count = 0;        // texts that were cut

  int64_t count() const { return static_cast<int64_t>(token_counts.size()); }
  std::span<const float> row(int64_t text) const {
    return std::span(values).subspan(static_cast<size_t>(text * dimensions),
                                     static_cast<size_t>(dimensions));
  }
};

// One thread at a time. A text's embedding does not depend on the others it comes with.
class Embedder {
 public:
  // Throws kInvalidArgument for options that make no sense, kUnsupported where the file asks for a
  // pooling that there is not. The context must outlive it.
  Embedder(const Context& context, std::shared_ptr<const Model> model,
           std::shared_ptr<const Tokenizer> tokenizer, const EmbedderOptions& options = {});

  Pooling pooling() const { return pooling_; }
  // "the caller", "the model's file" or "the default for causal models".
  const char* pooling_source() const { return pooling_source_; }
  int64_t dimensions() const { return dimensions_; }

  // Texts become tokens with what the vocabulary puts around a text. Throws kInvalidArgument for a
  // text without tokens, kLimit for one that is too long, each with the number of the text.
  Embeddings embed(std::span<const std::string> texts);
  Embeddings embed_tokens(std::vector<std::vector<TokenId>> texts);

 private:
  void choose_pooling();
  void finish(size_t text, std::span<const double> pooled, Embeddings& embeddings) const;

  PackedTexts texts_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const EmbedderOptions options_;
  int64_t tokens_max_ = 0;
  int64_t dimensions_ = 0;
  Pooling pooling_ = Pooling::kLast;
  const char* pooling_source_ = "";
};

}  // namespace minim
