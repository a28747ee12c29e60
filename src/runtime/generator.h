// Tokens from a session, one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/energy_meter.h"
#include "base/progress.h"
#include "runtime/governor.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "text/tokenizer.h"

namespace minim {

struct GeneratorOptions {
  SamplerOptions sampler;
  int64_t tokens_max = -1;  // generate at most this many; -1: until the model or the context ends
  std::vector<TokenId> stop_tokens;  // these end the text as the model's own end does
  // Asked before each token, and after each batch of the prompt; must outlive the generator and
  // govern the threads of the session's context. Null: full speed.
  Governor* governor = nullptr;
  EnergyMeter* energy = nullptr;  // must outlive the generator; null: the energy is not told
};

enum class StopReason {
  kRunning,
  kEndOfText,    // the model ended the text
  kTokensMax,    // as many tokens as were asked for
  kContextFull,  // as many as fit
  kStopToken,    // one of the caller's
  kStopString,
  kCancelled,
};
// "running", "end of text", "length", "context full", "stop token", "stop string", "cancelled"
const char* stop_reason_name(StopReason reason);

struct GenerationStatistics {
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  double prompt_seconds = 0;  // reading the prompt: the time to the first token
  int64_t decode_steps = 0;   // forward passes after the prompt's
  double decode_seconds = 0;  // sampling included, rests of a governor not
  double rest_seconds = 0;    // that a governor asked for
  // Of everything since start(), where an EnergyMeter was given.
  std::optional<Energy> energy;

  // Joules for each token that was read or generated; nothing where the energy is not known.
  std::optional<double> joules_per_token() const;
};

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
  // Its log-probabilities are those of the last token.
  const Sampler& sampler() const { return sampler_; }

 private:
  std::optional<TokenId> stop(StopReason reason);
  bool rest(GovernedWork work);
  void read_energy();

  Session& session_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  GeneratorOptions options_;
  Sampler sampler_;
  std::span<float> logits_;
  std::optional<TokenId> pending_;  // sampled, not yet in the cache
  StopReason stop_reason_ = StopReason::kRunning;
  GenerationStatistics statistics_;
  double joules_start_ = 0;
  double energy_read_seconds_ = 0;  // of decoding and rest, at the last look
};

}  // namespace minim
