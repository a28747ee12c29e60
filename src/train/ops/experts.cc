#include <algorithm>
#include <array>
#include <vector>

#include "kernels/kernel_table.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kRowsPerTask = 16;

// Who goes where. A choice is (token, rank); choices are grouped by expert, tokens in order.
struct Routing {
  std::vector<int32_t> chosen;       // [tokens * used]: experts, best first
  std::vector<float> weights;        // [tokens * used]
  std::vector<int32_t> order;        // [tokens * used]: choices by expert
  std::vector<int64_t> group_begin;  // [experts + 1]
};

// Of the forward pass, for the way back.
struct Record {
  Variable x;
  ExpertParameters parameters;
  ExpertOptions options;
  GemmPrecision precision;
  Routing routing;
  SharedBuffer probabilities;  // [tokens, experts]
  SharedBuffer inputs;         // [choices, dim]: in the order of routing.order, as all below
  SharedBuffer gate;           // [choices, ffn]
  SharedBuffer up;             // [choices, ffn]
  SharedBuffer hidden;         // [choices, ffn]
  SharedBuffer outputs;        // [choices, dim], not yet weighted

  int64_t tokens() const { return x.rows; }
  int64_t dim() const { return x.cols; }
  int64_t choices() const { return x.rows * options.used_count; }
  int64_t ffn_dim() const { return parameters.down.cols; }
  MatrixView probabilities_view() const {
    return {probabilities->data(), tokens(), options.expert_count, options.expert_count};
  }
};

MatrixView rows_of(const SharedBuffer& buffer, int64_t cols, int64_t begin, int64_t count) {
  return {buffer->data() + begin * cols, count, cols, cols};
}

// The slice of a stacked parameter that is one expert's.
Parameter expert_part(const Parameter& stacked, int expert, int expert_count) {
  Parameter part = stacked;
  part.rows = stacked.rows / expert_count;
  part.values += expert * part.count();
  if (part.gradients != nullptr) part.gradients += expert * part.count();
  return part;
}

void choose(std::span<const float> probabilities, std::span<int32_t> chosen) {
  for (size_t rank = 0; rank < chosen.size(); ++rank) {
    const auto taken = chosen.first(rank);
    int32_t best = -1;
    for (size_t e = 0; e < probabilities.size(); ++e) {
      const auto id = static_cast<int32_t>(e);
      if (std::find(taken.begin(), taken.end(), id) != taken.end()) continue;
      if (best < 0 || probabilities[e] > probabilities[static_cast<size_t>(best)]) best = id;
    }
    chosen[rank] = best;
  }
}

Routing make_routing(const Record& record) {
  const auto used = static_cast<size_t>(record.options.used_count);
  Routing routing;
  routing.chosen.resize(static_cast<size_t>(record.choices()));
  routing.weights.resize(routing.chosen.size());
  routing.order.resize(routing.chosen.size());
  routing.group_begin.assign(static_cast<size_t>(record.options.expert_count) + 1, 0);
  for (int64_t t = 0; t < record.tokens(); ++t) {
    const auto first = static_cast<size_t>(t) * used;
    const std::span<const float> p(record.probabilities_view().row(t),
                                   static_cast<size_t>(record.options.expert_count));
    const auto chosen = std::span(routing.chosen).subspan(first, used);
    choose(p, chosen);
    float sum = 0.0f;
    for (const int32_t e : chosen) sum += p[static_cast<size_t>(e)];
    const float factor =
        record.options.weights_scale / (record.options.normalize_weights ? sum : 1.0f);
    for (size_t i = 0; i < used; ++i) {
      routing.weights[first + i] = p[static_cast<size_t>(chosen[i])] * factor;
      ++routing.group_begin[static_cast<size_t>(chosen[i]) + 1];
    }
  }
  for (size_t e = 1; e < routing.group_begin.size(); ++e) {
    routing.group_begin[e] += routing.group_begin[e - 1];
  }
  std::vector<int64_t> next(routing.group_begin.begin(), routing.group_begin.end() - 1);
  for (size_t i = 0; i < routing.chosen.size(); ++i) {
    const auto at = static_cast<size_t>(next[static_cast<size_t>(routing.chosen[i])]++);
    routing.order[at] = static_cast<int32_t>(i);
  }
  return routing;
}

