// Tokens from a session, one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/energy_meter.h"
#include "base/progress.h"
#include "runtime/generation_event.h"
#include "runtime/governor.h"
#include "runtime/session.h"
#include "runtime/token_chooser.h"
#include "text/tokenizer.h"

namespace minim {

class Generator {
 public:
  // Throws kInvalidArgument for options that make no sense, naming them.
  Generator(Session& session, std::shared_ptr<const Tokenizer> tokenizer,
            const GeneratorOptions& options);

  // Reads the prompt. REQUIRES: called once, before next(). Throws what Session::append() throws.
  void start(std::span<const TokenId> prompt, const ProgressSink& progress = {});

  // The next token, or nothing when generation has stopped; stop_reason() then says why. The last
  // token of a generation ends up in the session's cache only if another one follows.
  std::optional<TokenId> next();

  StopReason stop_reason() const { return stop_reason_; }
  const GenerationStatistics& statistics() const { return statistics_; }
  // Whether the text is one of its constraint; true without one.
  bool complete() const { return chooser_.complete(); }
  // Its log-probabilities are those of the last token.
  const Sampler& sampler() const { return chooser_.sampler(); }

 private:
  std::optional<TokenId> stop(StopReason reason);
  bool rest(GovernedWork work);
  void read_energy();

  Session& session_;
  TokenChooser chooser_;
  Governor* governor_;
  EnergyMeter* energy_;
  std::span<float> logits_;
  std::optional<TokenId> pending_;  // sampled, not yet in the cache
  StopReason stop_reason_ = StopReason::kRunning;
  GenerationStatistics statistics_;
  double joules_start_ = 0;
  double energy_read_seconds_ = 0;  // of decoding and rest, at the last look
};

}  // namespace minim
