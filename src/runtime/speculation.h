// Speculation: tokens that are likely to follow are computed together with the one that is known,
// and kept as far as they are what is then chosen.
//
// What is chosen does not change: the tokens of a pass are chosen one by one from the same logits,
// with the same sampler, as without guesses, and the first that differs from its guess ends the
// pass. So a text is the same to the last bit, greedy or sampled, with log-probabilities, and with
// a constraint. For guesses that are single tokens, as all are here, this accepts as many as
// rejection sampling does (Leviathan et al., 2023): each with the probability that the model gives
// it.
//
// Guesses cost time: more rows in a pass, and a draft model's own passes. How many are made follows
// from what a pass took by its rows and from how often guesses of their kind were right; none,
// where they are likely to cost more than they save.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/draft_model.h"
#include "runtime/step_cost.h"
#include "text/tokenizer.h"

namespace minim {

struct SpeculationOptions {
  bool prompt_lookup = false;         // guess what stands in the text already
  std::shared_ptr<DraftModel> draft;  // guess what this one says; null: none
  // As many guesses as fit, whatever they cost: for measurements and tests.
  bool always = false;

  bool given() const { return prompt_lookup || draft != nullptr; }
};

// The pass that guesses would be part of, without them.
struct PassOutlook {
  const StepCost& cost;
  int64_t rows = 1;       // of all sequences
  int64_t sequences = 1;  // that get a token by it
};

struct SpeculationStatistics {
  int64_t guessed_tokens = 0;  // that were computed
  int64_t right_tokens = 0;    // of them, those that were chosen
  double draft_seconds = 0;    // spent on guessing
  // What the right ones are estimated to have saved, all costs taken off; below 0: lost.
  double saved_seconds = 0;
};

// How often the guesses of one kind are right, each after right ones. Evidence fades, so that what
// was given up is tried again.
class GuessRecord {
 public:
  explicit GuessRecord(double prior = 0.5) : prior_(prior) {}

  double rate() const { return (kPriorWeight * prior_ + right_) / (kPriorWeight + tried_); }
  void add(int64_t guessed, int64_t right);
  // They could have been made, and were not.
  void pass();

 private:
  static constexpr double kPriorWeight = 2;

  double prior_;
  double tried_ = 0;
  double right_ = 0;
};

// Of one text, by the thread that steps.
class Speculation {
 public:
  explicit Speculation(SpeculationOptions options);

  // What the first token follows.
  void start(std::span<const TokenId> tokens);
  // The text goes on so.
  void add(TokenId token) { text_.push_back(token); }

  // What is likely to follow, `most` tokens at most. Valid until the next call. Throws what
  // DraftModel::Reader::guess() throws.
  std::span<const TokenId> guess(int64_t most, const PassOutlook& outlook);
  // Of the last guesses so many were computed, in a pass of `rows` rows with them, and of these so
  // many were right.
  void learn(int64_t guessed, int64_t right, int64_t rows, const StepCost& cost);

  const SpeculationStatistics& statistics() const { return statistics_; }

 private:
  bool look_up_guesses(int64_t most, const PassOutlook& outlook);
  void draft_guesses(int64_t most, const PassOutlook& outlook);
  int64_t worth_making(int64_t most, double rate, double draft_seconds,
                       const PassOutlook& outlook) const;

  SpeculationOptions options_;
  std::optional<DraftModel::Reader> reader_;
  std::vector<TokenId> text_;
  std::vector<TokenId> guesses_;
  std::array<GuessRecord, 10> lookups_;  // by the length of the match, and whether it agrees
  GuessRecord drafts_{0.7};
  GuessRecord* guessed_by_ = nullptr;  // the last ones
  double guess_seconds_ = 0;           // of a draft model's token, smoothed; 0: not known
  double spent_seconds_ = 0;           // on guesses since learn()
  SpeculationStatistics statistics_;
};

}  // namespace minim
