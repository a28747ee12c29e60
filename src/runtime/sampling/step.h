// One step of a sampler: it changes logits or leaves out candidates.
#pragma once

#include <memory>

#include "base/rng.h"
#include "runtime/sampler.h"
#include "runtime/sampling/candidates.h"
#include "runtime/sampling/token_history.h"

namespace minim {

class SamplingStep {
 public:
  virtual ~SamplingStep() = default;

  // At least one candidate must stay. `rng` stands for the place in the text.
  virtual void apply(Candidates& candidates, const TokenHistory& history, Rng& rng) = 0;

  // What was drawn after all steps, and that it was accepted.
  virtual void drawn(const Draw&) {}
  virtual void accept(TokenId) {}
};

using SamplingStepPtr = std::unique_ptr<SamplingStep>;

// Each from its options, which have been checked; null where these switch it off.
SamplingStepPtr make_penalties(const PenaltyOptions& options);
// REQUIRES: a tokenizer, unless there are no breakers.
SamplingStepPtr make_dry(const DryOptions& options, std::shared_ptr<const Tokenizer> tokenizer);
SamplingStepPtr make_top_n_sigma(float sigmas);
SamplingStepPtr make_top_k(int count);
SamplingStepPtr make_typical(float share);
SamplingStepPtr make_top_p(float share);
SamplingStepPtr make_min_p(float share);
SamplingStepPtr make_xtc(const XtcOptions& options);
SamplingStepPtr make_temperature(const SamplerOptions& options);
SamplingStepPtr make_mirostat(const MirostatOptions& options);

// The steps that `options` ask for, in order. Throws kInvalidArgument for an order that makes no
// sense. `tokenizer` may be null where no step needs it.
std::vector<SamplingStepPtr> make_steps(const SamplerOptions& options,
                                        const std::shared_ptr<const Tokenizer>& tokenizer);

}  // namespace minim
