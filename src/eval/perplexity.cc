#include "eval/perplexity.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "eval/base_logits.h"
#include "runtime/session.h"

namespace minim {
namespace {

double percentile(std::vector<double> values, double share) {
  const auto rank = static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(rank), values.end());
  return values[rank];
}

// What is kept of every scored token.
struct Scores {
  std::vector<double> losses;  // -ln p(token)
  std::vector<double> base_losses;
  std::vector<double> kld;
  std::vector<double> same_top;  // 0 or 1

  void resize(size_t count, bool compare) {
    losses.resize(count);
    if (!compare) return;
    base_losses.resize(count);
    kld.resize(count);
    same_top.resize(count);
  }
};

void compare_row(std::span<const float> ours, std::span<const float> base, int32_t our_best,
                 float base_target, size_t index, Scores& scores) {
  double kld = 0;
  for (size_t i = 0; i < base.size(); ++i) {
    if (base[i] <= kLogProbabilityFloor) continue;
    kld += std::exp(double{base[i]}) * (double{base[i]} - double{ours[i]});
  }
  const auto base_best =
      static_cast<int32_t>(std::max_element(base.begin(), base.end()) - base.begin());
  scores.kld[index] = std::max(kld, 0.0);  // rounding of the stored values can go below
  scores.same_top[index] = our_best == base_best ? 1.0 : 0.0;
  scores.base_losses[index] = -double{base_target};
}

Divergence summarise(const Scores& scores) {
  Divergence divergence;
  divergence.kld = estimate(scores.kld);
  divergence.kld_median = percentile(scores.kld, 0.5);
  divergence.kld_p99_9 = percentile(scores.kld, 0.999);
  divergence.kld_max = *std::max_element(scores.kld.begin(), scores.kld.end());
  divergence.same_top = estimate(scores.same_top);
  std::vector<double> log_ratios;
  double squares = 0;
  for (size_t i = 0; i < scores.losses.size(); ++i) {
    log_ratios.push_back(scores.losses[i] - scores.base_losses[i]);
    const double difference = std::exp(-scores.losses[i]) - std::exp(-scores.base_losses[i]);
    squares += difference * difference;
  }
  divergence.log_ratio = estimate(log_ratios);
  divergence.base_perplexity = std::exp(estimate(scores.base_losses).value);
  divergence.probability_rms = std::sqrt(squares / static_cast<double>(scores.losses.size()));
  return divergence;
}

// The windows of a text: each `context_tokens` long, scored from `first_scored` on.
struct Windows {
  std::vector<TokenId> tokens;  // of all windows, BOS included
  BaseLogitsHeader shape;

  std::span<const TokenId> window(int64_t index) const {
    return std::span(tokens).subspan(static_cast<size_t>(index * shape.context_tokens),
                                     static_cast<size_t>(shape.context_tokens));
  }
};

Windows cut_windows(const Tokenizer& tokenizer, std::span<const TokenId> tokens,
                    const PerplexityOptions& options, int32_t vocabulary_size) {
  const int64_t length = options.context_tokens;
  const auto available = static_cast<int64_t>(tokens.size()) / length;
  if (available < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("perplexity: the text has {} tokens, fewer than one window of {}; give "
                            "a longer text or a smaller --context",
                            tokens.size(), length));
  }
  const int64_t count =
      options.window_count_max > 0 ? std::min(available, options.window_count_max) : available;
  Windows windows;
  windows.tokens.assign(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(count * length));
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  if (vocabulary.add_bos && vocabulary.bos) {
    for (int64_t i = 0; i < count; ++i) {
      windows.tokens[static_cast<size_t>(i * length)] = *vocabulary.bos;
    }
  }
  windows.shape = {.vocabulary_size = vocabulary_size,
                   .context_tokens = length,
                   .window_count = count,
                   .scored_per_window = length - 1 - length / 2,
                   .tokens_hash = hash_tokens(windows.tokens)};
  return windows;
}

void require_same_text(const BaseLogitsHeader& stored, const BaseLogitsHeader& ours) {
  if (stored == ours) return;
  const char* what = stored.vocabulary_size != ours.vocabulary_size ? "another vocabulary size"
                     : stored.context_tokens != ours.context_tokens ? "another window length"
                     : stored.window_count != ours.window_count     ? "another number of windows"
                                                                    : "another text";
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("perplexity: the stored base predictions are of {}; use the text and the "
                          "options they were made with",
                          what));
}

