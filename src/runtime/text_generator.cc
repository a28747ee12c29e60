#include "runtime/text_generator.h"

#include <utility>

namespace minim {

TextGenerator::TextGenerator(Session& session, std::shared_ptr<const Tokenizer> tokenizer,
                             const TextGeneratorOptions& options)
    : generator_(session, tokenizer, options.generator),
      governor_(options.generator.governor),
      output_(std::move(tokenizer), options.stop_strings, options.decode) {}

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
  if (output_.stopped()) return done(StopReason::kStopString);
  if (cancelled_.load(std::memory_order_relaxed)) return done(StopReason::kCancelled);
  const auto token = generator_.next();
  if (!token) return done(generator_.stop_reason());
  GenerationEvent event;
  event.token = *token;
  event.text = output_.push(*token);
  event.logprob = generator_.sampler().chosen_logprob().logprob;
  event.top_logprobs = generator_.sampler().top_logprobs();
  return event;
}

GenerationEvent TextGenerator::done(StopReason reason) {
  done_ = true;
  GenerationEvent event;
  event.kind = GenerationEvent::Kind::kDone;
  if (!output_.stopped()) event.text = output_.finish();
  // The end of an unfinished character is U+FFFD, which may end a stop string too.
  if (const auto stop = output_.stopped()) {
    reason = StopReason::kStopString;
    event.stop_string = *stop;
  }
  event.reason = reason;
  return event;
}

}  // namespace minim
