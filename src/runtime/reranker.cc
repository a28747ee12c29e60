#include "runtime/reranker.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "kernels/kernel_table.h"

namespace minim {
namespace {

constexpr std::string_view kQwen3Prompt =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    "the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n"
    "<|im_start|>user\n<Instruct>: {instruction}\n<Query>: {query}\n<Document>: "
    "{document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
constexpr std::string_view kPlainPrompt =
    "Instruction: {instruction}\nQuery: {query}\nDocument: {document}\n"
    "Does the document meet the instruction for this query? Answer yes or no.\nAnswer:";
constexpr std::string_view kLikelihoodPrompt =
    "Passage: {document}\nPlease write a question based on this passage.\nQuestion: {query}";

bool has_chat_marks(const Tokenizer& tokenizer) {
  return tokenizer.find("<|im_start|>") && tokenizer.find("<|im_end|>");
}

[[noreturn]] void throw_option(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "reranker: " + message);
}

// ln p of a token.
double log_probability(const Context& context, std::span<const float> logits, TokenId token) {
  const auto count = static_cast<int64_t>(logits.size());
  const float most = context.kernels.maximum(logits.data(), count);
  const double sum = context.kernels.exponential_sum(logits.data(), most, count);
  return double{logits[static_cast<size_t>(token)]} - double{most} - std::log(sum);
}

std::vector<TokenId> encode_plain(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_special = false});
}

}  // namespace

const char* rerank_method_name(RerankMethod method) {
  switch (method) {
    case RerankMethod::kEmbedding: return "embedding";
    case RerankMethod::kQueryLikelihood: return "query likelihood";
    case RerankMethod::kYesNo: return "yes or no";
  }
  return "unknown";
}

std::string default_rerank_template(RerankMethod method, const Tokenizer& tokenizer) {
  if (method == RerankMethod::kEmbedding) return "";
  if (method == RerankMethod::kQueryLikelihood) return std::string(kLikelihoodPrompt);
  return std::string(has_chat_marks(tokenizer) ? kQwen3Prompt : kPlainPrompt);
}

Reranker::Reranker(const Context& context, std::shared_ptr<const Model> model,
                   std::shared_ptr<const Tokenizer> tokenizer, const RerankerOptions& options)
    : context_(context),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      options_(options) {
  if (options_.method == RerankMethod::kEmbedding) {
    EmbedderOptions embedding = options_.embedding;
    embedding.truncate = options_.truncate;
    embedding.packing = options_.packing;
    embedding.normalize = true;
    embedder_.emplace(context, model_, tokenizer_, embedding);
    return;
  }
  texts_.emplace(context, model_, options_.packing);
  if (options_.prompt.empty()) {
    options_.prompt = default_rerank_template(options_.method, *tokenizer_);
  }
  parse_prompt();
  if (options_.method == RerankMethod::kYesNo) find_answers();
}

void Reranker::parse_prompt() {
  constexpr std::array<std::string_view, 3> kNames = {"{query}", "{document}", "{instruction}"};
  std::array<int, 3> counts = {};
  std::string text;
  const auto end_text = [&] {
    if (text.empty()) return;
    const EncodeOptions encode = {.add_special = false, .parse_special = true};
    segments_.push_back({Slot::kText, tokenizer_->encode(text, encode)});
    text.clear();
  };
  // What the vocabulary puts before a text; what it puts after one would end it.
  auto start = tokenizer_->encode("");
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  const bool is_ended = vocabulary.kind == TokenizerKind::kWordPiece
                            ? vocabulary.separator.has_value()
                            : vocabulary.add_eos && vocabulary.eos;
  if (is_ended) start.pop_back();
  segments_.push_back({Slot::kText, std::move(start)});
  std::string_view rest = options_.prompt;
  while (!rest.empty()) {
    size_t found = 0;
    while (found < kNames.size() && !rest.starts_with(kNames[found])) ++found;
    if (found == kNames.size()) {
      text += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    ++counts[found];
    rest.remove_prefix(kNames[found].size());
    end_text();
    if (found < 2) {
      segments_.push_back({found == 0 ? Slot::kQuery : Slot::kDocument, {}});
    } else {
      segments_.push_back({Slot::kText, encode_plain(*tokenizer_, options_.instruction)});
    }
  }
  end_text();
  if (counts[0] != 1 || counts[1] != 1) {
    throw_option(
        fmt::format("the prompt has {} times {{query}} and {} times {{document}}; each "
                    "comes once",
                    counts[0], counts[1]));
  }
  if (options_.method == RerankMethod::kQueryLikelihood && segments_.back().slot != Slot::kQuery) {
    throw_option("the prompt of a query likelihood ends with {query}");
  }
}

void Reranker::find_answers() {
  const char* space = has_chat_marks(*tokenizer_) ? "" : " ";
  if (options_.yes.empty()) options_.yes = fmt::format("{}yes", space);
  if (options_.no.empty()) options_.no = fmt::format("{}no", space);
  const auto find = [&](const std::string& answer) {
    const auto tokens = encode_plain(*tokenizer_, answer);
    if (tokens.size() == 1) return tokens.front();
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("reranker: the answer '{}' is {} tokens of this vocabulary, and must be "
                    "one; choose other answers or another method",
                    answer, tokens.size()));
  };
  yes_ = find(options_.yes);
  no_ = find(options_.no);
  if (yes_ == no_) throw_option("the two answers are the same");
}