// Scores one window after the other.
class Scorer {
 public:
  Scorer(const Context& context, const Windows& windows, const PerplexityOptions& options)
      : context_(context), windows_(windows) {
    if (!options.save_base.empty()) writer_.emplace(options.save_base, windows.shape);
    if (!options.compare_base.empty()) {
      reader_.emplace(options.compare_base);
      require_same_text(reader_->header(), windows.shape);
    }
    const auto rows = windows.shape.window_count * windows.shape.scored_per_window;
    scores_.resize(static_cast<size_t>(rows), reader_.has_value());
  }

  // `logits` are those of positions first, first + 1, ... of window `index`.
  void score(int64_t index, int64_t first, MatrixView logits) {
    const auto window = windows_.window(index);
    const int64_t row_base =
        index * windows_.shape.scored_per_window + (first - (windows_.shape.context_tokens / 2));
    context_.threads.run(logits.rows, [&](int64_t i) {
      const std::span<float> row(logits.row(i), static_cast<size_t>(logits.cols));
      const TokenId target = window[static_cast<size_t>(first + i + 1)];
      score_row(static_cast<size_t>(row_base + i), target, row);
    });
    if (!writer_) return;
    for (int64_t i = 0; i < logits.rows; ++i) {
      writer_->write_row({logits.row(i), static_cast<size_t>(logits.cols)},
                         window[static_cast<size_t>(first + i + 1)]);
    }
  }

  PerplexityResult finish() {
    if (writer_) writer_->commit();
    const Estimate loss = estimate(scores_.losses);
    PerplexityResult result;
    result.nats_per_token = loss.value;
    result.perplexity = std::exp(loss.value);
    result.standard_error = result.perplexity * loss.standard_error;
    result.token_count = static_cast<int64_t>(scores_.losses.size());
    result.window_count = windows_.shape.window_count;
    if (reader_) result.divergence = summarise(scores_);
    return result;
  }

 private:
  void score_row(size_t index, TokenId target, std::span<float> row) {
    const int32_t best = log_softmax(row);
    scores_.losses[index] = -double{row[static_cast<size_t>(target)]};
    if (!reader_) return;
    thread_local std::vector<float> base;  // one row for each worker
    base.resize(row.size());
    const float base_target = reader_->read_row(static_cast<int64_t>(index), base);
    compare_row(row, base, best, base_target, index, scores_);
  }

  const Context& context_;
  const Windows& windows_;
  std::optional<BaseLogitsWriter> writer_;
  std::optional<BaseLogitsReader> reader_;
  Scores scores_;
};

}  // namespace

PerplexityResult measure_perplexity(const Context& context, std::shared_ptr<const Model> model,
                                    const Tokenizer& tokenizer, std::span<const TokenId> tokens,
                                    const PerplexityOptions& options,
                                    const ProgressSink& progress) {
  if (options.context_tokens < 4 || options.context_tokens > model->config().context_length) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("perplexity: --context is {}, but must be between 4 and the model's {}",
                            options.context_tokens, model->config().context_length));
  }
  const auto vocabulary_size = static_cast<int32_t>(model->config().vocabulary_size);
  const Windows windows = cut_windows(tokenizer, tokens, options, vocabulary_size);
  Scorer scorer(context, windows, options);
  Session session(context, std::move(model),
                  {.context_tokens = options.context_tokens, .kv_type = options.kv_type});
  const int64_t length = windows.shape.context_tokens;
  const auto total = static_cast<uint64_t>(windows.shape.window_count * length);
  for (int64_t i = 0; i < windows.shape.window_count; ++i) {
    session.rewind(0);
    // The last token predicts nothing that is in the window.
    session.append(windows.window(i).first(static_cast<size_t>(length - 1)), length / 2,
                   [&](int64_t first, MatrixView logits) { scorer.score(i, first, logits); });
    report_progress(progress, {.stage = "scoring",
                               .done = static_cast<uint64_t>((i + 1) * length),
                               .total = total,
                               .unit = "tokens"});
  }
  return scorer.finish();
}

std::vector<double> token_losses(const Context& context, std::shared_ptr<const Model> model,
                                 std::span<const TokenId> tokens, DataType kv_type) {
  std::vector<double> losses;
  if (tokens.size() < 2) return losses;
  Session session(context, std::move(model),
                  {.context_tokens = static_cast<int64_t>(tokens.size()), .kv_type = kv_type});
  session.append(tokens.first(tokens.size() - 1), 0, [&](int64_t first, MatrixView logits) {
    for (int64_t i = 0; i < logits.rows; ++i) {
      const std::span<float> row(logits.row(i), static_cast<size_t>(logits.cols));
      log_softmax(row);
      losses.push_back(
          -double{row[static_cast<size_t>(tokens[static_cast<size_t>(first + i + 1)])]});
    }
  });
  return losses;
}

}  // namespace minim
