// Steps that leave out what is improbable: top-k, top-p, min-p, top-n-sigma, locally typical.
#include <cmath>

#include "runtime/sampling/step.h"

namespace minim {
namespace {

class TopK : public SamplingStep {
 public:
  explicit TopK(int count) : count_(count) {}
  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    candidates.keep_best(count_);
  }

 private:
  int count_;
};

class TopP : public SamplingStep {
 public:
  explicit TopP(float share) : share_(share) {}
  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    candidates.keep_probable(double{share_});
  }

 private:
  float share_;
};

// p >= share * p_best, which is a bound on the logit.
class MinP : public SamplingStep {
 public:
  explicit MinP(float share) : log_share_(std::log(share)) {}
  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    candidates.keep_from(candidates.best_logit() + log_share_);
  }

 private:
  float log_share_;
};

class TopNSigma : public SamplingStep {
 public:
  explicit TopNSigma(float sigmas) : sigmas_(sigmas) {}
  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    const double gap = double{sigmas_} * candidates.deviation();
    candidates.keep_from(static_cast<float>(double{candidates.best_logit()} - gap));
  }

 private:
  float sigmas_;
};

// By how far a token's surprise, -ln p, is from the expected one, the entropy.
class Typical : public SamplingStep {
 public:
  explicit Typical(float share) : share_(share) {}
  void apply(Candidates& candidates, const TokenHistory&, Rng&) override {
    candidates.keep_nearest(double{share_}, -candidates.entropy());
  }

 private:
  float share_;
};

}  // namespace

SamplingStepPtr make_top_k(int count) {
  return count > 0 ? std::make_unique<TopK>(count) : nullptr;
}
SamplingStepPtr make_top_p(float share) {
  return share < 1 ? std::make_unique<TopP>(share) : nullptr;
}
SamplingStepPtr make_min_p(float share) {
  return share > 0 ? std::make_unique<MinP>(share) : nullptr;
}
SamplingStepPtr make_top_n_sigma(float sigmas) {
  return sigmas > 0 ? std::make_unique<TopNSigma>(sigmas) : nullptr;
}
SamplingStepPtr make_typical(float share) {
  return share < 1 ? std::make_unique<Typical>(share) : nullptr;
}

}  // namespace minim