// Experts * sum of (share of choices) * (mean probability): 1 where all are used alike.
double balance_loss(const Record& record) {
  double loss = 0;
  for (int e = 0; e < record.options.expert_count; ++e) {
    double mean = 0;
    for (int64_t t = 0; t < record.tokens(); ++t) mean += record.probabilities_view().row(t)[e];
    const auto id = static_cast<size_t>(e);
    const double used =
        static_cast<double>(record.routing.group_begin[id + 1] - record.routing.group_begin[id]);
    loss +=
        used / static_cast<double>(record.choices()) * mean / static_cast<double>(record.tokens());
  }
  return loss * record.options.expert_count;
}

template <typename Body>
void for_each_expert(const Record& record, Body&& body) {
  for (int e = 0; e < record.options.expert_count; ++e) {
    const int64_t begin = record.routing.group_begin[static_cast<size_t>(e)];
    const int64_t count = record.routing.group_begin[static_cast<size_t>(e) + 1] - begin;
    if (count > 0) body(e, begin, count);
  }
}

void run_experts(const Context& context, const Record& record) {
  const int used = record.options.used_count;
  context.threads.run_ranges(record.choices(), kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t token = record.routing.order[static_cast<size_t>(i)] / used;
      std::copy_n(record.x.view().row(token), record.dim(),
                  record.inputs->data() + i * record.dim());
    }
  });
  const GemmOptions forward{.transpose_b = true, .precision = record.precision};
  for_each_expert(record, [&](int e, int64_t begin, int64_t count) {
    const int experts = record.options.expert_count;
    const auto in = rows_of(record.inputs, record.dim(), begin, count);
    const auto gate = rows_of(record.gate, record.ffn_dim(), begin, count);
    const auto up = rows_of(record.up, record.ffn_dim(), begin, count);
    const auto hidden = rows_of(record.hidden, record.ffn_dim(), begin, count);
    gemm(context, in, expert_part(record.parameters.gate, e, experts).view(), gate, forward);
    gemm(context, in, expert_part(record.parameters.up, e, experts).view(), up, forward);
    std::copy_n(gate.data, count * record.ffn_dim(), hidden.data);
    minim::gated_activate(context, record.options.activation, hidden, up);
    gemm(context, hidden, expert_part(record.parameters.down, e, experts).view(),
         rows_of(record.outputs, record.dim(), begin, count), forward);
  });
}

// Where the choices of each token lie in routing.order.
std::vector<int64_t> places(const Record& record) {
  std::vector<int64_t> place(record.routing.order.size());
  for (size_t i = 0; i < place.size(); ++i) {
    place[static_cast<size_t>(record.routing.order[i])] = static_cast<int64_t>(i);
  }
  return place;
}

// out[t] = sum of what its experts said, in the order of their ranks.
void combine(const Context& context, const Record& record, MatrixView out) {
  const std::vector<int64_t> place = places(record);
  const auto used = static_cast<size_t>(record.options.used_count);
  context.threads.run_ranges(out.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::fill_n(out.row(t), out.cols, 0.0f);
      for (size_t i = static_cast<size_t>(t) * used; i < static_cast<size_t>(t + 1) * used; ++i) {
        context.kernels.training.add_scaled(record.routing.weights[i],
                                            record.outputs->data() + place[i] * out.cols,
                                            out.row(t), out.cols);
      }
    }
  });
}

