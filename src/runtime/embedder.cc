#include "runtime/embedder.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

[[noreturn]] void throw_option(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "embedder: " + message);
}

}  // namespace

const char* pooling_name(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean: return "mean";
    case Pooling::kLast: return "last";
    case Pooling::kFirst: return "first";
  }
  return "unknown";
}

Embedder::Embedder(const Context& context, std::shared_ptr<const Model> model,
                   std::shared_ptr<const Tokenizer> tokenizer, const EmbedderOptions& options)
    : texts_(context, std::move(model), options.packing),
      tokenizer_(std::move(tokenizer)),
      options_(options) {
  const ModelConfig& config = texts_.model().config();
  if (options.dimensions < 0 || options.dimensions > config.dim) {
    throw_option(fmt::format("{} dimensions were asked for, and the model has {}",
                             options.dimensions, config.dim));
  }
  if (options.tokens_max < 0 || options.tokens_max > config.context_length) {
    throw_option(fmt::format("texts of {} tokens: the model holds 1 to {}", options.tokens_max,
                             config.context_length));
  }
  dimensions_ = options.dimensions > 0 ? options.dimensions : config.dim;
  tokens_max_ = options.tokens_max > 0 ? options.tokens_max : config.context_length;
  choose_pooling();
}

// The numbers are llama.cpp's: none, mean, CLS, last, rank.
void Embedder::choose_pooling() {
  if (options_.pooling) {
    pooling_ = *options_.pooling;
    pooling_source_ = "the caller";
    return;
  }
  const Model& model = texts_.model();
  const std::string key = model.config().architecture + ".pooling_type";
  const auto type = model.file().metadata().integer(key);
  pooling_source_ = "the model's file";
  switch (type.value_or(0)) {
    case 0:
      pooling_ = Pooling::kLast;
      pooling_source_ = "the default for causal models";
      return;
    case 1: pooling_ = Pooling::kMean; return;
    case 2: pooling_ = Pooling::kFirst; return;
    case 3: pooling_ = Pooling::kLast; return;
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("embedder: '{}' is {}, which is none of none, mean, CLS and last; choose "
                          "a pooling",
                          key, *type));
}

Embeddings Embedder::embed(std::span<const std::string> texts) {
  std::vector<std::vector<TokenId>> tokens;
  tokens.reserve(texts.size());
  for (const std::string& text : texts) tokens.push_back(tokenizer_->encode(text));
  return embed_tokens(std::move(tokens));
}

Embeddings Embedder::embed_tokens(std::vector<std::vector<TokenId>> texts) {
  Embeddings embeddings;
  embeddings.dimensions = dimensions_;
  std::vector<PackedText> packed(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    auto& tokens = texts[i];
    if (static_cast<int64_t>(tokens.size()) > tokens_max_) {
      if (!options_.truncate) {
        throw Error(ErrorCode::kLimit,
                    fmt::format("embedder: text {} has {} tokens, and {} are allowed; cut it, or "
                                "ask for truncation",
                                i, tokens.size(), tokens_max_));
      }
      tokens.resize(static_cast<size_t>(tokens_max_));
      ++embeddings.truncated_count;
    }
    const auto count = static_cast<int64_t>(tokens.size());
    embeddings.token_counts.push_back(count);
    packed[i].tokens = std::move(tokens);
    if (count == 0) continue;  // refused when it is read
    packed[i].first_output = pooling_ == Pooling::kLast ? count - 1 : 0;
    packed[i].output_count = pooling_ == Pooling::kMean ? count : 1;
  }
  embeddings.values.resize(texts.size() * static_cast<size_t>(dimensions_));
  const auto width = static_cast<size_t>(dimensions_);
  std::vector<double> sums(texts.size() * width);
  texts_.hidden_states(packed, [&](size_t text, int64_t, std::span<const float> row) {
    for (size_t i = 0; i < width; ++i) sums[text * width + i] += double{row[i]};
  });
  for (size_t i = 0; i < texts.size(); ++i) {
    finish(i, std::span(sums).subspan(i * width, width), embeddings);
  }
  return embeddings;
}

void Embedder::finish(size_t text, std::span<const double> pooled, Embeddings& embeddings) const {
  const auto count =
      pooling_ == Pooling::kMean ? static_cast<double>(embeddings.token_counts[text]) : 1.0;
  double squares = 0;
  for (const double value : pooled) squares += value / count * (value / count);
  if (!std::isfinite(squares)) {
    throw Error(ErrorCode::kFormat,
                fmt::format("embedder: the model gives no numbers for text {}; its weights may be "
                            "damaged",
                            text));
  }
  // A vector of zeros has no direction, and stays.
  const double length = options_.normalize && squares > 0 ? std::sqrt(squares) : 1.0;
  std::transform(pooled.begin(), pooled.end(),
                 embeddings.values.begin() + static_cast<int64_t>(text) * dimensions_,
                 [&](double value) { return static_cast<float>(value / count / length); });
}

}  // namespace minim
