#include "train/ops/distill.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/kernel_table.h"
#include "tensor/ops.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

using kernels::KernelTable;

// Smallest probability that a logarithm is taken of.
constexpr double kLeast = 1e-30;

struct Slope {
  double loss;   // what this choice adds to the divergence
  double slope;  // of the whole divergence by q of this choice
};

// One choice of probability p for the teacher and q for the student.
Slope diverge(const DistillOptions& options, double p, double q, double log_p, double log_q) {
  const double mix = options.mix;
  switch (options.divergence) {
    case Divergence::kForward: return {p > 0 ? p * (log_p - log_q) : 0.0, -p / std::max(q, kLeast)};
    case Divergence::kReverse: return {q * (log_q - log_p), log_q - log_p + 1.0};
    case Divergence::kSkewed: {
      const double m = std::max(mix * p + (1.0 - mix) * q, kLeast);
      return {p > 0 ? p * (log_p - std::log(m)) : 0.0, -(1.0 - mix) * p / m};
    }
    case Divergence::kJensenShannon: {
      const double m = std::max(mix * p + (1.0 - mix) * q, kLeast);
      const double log_m = std::log(m);
      const double loss = (p > 0 ? mix * p * (log_p - log_m) : 0.0) +
                          (q > 0 ? (1.0 - mix) * q * (log_q - log_m) : 0.0);
      // d/dq of both: the terms through m add up to -(1 - mix).
      const double slope =
          -mix * (1.0 - mix) * p / m + (1.0 - mix) * (log_q - log_m + 1.0 - (1.0 - mix) * q / m);
      return {loss, slope};
    }
  }
  return {};
}

// What is common to both kinds of teacher: the student's side of a row.
class DistillLoss : public LossFunction {
 public:
  DistillLoss(const Context& context, std::span<const int32_t> targets,
              const DistillOptions& options)
      : kernels_(context.kernels), targets_(targets), options_(options) {}

  RowLoss evaluate(int64_t i, int64_t row, std::span<float> logits) const final {
    const auto count = static_cast<int64_t>(logits.size());
    const auto target = static_cast<size_t>(targets_[static_cast<size_t>(row)]);
    const double chosen = logits[target];
    const float maximum = kernels_.maximum(logits.data(), count);
    // The soft part first, in memory of its own; the hard one then takes the place of the logits.
    std::vector<float> soft(logits.begin(), logits.end());
    kernels_.scale(1.0f / options_.temperature, soft.data(), count);
    const float soft_maximum = maximum / options_.temperature;
    const float soft_sum = kernels_.training.softmax_numerators(soft_maximum, soft.data(), count);
    const double soft_log_sum = soft_maximum + std::log(static_cast<double>(soft_sum));
    kernels_.scale(1.0f / soft_sum, soft.data(), count);
    const double divergence = diverge_row(i, row, logits, soft_log_sum, soft);

    const float sum = kernels_.training.softmax_numerators(maximum, logits.data(), count);
    const double log_sum = maximum + std::log(static_cast<double>(sum));
    const double hard = options_.hard_weight;
    const double z = options_.z_loss;
    kernels_.scale(static_cast<float>((hard + 2.0 * z * log_sum) / sum), logits.data(), count);
    logits[target] -= options_.hard_weight;
    // d(T^2 * divergence) / d(logit) = T * d(divergence) / d(logit / T)
    const double soft_weight = (1.0 - hard) * options_.temperature;
    kernels_.training.add_scaled(static_cast<float>(soft_weight), soft.data(), logits.data(),
                                 count);
    const double cross_entropy = log_sum - chosen;
    const double loss = hard * cross_entropy + z * log_sum * log_sum +
                        soft_weight * options_.temperature * divergence;
    return {loss, cross_entropy};
  }

 protected:
  // q holds the student's prediction and gets the gradient by its logits, both at the temperature.
  // log q[i] = logits[i] / temperature - log_sum.
  virtual double diverge_row(int64_t i, int64_t row, std::span<const float> logits, double log_sum,
                             std::vector<float>& q) const = 0;