// From the gradients of the weights of one token's experts to those of the router's logits.
void route_back(const Record& record, int64_t t, const float* weight_gradients,
                float* logit_gradients) {
  const int experts = record.options.expert_count;
  const auto used = static_cast<size_t>(record.options.used_count);
  const float* p = record.probabilities_view().row(t);
  const int32_t* chosen = record.routing.chosen.data() + static_cast<size_t>(t) * used;
  std::vector<double> slopes(static_cast<size_t>(experts), 0.0);
  double sum = 0;
  double mean = 0;
  for (size_t i = 0; i < used; ++i) sum += p[chosen[i]];
  if (record.options.normalize_weights) {
    for (size_t i = 0; i < used; ++i) mean += weight_gradients[i] * double{p[chosen[i]]} / sum;
  } else {
    sum = 1.0;
  }
  for (size_t i = 0; i < used; ++i) {
    slopes[static_cast<size_t>(chosen[i])] =
        record.options.weights_scale * (weight_gradients[i] - mean) / sum;
  }
  if (record.options.balance_weight > 0.0f) {
    const double factor =
        record.options.balance_weight * experts /
        (static_cast<double>(record.choices()) * static_cast<double>(record.tokens()));
    for (size_t e = 0; e < slopes.size(); ++e) {
      slopes[e] += factor * static_cast<double>(record.routing.group_begin[e + 1] -
                                                record.routing.group_begin[e]);
    }
  }
  double level = 0;
  for (int e = 0; e < experts; ++e) level += slopes[static_cast<size_t>(e)] * p[e];
  for (int e = 0; e < experts; ++e) {
    logit_gradients[e] = static_cast<float>(p[e] * (slopes[static_cast<size_t>(e)] - level));
  }
}

// Everything on the way back, with its memory.
class Back {
 public:
  Back(Tape& tape, const Record& record, ConstMatrixView gradient)
      : tape_(tape), record_(record), gradient_(gradient) {
    outputs_ = tape.scratch(record.choices() * record.dim());
    inputs_ = tape.scratch(record.choices() * record.dim());
    hidden_ = tape.scratch(record.choices() * record.ffn_dim());
    up_ = tape.scratch(record.choices() * record.ffn_dim());
    logits_ = tape.scratch(record.tokens() * record.options.expert_count);
    // The router and the experts both lead to x: summed here, then handed over.
    sum_ = tape.scratch(record.tokens() * record.dim());
  }

  void run() {
    split();
    for_each_expert(record_,
                    [&](int e, int64_t begin, int64_t count) { go_back_expert(e, begin, count); });
    const MatrixView sum{sum_->data(), record_.tokens(), record_.dim(), record_.dim()};
    const MatrixView logits{logits_->data(), record_.tokens(), record_.options.expert_count,
                            record_.options.expert_count};
    const Parameter& router = record_.parameters.router;
    const Context& context = tape_.context();
    if (router.trains) {
      gemm(context, logits, record_.x.view(), router.gradient_view(),
           {.transpose_a = true, .accumulate = true, .precision = record_.precision});
    }
    gemm(context, logits, router.view(), sum, {.precision = record_.precision});
    gather(sum);
  }
  const SharedBuffer& gradient() const { return sum_; }

 private:
  // Gradients of what each expert said, and of the weights it was given.
  void split() {
    const Context& context = tape_.context();
    const std::vector<int64_t> place = places(record_);
    const auto used = static_cast<size_t>(record_.options.used_count);
    const int64_t dim = record_.dim();
    context.threads.run_ranges(record_.tokens(), kRowsPerTask, [&](int64_t begin, int64_t end) {
      std::vector<float> weight_gradients(used);
      for (int64_t t = begin; t < end; ++t) {
        for (size_t rank = 0; rank < used; ++rank) {
          const size_t i = static_cast<size_t>(t) * used + rank;
          const float* said = record_.outputs->data() + place[i] * dim;
          float* to = outputs_->data() + place[i] * dim;
          weight_gradients[rank] = context.kernels.training.dot(gradient_.row(t), said, dim);
          std::copy_n(gradient_.row(t), dim, to);
          context.kernels.scale(record_.routing.weights[i], to, dim);
        }
        route_back(record_, t, weight_gradients.data(),
                   logits_->data() + t * record_.options.expert_count);
      }
    });
  }

  void add_weight_gradient(const Parameter& weight, ConstMatrixView gradient, ConstMatrixView in) {
    if (!weight.trains) return;
    gemm(tape_.context(), gradient, in, weight.gradient_view(),
         {.transpose_a = true, .accumulate = true, .precision = record_.precision});
  }

