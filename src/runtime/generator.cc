#include "runtime/generator.h"

#include <chrono>
#include <utility>

namespace minim {
namespace {

constexpr double kEnergyReadSeconds = 0.5;  // between two looks at the meter

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Generator::Generator(Session& session, std::shared_ptr<const Tokenizer> tokenizer,
                     const GeneratorOptions& options)
    : session_(session),
      chooser_(session.context(), std::move(tokenizer), options),
      governor_(options.governor),
      energy_(options.energy) {}

std::optional<double> GenerationStatistics::joules_per_token() const {
  const int64_t tokens = prompt_tokens + generated_tokens;
  if (!energy || tokens <= 0) return std::nullopt;
  return energy->joules / static_cast<double>(tokens);
}

void Generator::start(std::span<const TokenId> prompt, const ProgressSink& progress) {
  if (energy_ != nullptr) joules_start_ = energy_->read().joules;
  if (governor_ != nullptr) governor_->begin_work();
  const Stopwatch watch;
  logits_ = session_.append(prompt, [&](const Progress& step) {
    if (progress && !progress(step)) return false;
    rest(GovernedWork::kPromptBatch);  // an interrupted rest is no end: whoever interrupts says so
                                       // through `progress`
    return true;
  });
  chooser_.start(session_.tokens());
  statistics_.prompt_tokens = static_cast<int64_t>(prompt.size());
  statistics_.reused_tokens = session_.reused_tokens();
  statistics_.prompt_seconds = watch.seconds();
  read_energy();
}

// What a governor asks for before the next piece of work. False where it was interrupted.
bool Generator::rest(GovernedWork work) {
  if (governor_ == nullptr) return true;
  const Stopwatch watch;
  const bool goes_on = governor_->pause_before_next(work);
  statistics_.rest_seconds += watch.seconds();
  return goes_on;
}

void Generator::read_energy() {
  if (energy_ == nullptr) return;
  Energy energy = energy_->read();
  energy.joules -= joules_start_;
  statistics_.energy = energy;
  energy_read_seconds_ = statistics_.decode_seconds + statistics_.rest_seconds;
}

std::optional<TokenId> Generator::stop(StopReason reason) {
  read_energy();
  stop_reason_ = reason;
  return std::nullopt;
}

std::optional<TokenId> Generator::next() {
  if (stop_reason_ != StopReason::kRunning) return std::nullopt;
  if (chooser_.finished()) return stop(StopReason::kEndOfText);
  if (chooser_.full()) return stop(StopReason::kTokensMax);
  if (pending_ && !rest(GovernedWork::kToken)) return stop(StopReason::kCancelled);
  const Stopwatch watch;
  if (pending_) {
    if (session_.length() >= session_.context_tokens()) return stop(StopReason::kContextFull);
    logits_ = session_.append({&*pending_, 1});
    ++statistics_.decode_steps;
    ++statistics_.decode_tokens;
  }
  pending_ = chooser_.choose(logits_);
  statistics_.forced_tokens = chooser_.forced_count();
  statistics_.mask_seconds = chooser_.mask_seconds();
  statistics_.decode_seconds += watch.seconds();
  if (statistics_.decode_seconds + statistics_.rest_seconds >=
      energy_read_seconds_ + kEnergyReadSeconds) {
    read_energy();
  }
  if (!pending_) return stop(chooser_.reason());
  ++statistics_.generated_tokens;
  return pending_;
}

}  // namespace minim