  // The same, where the teacher says `probabilities` of the choices `ids`, and of all others what
  // is left.
  double diverge_top(std::span<const int32_t> ids, std::span<const float> probabilities,
                     std::span<const float> logits, double log_sum, std::vector<float>& q) const {
    const size_t count = ids.size();
    const double inverse = 1.0 / options_.temperature;
    double loss = 0;
    double mean = 0;
    double p_left = 1.0;
    double q_left = 1.0;
    std::vector<double> slopes(count);
    for (size_t i = 0; i < count; ++i) {
      const auto id = static_cast<size_t>(ids[i]);
      const double p = probabilities[i];
      const Slope slope = diverge(options_, p, q[id], std::log(std::max(p, kLeast)),
                                  logits[id] * inverse - log_sum);
      loss += slope.loss;
      mean += slope.slope * q[id];
      slopes[i] = slope.slope;
      p_left -= p;
      q_left -= q[id];
    }
    p_left = std::max(p_left, 0.0);
    q_left = std::max(q_left, kLeast);
    const Slope tail =
        diverge(options_, p_left, q_left, std::log(std::max(p_left, kLeast)), std::log(q_left));
    loss += tail.loss;
    mean += tail.slope * q_left;
    std::vector<float> chosen(count);
    for (size_t i = 0; i < count; ++i) {
      chosen[i] = static_cast<float>((slopes[i] - mean) * q[static_cast<size_t>(ids[i])]);
    }
    kernels_.scale(static_cast<float>(tail.slope - mean), q.data(), static_cast<int64_t>(q.size()));
    for (size_t i = 0; i < count; ++i) q[static_cast<size_t>(ids[i])] = chosen[i];
    return loss;
  }

  const KernelTable& kernels_;
  std::span<const int32_t> targets_;
  const DistillOptions& options_;
};

class FullDistillLoss final : public DistillLoss {
 public:
  FullDistillLoss(const Context& context, const Teacher& teacher, std::span<const int32_t> targets,
                  const DistillOptions& options)
      : DistillLoss(context, targets, options), teacher_(teacher) {}

  void prepare(Tape& tape, std::span<const int64_t> rows) override {
    const auto count = static_cast<int64_t>(rows.size());
    const int64_t vocabulary = teacher_.vocabulary();
    if (logits_ == nullptr || logits_->count() < count * vocabulary) {
      logits_ = tape.scratch(count * vocabulary);
    }
    teacher_logits_ = {logits_->data(), count, vocabulary, vocabulary};
    teacher_.load_logits(tape, rows, teacher_logits_);
  }

 private:
  double diverge_row(int64_t i, int64_t, std::span<const float> logits, double log_sum,
                     std::vector<float>& q) const override {
    const auto count = static_cast<int64_t>(q.size());
    float* teacher = teacher_logits_.row(i);
    kernels_.scale(1.0f / options_.temperature, teacher, count);
    const float maximum = kernels_.maximum(teacher, count);
    const double teacher_log_sum =
        maximum + std::log(static_cast<double>(kernels_.exponential_sum(teacher, maximum, count)));
    if (options_.top_k > 0) return diverge_likeliest(teacher, teacher_log_sum, logits, log_sum, q);
    double loss = 0;
    double mean = 0;
    const double inverse = 1.0 / options_.temperature;
    for (size_t id = 0; id < q.size(); ++id) {
      const double log_p = teacher[id] - teacher_log_sum;
      const double log_q = logits[id] * inverse - log_sum;
      const Slope slope = diverge(options_, std::exp(log_p), q[id], log_p, log_q);
      loss += slope.loss;
      mean += slope.slope * q[id];
      teacher[id] = static_cast<float>(slope.slope * q[id]);
    }
    for (size_t id = 0; id < q.size(); ++id) {
      q[id] = static_cast<float>(teacher[id] - mean * q[id]);
    }
    return loss;
  }

  // teacher: logits at the temperature.
  double diverge_likeliest(const float* teacher, double teacher_log_sum,
                           std::span<const float> logits, double log_sum,
                           std::vector<float>& q) const {
    const auto count = static_cast<size_t>(options_.top_k);
    std::vector<int32_t> ids(q.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::nth_element(ids.begin(), ids.begin() + options_.top_k, ids.end(),
                     [&](int32_t a, int32_t b) {
                       return teacher[a] != teacher[b] ? teacher[a] > teacher[b] : a < b;
                     });
    ids.resize(count);
    std::sort(ids.begin(), ids.end());  // one order of sums, whatever selected them
    std::vector<float> probabilities(count);
    for (size_t i = 0; i < count; ++i) {
      probabilities[i] = static_cast<float>(std::exp(teacher[ids[i]] - teacher_log_sum));
    }
    return diverge_top(ids, probabilities, logits, log_sum, q);
  }

  const Teacher& teacher_;
  SharedBuffer logits_;
  MatrixView teacher_logits_;
};

class TopDistillLoss final : public DistillLoss {
 public:
  TopDistillLoss(const Context& context, const TopPredictions& teacher,
                 std::span<const int32_t> targets, const DistillOptions& options)
      : DistillLoss(context, targets, options), teacher_(teacher) {}

 private:
  double diverge_row(int64_t, int64_t row, std::span<const float> logits, double log_sum,
                     std::vector<float>& q) const override {
    const auto first = static_cast<size_t>(row * teacher_.count);
    const auto count = static_cast<size_t>(teacher_.count);
    return diverge_top(teacher_.ids.subspan(first, count),
                       teacher_.probabilities.subspan(first, count), logits, log_sum, q);
  }

