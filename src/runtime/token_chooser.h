// From logits to the tokens of a text, and when it ends: a sampler and the caller's limits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/generation_event.h"
#include "runtime/sampler.h"
#include "text/grammar/constraint.h"
#include "text/tokenizer.h"

namespace minim {

class EnergyMeter;
class Governor;

struct GeneratorOptions {
  SamplerOptions sampler;
  int64_t tokens_max = -1;  // generate at most this many; -1: until the model or the context ends
  std::vector<TokenId> stop_tokens;  // these end the text as the model's own end does
  // What the text must follow, from where this stands; copied, so that several may share one. It
  // must be of the generator's tokenizer. Null: any text. Log-probabilities stay those of the
  // model's own distribution.
  std::shared_ptr<const Constraint> constraint;
  // Whether tokens that the constraint leaves no choice in are computed together. They are the same
  // tokens otherwise; with log-probabilities, which need every token's logits, they never are.
  bool fast_forward = true;
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
  // what Sampler::sample() and Constraint::allowed() throw. REQUIRES: !full().
  std::optional<TokenId> choose(std::span<const float> logits);
  // The token that follows the last one whatever the logits are; nothing where they matter, and
  // where there are as many tokens as were asked for.
  std::optional<TokenId> take_forced();

  // Whether there are as many tokens as were asked for.
  bool full() const { return options_.tokens_max >= 0 && count_ >= options_.tokens_max; }
  int64_t count() const { return count_; }
  // Whether the constraint allows nothing more but the end.
  bool finished() const { return constraint_ && constraint_->is_finished(); }
  // Whether what was said is a text of the constraint; true without one.
  bool complete() const { return !constraint_ || constraint_->is_complete(); }
  int64_t forced_count() const { return forced_count_; }
  double mask_seconds() const { return mask_seconds_; }
  StopReason reason() const { return reason_; }
  const GeneratorOptions& options() const { return options_; }
  // Its log-probabilities are those of the last token.
  const Sampler& sampler() const { return sampler_; }

 private:
  TokenId pick(std::span<const float> logits);
  void take(TokenId token);
  void find_forced();
  bool has_forced() const { return forced_next_ < forced_.size(); }

  std::shared_ptr<const Tokenizer> tokenizer_;
  GeneratorOptions options_;
  std::optional<Constraint> constraint_;
  std::vector<uint64_t> mask_;
  std::vector<TokenId> forced_;  // that the constraint leaves no choice in, from forced_next_ on
  size_t forced_next_ = 0;
  int64_t forced_count_ = 0;
  double mask_seconds_ = 0;
  Sampler sampler_;
  int64_t count_ = 0;
  StopReason reason_ = StopReason::kRunning;
};

}  // namespace minim
