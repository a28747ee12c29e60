#include "runtime/speculation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/prompt_lookup.h"

namespace minim {
namespace {

constexpr double kFading = 0.9;        // of evidence with each new guess
constexpr double kForgetting = 0.997;  // with each that was not made

size_t match_class(const LookupMatch& match) {
  const int64_t length = match.length;
  const int64_t by_length = length <= 2 ? length - 1 : length <= 4 ? 2 : length <= 8 ? 3 : 4;
  return static_cast<size_t>(by_length) + (match.agrees ? 5u : 0u);
}

}  // namespace

void GuessRecord::add(int64_t guessed, int64_t right) {
  tried_ = kFading * tried_ + static_cast<double>(right + (right < guessed ? 1 : 0));
  right_ = kFading * right_ + static_cast<double>(right);
}

void GuessRecord::pass() {
  tried_ *= kForgetting;
  right_ *= kForgetting;
}

Speculation::Speculation(SpeculationOptions options)
    : options_(std::move(options)), lookups_{GuessRecord(0.05), GuessRecord(0.2),
                                             GuessRecord(0.4),  GuessRecord(0.6),
                                             GuessRecord(0.7),  GuessRecord(0.35),
                                             GuessRecord(0.5),  GuessRecord(0.65),
                                             GuessRecord(0.8),  GuessRecord(0.9)} {
  if (options_.draft != nullptr) reader_.emplace(*options_.draft);
}

void Speculation::start(std::span<const TokenId> tokens) {
  text_.assign(tokens.begin(), tokens.end());
}

std::span<const TokenId> Speculation::guess(int64_t most, const PassOutlook& outlook) {
  guesses_.clear();
  guessed_by_ = nullptr;
  if (most <= 0 || text_.empty()) return {};
  if (options_.prompt_lookup && look_up_guesses(most, outlook)) return guesses_;
  if (reader_) draft_guesses(most, outlook);
  return guesses_;
}

bool Speculation::look_up_guesses(int64_t most, const PassOutlook& outlook) {
  const LookupMatch match = look_up(text_, most, guesses_);
  if (match.length == 0) return false;
  GuessRecord& record = lookups_[match_class(match)];
  const int64_t count = worth_making(most, record.rate(), 0, outlook);
  guesses_.resize(static_cast<size_t>(count));
  if (count == 0) {
    record.pass();
    return false;
  }
  guessed_by_ = &record;
  return true;
}

void Speculation::draft_guesses(int64_t most, const PassOutlook& outlook) {
  const int64_t count = worth_making(most, drafts_.rate(), guess_seconds_, outlook);
  if (count == 0) return drafts_.pass();
  const double pass = outlook.cost.seconds(outlook.rows);
  const double row = outlook.cost.seconds(outlook.rows + 1) - pass + guess_seconds_;
  const double least = options_.always || pass <= 0 ? 0 : std::min(row / pass, 1.0);
  const auto begin = std::chrono::steady_clock::now();
  reader_->guess(text_, count, least, guesses_);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  spent_seconds_ += seconds;
  if (guesses_.empty()) return;
  guessed_by_ = &drafts_;
  const double each = seconds / static_cast<double>(guesses_.size());
  guess_seconds_ = guess_seconds_ == 0 ? each : 0.9 * guess_seconds_ + 0.1 * each;
}

// A guess more is worth it while it brings more tokens a second than the pass does without it.
int64_t Speculation::worth_making(int64_t most, double rate, double draft_seconds,
                                  const PassOutlook& outlook) const {
  const double seconds = outlook.cost.seconds(outlook.rows);
  if (options_.always || seconds <= 0) return most;
  auto tokens = static_cast<double>(outlook.sequences);
  double right = 1;
  double best = tokens / seconds;
  int64_t best_count = 0;
  for (int64_t i = 1; i <= most; ++i) {
    right *= rate;
    tokens += right;
    const double total = std::max(outlook.cost.seconds(outlook.rows + i), seconds) +
                         static_cast<double>(i) * draft_seconds;
    if (tokens / total <= best) continue;
    best = tokens / total;
    best_count = i;
  }
  return best_count;
}

void Speculation::learn(int64_t guessed, int64_t right, int64_t rows, const StepCost& cost) {
  const double spent = std::exchange(spent_seconds_, 0);
  statistics_.draft_seconds += spent;
  statistics_.saved_seconds -= spent;
  if (guessed == 0 || guessed_by_ == nullptr) return;
  guessed_by_->add(guessed, right);
  statistics_.guessed_tokens += guessed;
  statistics_.right_tokens += right;
  const double without = cost.seconds(rows - guessed);
  statistics_.saved_seconds +=
      static_cast<double>(right) * without - (cost.seconds(rows) - without);
}

}  // namespace minim
