// Text from a session, as events: what a program that shows or sends it wants to know.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/generator.h"
#include "runtime/text_output.h"

namespace minim {

struct TextGeneratorOptions {
  GeneratorOptions generator;
  std::vector<std::string> stop_strings;  // the text ends before the first of them
  DecodeOptions decode;
};

struct GenerationEvent {
  enum class Kind { kToken, kDone };
  Kind kind = Kind::kToken;

  // Valid UTF-8. With kToken what this token made certain: empty while a character or what may be a
  // stop string is not complete. With kDone what was held back and is text after all.
  std::string text;

  // With kToken. Log-probabilities as asked for by SamplerOptions::logprobs, valid until the next
  // event.
  TokenId token = -1;
  float logprob = 0;
  std::span<const TokenLogprob> top_logprobs;

  // With kDone.
  StopReason reason = StopReason::kRunning;
  std::string stop_string;  // with kStopString: which
};

// Tokens that end a text (the model's, the caller's) make no kToken event; the token that completes
// a stop string does.
class TextGenerator {
 public:
  TextGenerator(Session& session, std::shared_ptr<const Tokenizer> tokenizer,
                const TextGeneratorOptions& options);

  // Reads the prompt. REQUIRES: called once, before next(). Throws what Session::append() throws,
  // and kCancelled after cancel().
  void start(std::span<const TokenId> prompt, const ProgressSink& progress = {});

  // The next event; nothing after kDone.
  std::optional<GenerationEvent> next();

  // From any thread: the prompt is read no further, and the next event is kDone with kCancelled.
  void cancel();

  const GenerationStatistics& statistics() const { return generator_.statistics(); }

 private:
  GenerationEvent done(StopReason reason);

  Generator generator_;
  Governor* governor_;
  TextOutput output_;
  std::atomic<bool> cancelled_{false};
  bool done_ = false;
};

}  // namespace minim
