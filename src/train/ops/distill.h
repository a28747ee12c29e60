// Losses of distillation over the fused head: a student learns the predictions of a teacher, of
// which either all are known, or the likeliest and what is left for the others together.
#pragma once

#include <cstdint>
#include <span>

#include "train/ops/head.h"

namespace minim::train {

// p: the teacher's prediction, q: the student's, both at the temperature.
enum class Divergence {
  kForward,        // KL(p | q) (Hinton et al., 2015)
  kReverse,        // KL(q | p) (Gu et al., 2023)
  kSkewed,         // KL(p | mix * p + (1 - mix) * q) (Ko et al., 2024)
  kJensenShannon,  // mix * KL(p | m) + (1 - mix) * KL(q | m), m = mix * p + (1 - mix) * q
                   // (Agarwal et al., 2023)
};

struct DistillOptions {
  HeadOptions head;
  Divergence divergence = Divergence::kForward;
  float mix = 0.1f;          // of kSkewed and kJensenShannon, in (0, 1)
  float temperature = 1.0f;  // divides both logits; the divergence is multiplied by its square
  float hard_weight = 0.5f;  // the loss is hard_weight * -log q1(target) at temperature 1 ...
                             // ... and (1 - hard_weight) * divergence
  float z_loss = 0.0f;
  int top_k = 0;  // of a teacher of whom all is known: its likeliest choices, the others as one
                  // more, the tail; 0: all
};

// A teacher of whom every logit is known: computed or read for the rows at hand.
class Teacher {
 public:
  virtual ~Teacher() = default;
  virtual int64_t vocabulary() const = 0;
  // logits: [rows.size(), vocabulary()], soft-capped as the teacher does.
  virtual void load_logits(Tape& tape, std::span<const int64_t> rows, MatrixView logits) const = 0;
};

// A live teacher: its hidden states of all tokens and its own head.
class LiveTeacher final : public Teacher {
 public:
  // REQUIRES: hidden.cols == head.cols; `hidden` outlives this.
  LiveTeacher(ConstMatrixView hidden, const Parameter& head, float soft_cap)
      : hidden_(hidden), head_(head), soft_cap_(soft_cap) {}
  int64_t vocabulary() const override { return head_.rows; }
  void load_logits(Tape& tape, std::span<const int64_t> rows, MatrixView logits) const override;

 private:
  ConstMatrixView hidden_;
  Parameter head_;
  float soft_cap_;
};

// Of each token the teacher's likeliest choices; what is left is one more choice, the tail.
struct TopPredictions {
  int count = 0;                         // choices a token
  std::span<const int32_t> ids;          // [tokens, count], distinct within a token
  std::span<const float> probabilities;  // [tokens, count], at the temperature; sum at most 1
};

// Throw kInvalidArgument for vocabularies, ids or options that do not fit.
HeadLoss distill(Tape& tape, const Variable& hidden, const Parameter& head, const Teacher& teacher,
                 std::span<const int32_t> targets, std::span<const float> weights,
                 const DistillOptions& options);
HeadLoss distill(Tape& tape, const Variable& hidden, const Parameter& head,
                 const TopPredictions& teacher, std::span<const int32_t> targets,
                 std::span<const float> weights, const DistillOptions& options);

// weight * mean over tokens and columns of (x projection^T - target)^2: hidden states of a student
// that follow a teacher's through a learned projection [teacher's dim, dim]. Tokens of weight 0 do
// not count. Returns the loss without `weight`; its gradients are added on the way back.
double match_hidden(Tape& tape, const Variable& x, const Parameter& projection,
                    ConstMatrixView target, std::span<const float> weights, float weight);

}  // namespace minim::train
