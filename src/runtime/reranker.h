// How well documents answer a query, by any model. Scores are comparable within one call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "model/model.h"
#include "runtime/embedder.h"
#include "runtime/packed_texts.h"
#include "text/tokenizer.h"

namespace minim {

enum class RerankMethod {
  // Cosine of the embeddings of query and document: -1 to 1. For models trained for it.
  kEmbedding,
  // The mean log-probability of the query's tokens after the document (Sachan et al., 2022: UPR):
  // at most 0. Works with any language model, and asks nothing of it but to predict text.
  kQueryLikelihood,
  // The probability of "yes" against "no" after the question whether the document answers the query
  // (as the published Qwen3 rerankers are used: Zhang et al., 2025): 0 to 1. For models trained for
  // it, and for those that follow instructions well.
  kYesNo,
};
// "embedding", "query likelihood", "yes or no"
const char* rerank_method_name(RerankMethod method);

struct RerankerOptions {
  RerankMethod method = RerankMethod::kQueryLikelihood;
  // What stands around the two, with {query}, {document} and {instruction} in it; the query comes
  // last for kQueryLikelihood. Special tokens are recognised here, never in what is put in. Empty:
  // default_rerank_template().
  std::string prompt;
  std::string instruction =
      "Given a web search query, retrieve relevant passages that answer the "
      "query";
  // The answers of kYesNo, one token each. Empty: those of the default template.
  std::string yes;
  std::string no;
  // Cuts documents that do not fit; without, such a one is an error.
  bool truncate = false;
  EmbedderOptions embedding;  // with kEmbedding; truncate and packing are those here
  PackingOptions packing;
};

// Where the vocabulary has the marks of ChatML, kYesNo's is that of the Qwen3 rerankers, answers
// "yes" and "no"; else a plain text, answers " yes" and " no". Empty for kEmbedding.
std::string default_rerank_template(RerankMethod method, const Tokenizer& tokenizer);

struct Ranking {
  std::vector<float> scores;    // of each document, in their order: higher is better
  std::vector<int64_t> order;   // documents, the best first; equals in their order
  int64_t truncated_count = 0;  // documents that were cut
  int64_t computed_tokens = 0;  // of prompts, what they share counted for each
};

// One thread at a time.
class Reranker {
 public:
  // Throws kInvalidArgument for options that make no sense, kUnsupported where an answer is not one
  // token of the vocabulary. The context must outlive it.
  Reranker(const Context& context, std::shared_ptr<const Model> model,
           std::shared_ptr<const Tokenizer> tokenizer, const RerankerOptions& options = {});

  const std::string& prompt() const { return options_.prompt; }

  // Throws kInvalidArgument for an empty query with kQueryLikelihood, kLimit for a document that is
  // too long, with its number, or a query that leaves no room for any.
  Ranking rank(std::string_view query, std::span<const std::string> documents);

 private:
  enum class Slot { kText, kQuery, kDocument };
  struct Segment {
    Slot slot;
    std::vector<TokenId> tokens;  // with kText
  };
  // A prompt, and where the query's tokens begin in it.
  struct Prompt {
    std::vector<TokenId> tokens;
    int64_t query_begin = 0;
  };

  void parse_prompt();
  void find_answers();
  Prompt fill(std::span<const TokenId> query, std::span<const TokenId> document) const;
  std::vector<Prompt> make_prompts(std::span<const TokenId> query,
                                   std::span<const std::string> documents, Ranking& ranking) const;
  void rank_by_embedding(std::string_view query, std::span<const std::string> documents,
                         Ranking& ranking);
  void rank_by_likelihood(std::string_view query, std::span<const std::string> documents,
                          Ranking& ranking);
  void rank_by_answer(std::string_view query, std::span<const std::string> documents,
                      Ranking& ranking);

  const Context& context_;
  const std::shared_ptr<const Model> model_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  RerankerOptions options_;
  std::vector<Segment> segments_;
  TokenId yes_ = -1;
  TokenId no_ = -1;
  std::optional<Embedder> embedder_;
  std::optional<PackedTexts> texts_;
};

}  // namespace minim