  const TopPredictions& teacher_;
};

void check_options(const DistillOptions& options) {
  require_shape(options.temperature > 0.0f, "train: a temperature of {} is not positive",
                options.temperature);
  require_shape(options.mix > 0.0f && options.mix < 1.0f,
                "train: a mix of {}; must lie between 0 and 1", options.mix);
  require_shape(options.hard_weight >= 0.0f && options.hard_weight <= 1.0f,
                "train: a weight of hard labels of {}; must be 0 to 1", options.hard_weight);
}

void check_targets(const Variable& hidden, const Parameter& head,
                   std::span<const int32_t> targets) {
  require_shape(static_cast<int64_t>(targets.size()) == hidden.rows,
                "train: {} targets for {} tokens", targets.size(), hidden.rows);
  for (const int32_t target : targets) {
    require_shape(target >= 0 && target < head.rows,
                  "train: target {} is outside the vocabulary of {}", target, head.rows);
  }
}

}  // namespace

void LiveTeacher::load_logits(Tape& tape, std::span<const int64_t> rows, MatrixView logits) const {
  const SharedBuffer inputs = tape.scratch(logits.rows * hidden_.cols);
  const MatrixView view{inputs->data(), logits.rows, hidden_.cols, hidden_.cols};
  for (int64_t i = 0; i < logits.rows; ++i) {
    std::copy_n(hidden_.row(rows[static_cast<size_t>(i)]), hidden_.cols, view.row(i));
  }
  gemm(tape.context(), view, head_.view(), logits,
       {.transpose_b = true, .precision = tape.options().precision});
  if (soft_cap_ > 0.0f) minim::soft_cap(tape.context(), soft_cap_, logits);
}

HeadLoss distill(Tape& tape, const Variable& hidden, const Parameter& head, const Teacher& teacher,
                 std::span<const int32_t> targets, std::span<const float> weights,
                 const DistillOptions& options) {
  check_options(options);
  check_targets(hidden, head, targets);
  require_shape(teacher.vocabulary() == head.rows,
                "train: a teacher of {} tokens for a student of {}", teacher.vocabulary(),
                head.rows);
  require_shape(options.top_k >= 0 && options.top_k < head.rows,
                "train: a teacher's {} likeliest of {} tokens", options.top_k, head.rows);
  FullDistillLoss function(tape.context(), teacher, targets, options);
  return fused_head(tape, hidden, head, weights, options.head, function);
}

HeadLoss distill(Tape& tape, const Variable& hidden, const Parameter& head,
                 const TopPredictions& teacher, std::span<const int32_t> targets,
                 std::span<const float> weights, const DistillOptions& options) {
  check_options(options);
  check_targets(hidden, head, targets);
  const auto wanted = static_cast<size_t>(hidden.rows * teacher.count);
  require_shape(teacher.count > 0 && teacher.count < head.rows && teacher.ids.size() == wanted &&
                    teacher.probabilities.size() == wanted,
                "train: {} predictions of {} choices for {} tokens", teacher.ids.size(),
                teacher.count, hidden.rows);
  for (const int32_t id : teacher.ids) {
    require_shape(id >= 0 && id < head.rows, "train: the teacher predicts token {} of {}", id,
                  head.rows);
  }
  TopDistillLoss function(tape.context(), teacher, targets, options);
  return fused_head(tape, hidden, head, weights, options.head, function);
}

double match_hidden(Tape& tape, const Variable& x, const Parameter& projection,
                    ConstMatrixView target, std::span<const float> weights, float weight) {
  require_shape(projection.cols == x.cols && projection.rows == target.cols &&
                    target.rows == x.rows && static_cast<int64_t>(weights.size()) == x.rows,
                "train: hidden states [{}, {}] by a projection [{}, {}] for [{}, {}]", x.rows,
                x.cols, projection.rows, projection.cols, target.rows, target.cols);
  const Variable found = linear(tape, x, projection);
  double loss = 0;
  tape.compute([&] {
    double counted = 0;
    for (const float each : weights) counted += each != 0.0f ? 1.0 : 0.0;
    const double scale = counted > 0 ? 1.0 / (counted * static_cast<double>(target.cols)) : 0.0;
    for (int64_t t = 0; t < x.rows; ++t) {
      float* row = found.view().row(t);
      const bool counts = weights[static_cast<size_t>(t)] != 0.0f;
      for (int64_t col = 0; col < target.cols; ++col) {
        const float apart = counts ? row[col] - target.row(t)[col] : 0.0f;
        loss += scale * double{apart} * apart;
        row[col] = static_cast<float>(2.0 * scale * weight) * apart;
      }
    }
  });
  // What was the projected state is now its gradient.
  if (found.gradient != nullptr) found.gradient->add(tape, found.buffer);
  return loss;
}

}  // namespace minim::train
