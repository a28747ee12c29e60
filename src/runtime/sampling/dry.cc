// DRY, "don't repeat yourself": against repeated sequences.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "runtime/sampling/step.h"
#include "runtime/sampling/text_tail.h"

namespace minim {
namespace {

// With t the tokens so far: a token x that followed an earlier t[i] loses the more, the more tokens
// up to t[i] equal those up to the last one. Read from the end, that is the length of the prefix
// that the reversed text shares with its own suffixes: the Z-function (Gusfield, 1997), in one
// pass.
class Dry : public SamplingStep {
 public:
  Dry(const DryOptions& options, std::shared_ptr<const Tokenizer> tokenizer)
      : options_(options), tokenizer_(std::move(tokenizer)) {
    size_t longest = 0;
    for (const std::string& breaker : options_.breakers) {
      longest = std::max(longest, breaker.size());
    }
    tail_ = TextTail(longest);
  }

  void apply(Candidates& candidates, const TokenHistory& history, Rng&) override {
    find_breaks(history);
    const auto text = history.last(options_.window);
    const auto breaks = std::span(breaks_).last(text.size());
    // Matches go back from the last token to the nearest break at most.
    size_t longest = 0;
    while (longest < text.size() && !breaks[text.size() - 1 - longest]) ++longest;
    if (longest < static_cast<size_t>(options_.allowed_length)) return;
    find_matches(text);
    find_repetitions(text, breaks, longest);
    candidates.adjust(std::span<const Repetition>(repetitions_),
                      [this](float logit, const Repetition& repetition) {
                        return logit - penalty(repetition.length);
                      });
  }

 private:
  struct Repetition {
    TokenId token;
    size_t length;
  };

  float penalty(size_t length) const {
    const double over = static_cast<double>(length) - options_.allowed_length;
    const double penalty = double{options_.multiplier} * std::pow(double{options_.base}, over);
    return static_cast<float>(std::min(penalty, 1e30));
  }

  // A break is a token in which a breaker ends, or one that is no text.
  void find_breaks(const TokenHistory& history) {
    while (breaks_.size() < history.tokens.size()) {
      const TokenId token = history.tokens[breaks_.size()];
      breaks_.push_back(tokenizer_ != nullptr && ends_breaker(token) ? 1 : 0);
    }
  }

  bool ends_breaker(TokenId token) {
    if (token < 0 || token >= tokenizer_->size() || tokenizer_->is_special(token)) {
      tail_.clear();
      return true;
    }
    const size_t old_bytes = tail_.text().size();
    tail_.append(tokenizer_->token_bytes(token));
    const std::string_view text = tail_.text();
    const bool ends = std::any_of(
        options_.breakers.begin(), options_.breakers.end(), [&](const std::string& breaker) {
          // The first occurrence that ends past the old text.
          const size_t from = old_bytes + 1 > breaker.size() ? old_bytes + 1 - breaker.size() : 0;
          return text.find(breaker, from) != std::string_view::npos;
        });
    tail_.trim();
    return ends;
  }

  // matches_[j]: how many tokens before position n - j equal those before the end.
  void find_matches(std::span<const TokenId> text) {
    const size_t n = text.size();
    const auto reversed = [&](size_t i) { return text[n - 1 - i]; };
    matches_.assign(n, 0);
    size_t begin = 0, end = 0;  // a match that reaches furthest: reversed[begin, end)
    for (size_t i = 1; i < n; ++i) {
      size_t length = i < end ? std::min(end - i, matches_[i - begin]) : 0;
      while (i + length < n && reversed(length) == reversed(i + length)) ++length;
      matches_[i] = length;
      if (i + length > end) {
        begin = i;
        end = i + length;
      }
    }
  }

  // The longest repetition that each token would continue.
  void find_repetitions(std::span<const TokenId> text, std::span<const uint8_t> breaks,
                        size_t longest) {
    const size_t n = text.size();
    repetitions_.clear();
    for (size_t j = 1; j < n; ++j) {
      const size_t length = std::min(matches_[j], longest);
      if (length < static_cast<size_t>(options_.allowed_length) || breaks[n - j]) continue;
      repetitions_.push_back({text[n - j], length});
    }
    std::sort(repetitions_.begin(), repetitions_.end(), [](const auto& a, const auto& b) {
      return a.token != b.token ? a.token < b.token : a.length > b.length;
    });
    const auto same = [](const auto& a, const auto& b) { return a.token == b.token; };
    repetitions_.erase(std::unique(repetitions_.begin(), repetitions_.end(), same),
                       repetitions_.end());
  }

  DryOptions options_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  TextTail tail_;
  std::vector<uint8_t> breaks_;  // for each token of the history
  std::vector<size_t> matches_;
  std::vector<Repetition> repetitions_;
};

}  // namespace

SamplingStepPtr make_dry(const DryOptions& options, std::shared_ptr<const Tokenizer> tokenizer) {
  if (options.multiplier == 0 || options.window == 0) return nullptr;
  return std::make_unique<Dry>(options, std::move(tokenizer));
}

}  // namespace minim
