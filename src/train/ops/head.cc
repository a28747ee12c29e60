#include "train/ops/head.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernel_table.h"
#include "tensor/ops.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"

namespace minim::train {
namespace {

constexpr int64_t kChunkValues = int64_t{4} << 20;  // of logits: 16 MiB
constexpr int64_t kChunkRowsMin = 256;              // below, packing the head costs too much

int64_t chunk_rows(int64_t token_count, int64_t vocabulary) {
  return std::min(token_count, std::max(kChunkRowsMin, kChunkValues / vocabulary));
}

class FusedHead {
 public:
  FusedHead(Tape& tape, const Variable& hidden, const Parameter& head,
            std::span<const float> weights, const HeadOptions& options, LossFunction& function)
      : tape_(tape),
        context_(tape.context()),
        hidden_(hidden),
        head_(head),
        weights_(weights),
        options_(options),
        function_(function),
        chunk_rows_(chunk_rows(hidden.rows, head.rows)) {
    inputs_ = tape.scratch(chunk_rows_ * hidden.cols);
    logits_ = tape.scratch(chunk_rows_ * head.rows);
    if (!tape.records()) return;
    if (hidden.gradient != nullptr) gradient_ = tape.scratch(hidden.rows * hidden.cols);
    outputs_ = tape.scratch(chunk_rows_ * hidden.cols);
  }

  HeadLoss run() {
    if (gradient_ != nullptr) {
      std::fill_n(gradient_->data(), hidden_.rows * hidden_.cols, 0.0f);
    }
    std::vector<int64_t> rows;
    for (int64_t row = 0; row < hidden_.rows; ++row) {
      if (weights_[static_cast<size_t>(row)] != 0.0f) rows.push_back(row);
      if (static_cast<int64_t>(rows.size()) == chunk_rows_ ||
          (row + 1 == hidden_.rows && !rows.empty())) {
        run_chunk(rows);
        rows.clear();
      }
    }
    return total_;
  }

  const SharedBuffer& gradient() const { return gradient_; }

 private:
  void run_chunk(std::span<const int64_t> rows) {
    const auto count = static_cast<int64_t>(rows.size());
    const GemmPrecision precision = tape_.options().precision;
    const MatrixView inputs{inputs_->data(), count, hidden_.cols, hidden_.cols};
    const MatrixView logits{logits_->data(), count, head_.rows, head_.rows};
    context_.threads.run_ranges(count, 32, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::copy_n(hidden_.view().row(rows[static_cast<size_t>(i)]), hidden_.cols, inputs.row(i));
      }
    });
    function_.prepare(tape_, rows);
    gemm(context_, inputs, head_.view(), logits, {.transpose_b = true, .precision = precision});
    evaluate(rows, logits);
    if (!tape_.records()) return;
    if (head_.trains) {
      gemm(context_, logits, inputs, head_.gradient_view(),
           {.transpose_a = true, .accumulate = true, .precision = precision});
    }
    if (gradient_ == nullptr) return;
    const MatrixView outputs{outputs_->data(), count, hidden_.cols, hidden_.cols};
    gemm(context_, logits, head_.view(), outputs, {.precision = precision});
    context_.threads.run_ranges(count, 32, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float* to = gradient_->data() + rows[static_cast<size_t>(i)] * hidden_.cols;
        std::copy_n(outputs.row(i), hidden_.cols, to);
      }
    });
  }

  // Losses of the rows, summed in their order; logits become gradients.
  void evaluate(std::span<const int64_t> rows, MatrixView logits) {
    std::vector<RowLoss> losses(rows.size());
    context_.threads.run_ranges(logits.rows, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        losses[static_cast<size_t>(i)] = evaluate_row(i, rows[static_cast<size_t>(i)], logits);
      }
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      const double weight = weights_[static_cast<size_t>(rows[i])];
      total_.loss += weight * losses[i].loss;
      total_.cross_entropy += weight * losses[i].cross_entropy;
      total_.weight += weight;
    }
  }

  RowLoss evaluate_row(int64_t i, int64_t row, MatrixView logits) const {
    float* values = logits.row(i);
    float* capped = nullptr;
    if (options_.soft_cap > 0.0f) {
      context_.kernels.soft_cap(options_.soft_cap, values, logits.cols);
      capped = task_scratch().floats(static_cast<size_t>(logits.cols));
      std::copy_n(values, logits.cols, capped);
    }
    const RowLoss loss = function_.evaluate(i, row, {values, static_cast<size_t>(logits.cols)});
    if (!tape_.records()) return loss;
    const float weight = weights_[static_cast<size_t>(row)] * options_.gradient_scale;
    context_.kernels.scale(weight, values, logits.cols);
    if (capped != nullptr) {
      context_.kernels.training.soft_cap_gradient(options_.soft_cap, capped, values, logits.cols);
    }
    return loss;
  }

  Tape& tape_;
  const Context& context_;
  const Variable& hidden_;
  const Parameter& head_;
  std::span<const float> weights_;
  HeadOptions options_;
  LossFunction& function_;
  int64_t chunk_rows_;
  SharedBuffer inputs_;    // [chunk, dim]: the rows that count
  SharedBuffer logits_;    // [chunk, vocabulary]
  SharedBuffer outputs_;   // [chunk, dim]: gradients of inputs_
  SharedBuffer gradient_;  // [tokens, dim]
  HeadLoss total_;
};

