// The head and the loss in one: the logits of some rows at a time, their losses, and what leads
// back, so that the logits of all tokens never exist at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "train/tape.h"

namespace minim::train {

struct HeadOptions {
  float soft_cap = 0.0f;  // of the logits; 0: none
  // What the gradients are of: this times the sum of weight * loss. Usually 1 / the weights of the
  // whole step, so that parts of it can be gone through one by one.
  float gradient_scale = 1.0f;
};

struct HeadLoss {
  double loss = 0;           // sum of weight * loss
  double weight = 0;         // sum of weights
  double cross_entropy = 0;  // sum of weight * -log p(target), without anything else
  HeadLoss& operator+=(const HeadLoss& other) {
    loss += other.loss;
    weight += other.weight;
    cross_entropy += other.cross_entropy;
    return *this;
  }
};

struct RowLoss {
  double loss = 0;
  double cross_entropy = 0;
};

// What a loss does with rows of logits.
class LossFunction {
 public:
  virtual ~LossFunction() = default;
  // Gets ready for rows `rows` of the step; called from one thread.
  virtual void prepare(Tape&, std::span<const int64_t> rows) { static_cast<void>(rows); }
  // The loss of rows[i], and its gradient in the place of the logits (soft-capped if there is a
  // cap). Called from any thread.
  virtual RowLoss evaluate(int64_t i, int64_t row, std::span<float> logits) const = 0;
};

// hidden: [tokens, dim], head: [vocabulary, dim]. Rows of weight 0 are left out. The gradients of
// the head are added at once, those of `hidden` handed over on the way back; without a recording
// tape there is the loss alone.
HeadLoss fused_head(Tape& tape, const Variable& hidden, const Parameter& head,
                    std::span<const float> weights, const HeadOptions& options,
                    LossFunction& function);

// The floats of logits that exist at once.
int64_t head_chunk_values(int64_t token_count, int64_t vocabulary);

struct CrossEntropyOptions {
  HeadOptions head;
  float z_loss = 0.0f;  // weight of log(sum of exponentials)^2 (Chowdhery et al., 2022)
};
// -log p(targets[t]) of every token.
HeadLoss cross_entropy(Tape& tape, const Variable& hidden, const Parameter& head,
                       std::span<const int32_t> targets, std::span<const float> weights,
                       const CrossEntropyOptions& options = {});

}  // namespace minim::train
