#include "runtime/draft_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace minim {
namespace {

// Of a long prompt at once, so that other texts do not wait for a draft.
constexpr int64_t kReadMax = 256;

void check_vocabulary(const Tokenizer& own, const Tokenizer& target) {
  const auto& ours = own.vocabulary().tokens;
  const auto& theirs = target.vocabulary().tokens;
  const auto [a, b] = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  if (a == ours.end() && b == theirs.end()) return;
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("draft: its vocabulary of {} tokens is another one than the model's of {} "
                  "(they differ from token {} on); take a draft of the same family",
                  ours.size(), theirs.size(), a - ours.begin()));
}

// exp of the largest minus all others' log of the sum: the probability of the most probable token.
double probability_of(std::span<const float> logits, size_t token) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - logits[token]));
  return 1 / sum;
}

}  // namespace

DraftModel::DraftModel(const Context& context, std::shared_ptr<const Model> model,
                       const Tokenizer& own, const Tokenizer& target)
    : prototype_(context, std::move(model), {.batch_tokens = kReadMax}), vocabulary_(own.size()) {
  check_vocabulary(own, target);
}

// Whether there is little left to read now.
bool DraftModel::Reader::catch_up(std::span<const TokenId> text) {
  if (!session_) session_.emplace(draft_.prototype_.clone());
  const auto known = session_->tokens();
  const auto [differs, other] = std::mismatch(known.begin(), known.end(), text.begin(), text.end());
  // The last token is read again rather than its logits kept.
  const int64_t same =
      std::min<int64_t>(differs - known.begin(), static_cast<int64_t>(text.size()) - 1);
  if (same < session_->length()) {
    const bool can = session_->can_rewind(same);
    session_->rewind(can ? same : 0);
  }
  const auto rest = text.subspan(static_cast<size_t>(session_->length()));
  const auto count = static_cast<int64_t>(rest.size());
  if (count > session_->context_tokens() - session_->length()) return false;
  session_->append(rest.first(static_cast<size_t>(std::min(count, kReadMax))));
  return count <= kReadMax;
}

void DraftModel::Reader::guess(std::span<const TokenId> text, int64_t most, double probability_min,
                               std::vector<TokenId>& guesses) {
  guesses.clear();
  if (text.empty() || !catch_up(text)) return;
  double probability = 1;
  for (;;) {
    const auto logits = session_->logits().first(static_cast<size_t>(draft_.vocabulary_));
    const auto best =
        static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    probability *= probability_of(logits, static_cast<size_t>(best));
    if (!(probability >= probability_min)) return;
    guesses.push_back(best);
    if (static_cast<int64_t>(guesses.size()) >= most) return;
    if (session_->length() >= session_->context_tokens()) return;
    session_->append({&guesses.back(), 1});
  }
}

}  // namespace minim
