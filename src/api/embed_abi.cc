#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/arguments.h"
#include "api/guard.h"
#include "api/model.h"
#include "base/error.h"
#include "runtime/embedder.h"
#include "runtime/reranker.h"

namespace minim::api {
namespace {

OpenModel& shared(minim_model* model) { return *required(model, "model").shared; }

std::optional<Pooling> pooling_argument(int32_t value) {
  switch (enum_argument<minim_pooling>(value, 4, "pooling")) {
    case MINIM_POOLING_MODEL: return {};
    case MINIM_POOLING_MEAN: return Pooling::kMean;
    case MINIM_POOLING_LAST: return Pooling::kLast;
    case MINIM_POOLING_CLS: return Pooling::kFirst;
  }
  return {};
}

RerankMethod method_argument(int32_t value) {
  switch (enum_argument<minim_rank_method>(value, 3, "method")) {
    case MINIM_RANK_EMBEDDINGS: return RerankMethod::kEmbedding;
    case MINIM_RANK_LIKELIHOOD: return RerankMethod::kQueryLikelihood;
    case MINIM_RANK_JUDGEMENT: return RerankMethod::kYesNo;
  }
  return RerankMethod::kEmbedding;
}

std::vector<std::string> texts_argument(const minim_text* texts, size_t count, const char* name) {
  std::vector<std::string> result;
  for (const minim_text& text : list_argument(texts, count, name)) {
    result.emplace_back(text_argument(text.data, text.size, name));
  }
  return result;
}

// Each forward pass takes its turn, so that sessions of the same engine wait no longer than that.
PackingOptions packing(OpenModel& model) {
  Turns& turns = model.engine().turns();
  return {.batch_tokens = model.scheduler().options().batch_tokens,
          .run = [&turns](const std::function<void()>& work) {
            const Turns::Turn turn(turns);
            work();
          }};
}

void embed(OpenModel& model, const std::vector<std::string>& texts,
           const minim_embed_options& options, std::span<float> result, size_t* truncated) {
  Embedder embedder(model.engine().context(), model.shared_model(), model.tokenizer(),
                    {.pooling = pooling_argument(options.pooling),
                     .normalize = options.not_normalized == 0,
                     .dimensions = count_argument(options.dimensions, 0, "dimensions"),
                     .truncate = options.truncate != 0,
                     .tokens_max = model.context_tokens(),
                     .packing = packing(model)});
  const auto dimensions = static_cast<size_t>(embedder.dimensions());
  if (texts.size() > result.size() / dimensions) {
    refuse(fmt::format("'embeddings' has room for {} values, but {} texts of {} dimensions need {}",
                       result.size(), texts.size(), dimensions, texts.size() * dimensions));
  }
  const Embeddings found = embedder.embed(texts);
  std::copy(found.values.begin(), found.values.end(), result.begin());
  if (truncated != nullptr) *truncated = static_cast<size_t>(found.truncated_count);
}

void rerank(OpenModel& model, std::string_view query, const std::vector<std::string>& documents,
            const minim_rank_options& given, float* scores, size_t* truncated) {
  RerankerOptions options;
  options.method = method_argument(given.method);
  options.truncate = given.truncate != 0;
  options.embedding.pooling = pooling_argument(given.pooling);
  options.embedding.tokens_max = model.context_tokens();
  options.packing = packing(model);
  if (given.instruction != nullptr) options.instruction = given.instruction;
  if (given.prompt != nullptr) options.prompt = given.prompt;
  Reranker reranker(model.engine().context(), model.shared_model(), model.tokenizer(), options);
  const std::span<float> result = list_argument(scores, documents.size(), "scores");
  if (documents.empty()) return;
  const Ranking ranking = reranker.rank(query, documents);
  std::copy(ranking.scores.begin(), ranking.scores.end(), result.begin());
  if (truncated != nullptr) *truncated = static_cast<size_t>(ranking.truncated_count);
}

}  // namespace
}  // namespace minim::api

using minim::api::guard;
using minim::api::read_struct;
using minim::api::shared;

minim_status minim_embed(minim_model* model, const minim_text* texts, size_t count,
                         const minim_embed_options* options, float* embeddings, size_t capacity,
                         size_t* truncated, minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::OpenModel& computes = shared(model);
    const minim_embed_options defaults = MINIM_EMBED_OPTIONS_INIT;
    minim::api::embed(computes, minim::api::texts_argument(texts, count, "texts"),
                      read_struct(options, defaults, "options"),
                      minim::api::list_argument(embeddings, capacity, "embeddings"), truncated);
  });
}

minim_status minim_rerank(minim_model* model, const minim_text* query, const minim_text* documents,
                          size_t count, const minim_rank_options* options, float* scores,
                          size_t* truncated, minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::OpenModel& computes = shared(model);
    const minim_text& asked = minim::api::required(query, "query");
    const minim_rank_options defaults = MINIM_RANK_OPTIONS_INIT;
    minim::api::rerank(computes, minim::api::text_argument(asked.data, asked.size, "query"),
                       minim::api::texts_argument(documents, count, "documents"),
                       read_struct(options, defaults, "options"), scores, truncated);
  });
}
