// The operations that trained graphs are composed of, each in a file of its own with its way back.
// They read variables and parameters and give a new variable; gradients of parameters are added to.
// Spans and tables that an operation takes must outlive the tape. Shapes that do not fit throw
// kInvalidArgument.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/ops.h"
#include "train/tape.h"
#include "train/token_layout.h"

namespace minim::train {

// out[t] = scale * table[ids[t]]. Throws kInvalidArgument for ids outside the table.
Variable embed(Tape& tape, const Parameter& table, std::span<const int32_t> ids, float scale);

// x W^T + bias; bias: [1, rows of W] or null.
Variable linear(Tape& tape, const Variable& x, const Parameter& weight,
                const Parameter* bias = nullptr);

// Columns [begin, begin + count) of x, copied.
Variable slice_columns(Tape& tape, const Variable& x, int64_t begin, int64_t count);

Variable rms_norm(Tape& tape, const Variable& x, const Parameter& weight, float epsilon);
// Over each group of weight.cols columns: norms of the heads of queries and keys.
Variable rms_norm_heads(Tape& tape, const Variable& x, const Parameter& weight, float epsilon);
Variable layer_norm(Tape& tape, const Variable& x, const Parameter& weight, const Parameter& bias,
                    float epsilon);

// Rotates x itself: what made x must not need its value, and nothing else may read x.
Variable rope(Tape& tape, const Variable& x, const RopeTable& table,
              std::span<const int32_t> positions, int head_dim);

struct AttentionShape {
  int head_count = 0;  // of queries; a multiple of kv_head_count
  int kv_head_count = 0;
  int head_dim = 0;
  float scale = 1.0f;
  float soft_cap = 0.0f;  // of the scores; 0: none
  int window = 0;         // tokens seen, the current one included; 0: all
};
// Causal attention within each document. query: [tokens, heads * head_dim], key and value:
// [tokens, kv_heads * head_dim]. Scores exist for one block of queries and keys at a time; for the
// way back only the logarithm of each query's sum of exponentials is kept (Dao et al., 2022).
Variable attention(Tape& tape, const Variable& query, const Variable& key, const Variable& value,
                   const AttentionShape& shape, std::span<const Segment> segments);

// f(x), and f(gate) * up.
Variable activate(Tape& tape, Activation activation, const Variable& x);
Variable gated_activate(Tape& tape, Activation activation, const Variable& gate,
                        const Variable& up);

// cap * tanh(x / cap)
Variable soft_cap(Tape& tape, const Variable& x, float cap);

Variable add(Tape& tape, const Variable& x, const Variable& y);

// Sets values to 0 with probability `rate` and scales the others by 1 / (1 - rate). Which values
// those are depends on the tape's seed, `site` and their place alone: nothing is stored, and a
// second pass drops the same. No effect where the tape does not drop.
Variable dropout(Tape& tape, const Variable& x, float rate, uint64_t site);

// A mixture of experts: each token goes to the `used_count` experts that its router prefers, and
// gets the sum of their outputs, weighted by the router's probabilities (Shazeer et al., 2017).
struct ExpertParameters {
  Parameter router;  // [experts, dim]
  Parameter gate;    // [experts * ffn_dim, dim], expert after expert
  Parameter up;      // likewise
  Parameter down;    // [experts * dim, ffn_dim]
};
struct ExpertOptions {
  int expert_count = 0;
  int used_count = 0;
  bool normalize_weights = true;  // the weights of the chosen sum to 1 ...
  float weights_scale = 1.0f;     // ... and are then multiplied by this
  Activation activation = Activation::kSilu;
  // Of the balance loss experts * sum over e of share(e) * mean probability(e) (Fedus et al.,
  // 2021), as it enters the loss that the head's gradients belong to; 0: none.
  float balance_weight = 0.0f;
};
Variable experts(Tape& tape, const Variable& x, const ExpertParameters& parameters,
                 const ExpertOptions& options);

}  // namespace minim::train
