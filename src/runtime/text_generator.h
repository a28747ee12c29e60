// Text from a session, as events: what a program that shows or sends it wants to know.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>

#include "runtime/generator.h"
#include "runtime/text_events.h"

namespace minim {

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
  TextEvents events_;
  std::atomic<bool> cancelled_{false};
  bool done_ = false;
};

}  // namespace minim
