#include "runtime/text_generator.h"

#include <utility>

namespace minim {

TextGenerator::TextGenerator(Session& session, std::shared_ptr<const Tokenizer> tokenizer,
                             const TextGeneratorOptions& options)
    : generator_(session, tokenizer, options.generator),
      governor_(options.generator.governor),
      events_(std::move(tokenizer), options) {}

void TextGenerator::start(std::span<const TokenId> prompt, const ProgressSink& progress) {
  generator_.start(prompt, [&](const Progress& step) {
    return !cancelled_.load(std::memory_order_relaxed) && (!progress || progress(step));
  });
}

void TextGenerator::cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  if (governor_ != nullptr) governor_->interrupt();
}

std::optional<GenerationEvent> TextGenerator::next() {
  if (done_) return std::nullopt;
  if (events_.stopped()) return done(StopReason::kStopString);
  if (cancelled_.load(std::memory_order_relaxed)) return done(StopReason::kCancelled);
  const auto token = generator_.next();
  if (!token) return done(generator_.stop_reason());
  return events_.token(*token, generator_.sampler());
}

GenerationEvent TextGenerator::done(StopReason reason) {
  done_ = true;
  return events_.done(reason, generator_.complete());
}

}  // namespace minim
