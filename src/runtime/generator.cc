#include "runtime/generator.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

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

void Generator::start(std::span<const TokenId> prompt, const ProgressSink& progress) {
  const Stopwatch watch;
  logits_ = session_.append(prompt, progress);
  sampler_.start(session_.tokens());
  statistics_.prompt_tokens = static_cast<int64_t>(prompt.size());
  statistics_.prompt_seconds = watch.seconds();
}

std::optional<TokenId> Generator::stop(StopReason reason) {
  stop_reason_ = reason;
  return std::nullopt;
}

std::optional<TokenId> Generator::next() {
  if (stop_reason_ != StopReason::kRunning) return std::nullopt;
  if (options_.tokens_max >= 0 && statistics_.generated_tokens >= options_.tokens_max) {
    return stop(StopReason::kTokensMax);
  }
  const Stopwatch watch;
  if (pending_) {
    if (session_.length() >= session_.context_tokens()) return stop(StopReason::kContextFull);
    logits_ = session_.append({&*pending_, 1});
    ++statistics_.decode_steps;
  }
  MINIM_CHECK(!logits_.empty());
  pending_ = sampler_.sample(logits_);
  statistics_.decode_seconds += watch.seconds();
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
