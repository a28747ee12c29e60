#include "runtime/generator.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"

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

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kRunning: return "running";
    case StopReason::kEndOfText: return "end of text";
    case StopReason::kTokensMax: return "length";
    case StopReason::kContextFull: return "context full";
    case StopReason::kStopToken: return "stop token";
    case StopReason::kStopString: return "stop string";
    case StopReason::kCancelled: return "cancelled";
  }
  return "unknown";
}

Generator::Generator(Session& session, std::shared_ptr<const Tokenizer> tokenizer,
                     const GeneratorOptions& options)
    : session_(session),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      sampler_(session.context(), options.sampler, tokenizer_) {
  for (const TokenId token : options_.stop_tokens) {
    if (token >= 0 && token < tokenizer_->size()) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("generator: stop token {} is not in the vocabulary of {}", token,
                            tokenizer_->size()));
  }
}

std::optional<double> GenerationStatistics::joules_per_token() const {
  const int64_t tokens = prompt_tokens + generated_tokens;
  if (!energy || tokens <= 0) return std::nullopt;
  return energy->joules / static_cast<double>(tokens);
}

void Generator::start(std::span<const TokenId> prompt, const ProgressSink& progress) {
  if (options_.energy != nullptr) joules_start_ = options_.energy->read().joules;
  if (options_.governor != nullptr) options_.governor->begin_work();
  const Stopwatch watch;
  logits_ = session_.append(prompt, [&](const Progress& step) {
    if (progress && !progress(step)) return false;
    rest(GovernedWork::kPromptBatch);  // an interrupted rest is no end: whoever interrupts says so
                                       // through `progress`
    return true;
  });
  sampler_.start(session_.tokens());
  statistics_.prompt_tokens = static_cast<int64_t>(prompt.size());
  statistics_.prompt_seconds = watch.seconds();
  read_energy();
}

// What a governor asks for before the next piece of work. False where it was interrupted.
bool Generator::rest(GovernedWork work) {
  if (options_.governor == nullptr) return true;
  const Stopwatch watch;
  const bool goes_on = options_.governor->pause_before_next(work);
  statistics_.rest_seconds += watch.seconds();
  return goes_on;
}

void Generator::read_energy() {
  if (options_.energy == nullptr) return;
  Energy energy = options_.energy->read();
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
  if (options_.tokens_max >= 0 && statistics_.generated_tokens >= options_.tokens_max) {
    return stop(StopReason::kTokensMax);
  }
  if (pending_ && !rest(GovernedWork::kToken)) return stop(StopReason::kCancelled);
  const Stopwatch watch;
  if (pending_) {
    if (session_.length() >= session_.context_tokens()) return stop(StopReason::kContextFull);
    logits_ = session_.append({&*pending_, 1});
    ++statistics_.decode_steps;
  }
  MINIM_CHECK(!logits_.empty());
  pending_ = sampler_.sample(logits_);
  statistics_.decode_seconds += watch.seconds();
  if (statistics_.decode_seconds + statistics_.rest_seconds >=
      energy_read_seconds_ + kEnergyReadSeconds) {
    read_energy();
  }
  if (tokenizer_->ends_generation(*pending_)) return stop(StopReason::kEndOfText);
  const auto& stops = options_.stop_tokens;
  if (std::find(stops.begin(), stops.end(), *pending_) != stops.end()) {
    return stop(StopReason::kStopToken);
  }
  sampler_.accept(*pending_);
  ++statistics_.generated_tokens;
  return pending_;
}

}  // namespace minim