Reranker::Prompt Reranker::fill(std::span<const TokenId> query,
                                std::span<const TokenId> document) const {
  Prompt prompt;
  for (const Segment& segment : segments_) {
    std::span<const TokenId> tokens = segment.tokens;
    if (segment.slot == Slot::kDocument) tokens = document;
    if (segment.slot == Slot::kQuery) {
      tokens = query;
      prompt.query_begin = static_cast<int64_t>(prompt.tokens.size());
    }
    prompt.tokens.insert(prompt.tokens.end(), tokens.begin(), tokens.end());
  }
  return prompt;
}

std::vector<Reranker::Prompt> Reranker::make_prompts(std::span<const TokenId> query,
                                                     std::span<const std::string> documents,
                                                     Ranking& ranking) const {
  const auto around = static_cast<int64_t>(fill(query, {}).tokens.size());
  const int64_t room = model_->config().context_length - around;
  if (room < 1) {
    throw Error(ErrorCode::kLimit,
                fmt::format("reranker: the query and what stands around it are {} tokens, and the "
                            "model holds {}; there is no room for a document",
                            around, model_->config().context_length));
  }
  std::vector<Prompt> prompts;
  for (size_t i = 0; i < documents.size(); ++i) {
    auto tokens = encode_plain(*tokenizer_, documents[i]);
    if (static_cast<int64_t>(tokens.size()) > room) {
      if (!options_.truncate) {
        throw Error(ErrorCode::kLimit,
                    fmt::format("reranker: document {} has {} tokens, and {} fit; cut it, or ask "
                                "for truncation",
                                i, tokens.size(), room));
      }
      tokens.resize(static_cast<size_t>(room));
      ++ranking.truncated_count;
    }
    prompts.push_back(fill(query, tokens));
    ranking.computed_tokens += static_cast<int64_t>(prompts.back().tokens.size());
  }
  return prompts;
}

Ranking Reranker::rank(std::string_view query, std::span<const std::string> documents) {
  Ranking ranking;
  ranking.scores.resize(documents.size());
  switch (options_.method) {
    case RerankMethod::kEmbedding: rank_by_embedding(query, documents, ranking); break;
    case RerankMethod::kQueryLikelihood: rank_by_likelihood(query, documents, ranking); break;
    case RerankMethod::kYesNo: rank_by_answer(query, documents, ranking); break;
  }
  for (size_t i = 0; i < documents.size(); ++i) {
    if (std::isfinite(ranking.scores[i])) continue;
    throw Error(ErrorCode::kFormat, fmt::format("reranker: the model gives no number for document "
                                                "{}; its weights may be damaged",
                                                i));
  }
  ranking.order.resize(documents.size());
  std::iota(ranking.order.begin(), ranking.order.end(), int64_t{0});
  std::stable_sort(ranking.order.begin(), ranking.order.end(), [&](int64_t a, int64_t b) {
    return ranking.scores[static_cast<size_t>(a)] > ranking.scores[static_cast<size_t>(b)];
  });
  return ranking;
}

void Reranker::rank_by_embedding(std::string_view query, std::span<const std::string> documents,
                                 Ranking& ranking) {
  const std::string asked(query);
  const Embeddings of_query = embedder_->embed({&asked, 1});
  const Embeddings of_documents = embedder_->embed(documents);
  ranking.truncated_count = of_documents.truncated_count;
  for (size_t i = 0; i < documents.size(); ++i) {
    const auto row = of_documents.row(static_cast<int64_t>(i));
    const double cosine = std::inner_product(row.begin(), row.end(), of_query.values.begin(), 0.0);
    ranking.scores[i] = static_cast<float>(cosine);
    ranking.computed_tokens += of_documents.token_counts[i];
  }
}

void Reranker::rank_by_likelihood(std::string_view query, std::span<const std::string> documents,
                                  Ranking& ranking) {
  const auto asked = encode_plain(*tokenizer_, query);
  if (asked.empty()) throw_option("the query has no tokens, and nothing is likely or not");
  const auto prompts = make_prompts(asked, documents, ranking);
  std::vector<PackedText> texts;
  for (const Prompt& prompt : prompts) {
    if (prompt.query_begin == 0) throw_option("something must stand before the query");
    texts.push_back({.tokens = prompt.tokens,
                     .first_output = prompt.query_begin - 1,
                     .output_count = static_cast<int64_t>(asked.size())});
  }
  std::vector<double> sums(documents.size());
  texts_->logits(texts, [&](size_t text, int64_t position, std::span<float> row) {
    const TokenId next = texts[text].tokens[static_cast<size_t>(position) + 1];
    sums[text] += log_probability(context_, row, next);
  });
  for (size_t i = 0; i < documents.size(); ++i) {
    ranking.scores[i] = static_cast<float>(sums[i] / static_cast<double>(asked.size()));
  }
}

void Reranker::rank_by_answer(std::string_view query, std::span<const std::string> documents,
                              Ranking& ranking) {
  const auto prompts = make_prompts(encode_plain(*tokenizer_, query), documents, ranking);
  std::vector<PackedText> texts;
  for (const Prompt& prompt : prompts) {
    texts.push_back({.tokens = prompt.tokens,
                     .first_output = static_cast<int64_t>(prompt.tokens.size()) - 1,
                     .output_count = 1});
  }
  texts_->logits(texts, [&](size_t text, int64_t, std::span<float> row) {
    const double yes = row[static_cast<size_t>(yes_)];
    const double no = row[static_cast<size_t>(no_)];
    ranking.scores[text] = static_cast<float>(1.0 / (1.0 + std::exp(no - yes)));
  });
}

}  // namespace minim
