// From logits to the tokens of a text, and when it ends: a sampler and the caller's limits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/generation_event.h"
#include "runtime/sampler.h"
#include "text/tokenizer.h"

namespace minim {

class EnergyMeter;
class Governor;

struct GeneratorOptions {
  SamplerOptions sampler;
  int64_t tokens_max = -1;  // generate at most this many; -1: until the model or the context ends
  std::vector<TokenId> stop_tokens;  // these end the text as the model's own end does
  // For a Generator, which asks it before each token, and after each batch of the prompt; must
  // outlive the generator and govern the threads of the session's context. Null: full speed.
  Governor* governor = nullptr;
  // Likewise; null: the energy is not told.
  EnergyMeter* energy = nullptr;
};

class TokenChooser {
 public:
  // Throws kInvalidArgument for options that make no sense, naming them.
  TokenChooser(const Context& context, std::shared_ptr<const Tokenizer> tokenizer,
               const GeneratorOptions& options);

  // What the first token follows. REQUIRES: called once, before choose().
  void start(std::span<const TokenId> tokens) { sampler_.start(tokens); }

  // The token after those logits, or nothing where the text ends; reason() then says why. Throws
  // what Sampler::sample() throws. REQUIRES: !full().
  std::optional<TokenId> choose(std::span<const float> logits);

  // Whether there are as many tokens as were asked for.
  bool full() const { return options_.tokens_max >= 0 && count_ >= options_.tokens_max; }
  int64_t count() const { return count_; }
  StopReason reason() const { return reason_; }
  const GeneratorOptions& options() const { return options_; }
  // Its log-probabilities are those of the last token.
  const Sampler& sampler() const { return sampler_; }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  GeneratorOptions options_;
  Sampler sampler_;
  int64_t count_ = 0;
  StopReason reason_ = StopReason::kRunning;
};

}  // namespace minim