class CrossEntropy final : public LossFunction {
 public:
  CrossEntropy(const Context& context, std::span<const int32_t> targets, float z_loss)
      : kernels_(context.kernels), targets_(targets), z_loss_(z_loss) {}

  RowLoss evaluate(int64_t, int64_t row, std::span<float> logits) const override {
    const auto count = static_cast<int64_t>(logits.size());
    const auto target = static_cast<size_t>(targets_[static_cast<size_t>(row)]);
    const float maximum = kernels_.maximum(logits.data(), count);
    const double chosen = logits[target];
    const float sum = kernels_.training.softmax_numerators(maximum, logits.data(), count);
    const double log_sum = maximum + std::log(static_cast<double>(sum));
    const double z = z_loss_;
    kernels_.scale(static_cast<float>((1.0 + 2.0 * z * log_sum) / sum), logits.data(), count);
    logits[target] -= 1.0f;
    const double loss = log_sum - chosen;
    return {loss + z * log_sum * log_sum, loss};
  }

 private:
  const kernels::KernelTable& kernels_;
  std::span<const int32_t> targets_;
  float z_loss_;
};

}  // namespace

int64_t head_chunk_values(int64_t token_count, int64_t vocabulary) {
  return chunk_rows(token_count, vocabulary) * vocabulary;
}

HeadLoss fused_head(Tape& tape, const Variable& hidden, const Parameter& head,
                    std::span<const float> weights, const HeadOptions& options,
                    LossFunction& function) {
  require_shape(hidden.cols == head.cols && static_cast<int64_t>(weights.size()) == hidden.rows,
                "train: a head of {} columns and {} weights for [{}, {}]", head.cols,
                weights.size(), hidden.rows, hidden.cols);
  HeadLoss loss;
  SharedBuffer gradient;
  {
    FusedHead pass(tape, hidden, head, weights, options, function);
    tape.compute([&] { loss = pass.run(); });
    gradient = pass.gradient();
  }
  if (gradient != nullptr) {
    tape.record([to = hidden.gradient, gradient](Tape& back) { to->add(back, gradient); });
  }
  return loss;
}

HeadLoss cross_entropy(Tape& tape, const Variable& hidden, const Parameter& head,
                       std::span<const int32_t> targets, std::span<const float> weights,
                       const CrossEntropyOptions& options) {
  require_shape(static_cast<int64_t>(targets.size()) == hidden.rows,
                "train: {} targets for {} tokens", targets.size(), hidden.rows);
  for (const int32_t target : targets) {
    require_shape(target >= 0 && target < head.rows,
                  "train: target {} is outside the vocabulary "
                  "of {}",
                  target, head.rows);
  }
  CrossEntropy function(tape.context(), targets, options.z_loss);
  return fused_head(tape, hidden, head, weights, options.head, function);
}

}  // namespace minim::train