  void go_back_expert(int e, int64_t begin, int64_t count) {
    const Context& context = tape_.context();
    const int experts = record_.options.expert_count;
    const int64_t dim = record_.dim();
    const int64_t ffn = record_.ffn_dim();
    const Parameter gate = expert_part(record_.parameters.gate, e, experts);
    const Parameter up = expert_part(record_.parameters.up, e, experts);
    const Parameter down = expert_part(record_.parameters.down, e, experts);
    const MatrixView out = rows_of(outputs_, dim, begin, count);
    const MatrixView in = rows_of(record_.inputs, dim, begin, count);
    const MatrixView hidden = rows_of(hidden_, ffn, begin, count);
    const MatrixView up_gradient = rows_of(up_, ffn, begin, count);
    const GemmOptions back{.precision = record_.precision};
    add_weight_gradient(down, out, rows_of(record_.hidden, ffn, begin, count));
    gemm(context, out, down.view(), hidden, back);
    context.threads.run_ranges(count, kRowsPerTask, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        context.kernels.training.gated_activate_gradient(
            record_.options.activation, record_.gate->data() + (begin + i) * ffn,
            record_.up->data() + (begin + i) * ffn, hidden.row(i), hidden.row(i),
            up_gradient.row(i), ffn);
      }
    });
    add_weight_gradient(gate, hidden, in);
    add_weight_gradient(up, up_gradient, in);
    const MatrixView to = rows_of(inputs_, dim, begin, count);
    gemm(context, hidden, gate.view(), to, back);
    gemm(context, up_gradient, up.view(), to, {.accumulate = true, .precision = record_.precision});
  }

  // sum[t] += the gradients of its choices, in the order of their ranks.
  void gather(MatrixView sum) {
    const std::vector<int64_t> place = places(record_);
    const auto used = static_cast<size_t>(record_.options.used_count);
    const Context& context = tape_.context();
    context.threads.run_ranges(sum.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        for (size_t i = static_cast<size_t>(t) * used; i < static_cast<size_t>(t + 1) * used; ++i) {
          context.kernels.add(inputs_->data() + place[i] * sum.cols, sum.row(t), sum.cols);
        }
      }
    });
  }

  Tape& tape_;
  const Record& record_;
  ConstMatrixView gradient_;
  SharedBuffer outputs_;
  SharedBuffer inputs_;
  SharedBuffer hidden_;
  SharedBuffer up_;
  SharedBuffer logits_;
  SharedBuffer sum_;
};

Record make_record(Tape& tape, const Variable& x, const ExpertParameters& parameters,
                   const ExpertOptions& options) {
  Record record{x, parameters, options, tape.options().precision, {}, {}, {}, {}, {}, {}, {}};
  record.probabilities = tape.scratch(record.tokens() * options.expert_count);
  record.inputs = tape.scratch(record.choices() * record.dim());
  record.gate = tape.scratch(record.choices() * record.ffn_dim());
  record.up = tape.scratch(record.choices() * record.ffn_dim());
  record.hidden = tape.scratch(record.choices() * record.ffn_dim());
  record.outputs = tape.scratch(record.choices() * record.dim());
  return record;
}

}  // namespace

Variable experts(Tape& tape, const Variable& x, const ExpertParameters& parameters,
                 const ExpertOptions& options) {
  const int64_t expert_count = options.expert_count;
  require_shape(expert_count > 0 && options.used_count > 0 && options.used_count <= expert_count &&
                    parameters.router.rows == expert_count && parameters.router.cols == x.cols &&
                    parameters.gate.rows == expert_count * parameters.down.cols &&
                    parameters.up.rows == parameters.gate.rows &&
                    parameters.down.rows == expert_count * x.cols,
                "train: {} of {} experts of other shapes than {} columns ask for",
                options.used_count, expert_count, x.cols);
  const Variable out = tape.make(x.rows, x.cols);
  const auto record = std::make_shared<Record>(make_record(tape, x, parameters, options));
  tape.compute([&] {
    const Context& context = tape.context();
    gemm(context, x.view(), parameters.router.view(), record->probabilities_view(),
         {.transpose_b = true, .precision = record->precision});
    softmax(context, record->probabilities_view());
    record->routing = make_routing(*record);
    run_experts(context, *record);
    combine(context, *record, out.view());
    tape.add_auxiliary_loss(options.balance_weight * balance_loss(*record));
  });
  tape.record([record, gradient = out.gradient](Tape& back) {
    if (gradient->empty()) return;
    Back pass(back, *record, gradient->view());
    back.compute([&] { pass.run(); });
    if (record->x.gradient != nullptr) record->x.gradient->add(back, pass.gradient());
  });
  return out;
}

}  // namespace minim::train
