// How well a model predicts a text, and how far its predictions are from another model's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/file.h"
#include "base/progress.h"
#include "eval/losses.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace minim {

struct PerplexityOptions {
  int64_t context_tokens = 512;  // length of a window
  int64_t window_count_max = 0;  // 0: the whole text
  DataType kv_type = DataType::kF16;
  Path save_base;     // write every prediction here, to compare others with
  Path compare_base;  // compare with the predictions stored here
};

// Differences to stored base predictions, over the same tokens. KLD is in nats.
struct Divergence {
  Estimate kld;  // mean of KL(base || this model)
  double kld_median = 0;
  double kld_p99_9 = 0;  // the 99.9th percentile
  double kld_max = 0;
  Estimate same_top;   // share of tokens where both hold the same one most probable
  Estimate log_ratio;  // mean of ln p_base(token) - ln p(token): ln of the perplexity ratio
  double base_perplexity = 0;
  double probability_rms = 0;  // root mean square of p(token) - p_base(token)
};

struct PerplexityResult {
  double perplexity = 0;
  double standard_error = 0;  // of the perplexity, by the delta method
  double nats_per_token = 0;
  int64_t token_count = 0;  // predictions that were scored
  int64_t window_count = 0;
  std::optional<Divergence> divergence;
};

// Cuts `tokens` into windows of context_tokens, starts each with BOS where the vocabulary asks for
// one, and scores the second half of each window, so that every scored token has at least half a
// window of context: the procedure of llama.cpp's llama-perplexity, so that figures compare.
// Throws kInvalidArgument if the text is shorter than one window.
PerplexityResult measure_perplexity(const Context& context, std::shared_ptr<const Model> model,
                                    const Tokenizer& tokenizer, std::span<const TokenId> tokens,
                                    const PerplexityOptions& options,
                                    const ProgressSink& progress = {});

// The negative log likelihood, in nats, of each token but the first given all before it: one pass
// over a text that fits the model's context.
std::vector<double> token_losses(const Context& context, std::shared_ptr<const Model> model,
                                 std::span<const TokenId> tokens, DataType kv_type);

}  // namespace minim
