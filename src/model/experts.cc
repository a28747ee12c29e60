#include "model/experts.h"

#include <algorithm>
#include <array>
#include <span>

#include "model/blocks.h"

namespace minim {
namespace {

constexpr int64_t kRowsPerTask = 16;

// The `chosen.size()` most probable experts, best first, the lower number first among equals.
void choose(std::span<const float> probabilities, std::span<int32_t> chosen) {
  const auto end_of_choice = [&](size_t count) {
    return chosen.begin() + static_cast<std::ptrdiff_t>(count);
  };
  for (size_t rank = 0; rank < chosen.size(); ++rank) {
    int32_t best = -1;
    for (size_t expert = 0; expert < probabilities.size(); ++expert) {
      const auto id = static_cast<int32_t>(expert);
      if (std::find(chosen.begin(), end_of_choice(rank), id) != end_of_choice(rank)) continue;
      if (best < 0 || probabilities[expert] > probabilities[static_cast<size_t>(best)]) best = id;
    }
    chosen[rank] = best;
  }
}

void weigh(const ModelConfig& config, std::span<const float> probabilities,
           std::span<const int32_t> chosen, std::span<float> weights) {
  float sum = 0.0f;
  for (size_t i = 0; i < chosen.size(); ++i) {
    weights[i] = probabilities[static_cast<size_t>(chosen[i])];
    sum += weights[i];
  }
  const float factor =
      config.expert_weights_norm ? config.expert_weights_scale / sum : config.expert_weights_scale;
  for (float& weight : weights) weight *= factor;
}

// A counting sort of the choices by expert; within an expert they stay in the order of the tokens.
void group_by_expert(Activations& a, size_t choice_count) {
  std::fill(a.group_begin.begin(), a.group_begin.end(), 0);
  for (size_t i = 0; i < choice_count; ++i) ++a.group_begin[static_cast<size_t>(a.chosen[i]) + 1];
  for (size_t e = 1; e < a.group_begin.size(); ++e) a.group_begin[e] += a.group_begin[e - 1];
  for (size_t i = choice_count; i > 0; --i) {
    const auto expert = static_cast<size_t>(a.chosen[i - 1]);
    a.order[static_cast<size_t>(--a.group_begin[expert + 1])] = static_cast<int32_t>(i - 1);
  }
  // Filling from the back has moved every beginning one place up: expert e begins at [e + 1].
  std::rotate(a.group_begin.begin(), a.group_begin.begin() + 1, a.group_begin.end());
  a.group_begin.back() = static_cast<int32_t>(choice_count);
}

}  // namespace

void add_experts_specs(const ModelConfig& config, int layer, std::vector<TensorSpec>& specs) {
  const int64_t experts = config.expert_count;
  const int64_t ffn_dim = config.expert_ffn_dim;
  const auto add = [&](std::string_view name, int64_t rows, int64_t cols) {
    specs.push_back(experts_spec(layer_tensor(layer, name), experts, rows, cols));
  };
  specs.push_back(matrix_spec(layer_tensor(layer, "ffn_gate_inp.weight"), experts, config.dim));
  add("ffn_gate_exps.weight", ffn_dim, config.dim);
  add("ffn_up_exps.weight", ffn_dim, config.dim);
  add("ffn_down_exps.weight", config.dim, ffn_dim);
}

ExpertsWeights load_experts(WeightLoader& loader, int layer) {
  return {
      loader.matrix(layer, "ffn_gate_inp.weight"), loader.experts(layer, "ffn_gate_exps.weight"),
      loader.experts(layer, "ffn_up_exps.weight"), loader.experts(layer, "ffn_down_exps.weight")};
}

void route(const Pass& pass) {
  Activations& a = pass.a;
  const auto used = static_cast<size_t>(pass.config.expert_used_count);
  for (int64_t row = 0; row < a.router.rows; ++row) {
    const size_t first = static_cast<size_t>(row) * used;
    const std::span<const float> probabilities(a.router.row(row),
                                               static_cast<size_t>(a.router.cols));
    const std::span<int32_t> chosen = std::span(a.chosen).subspan(first, used);
    choose(probabilities, chosen);
    weigh(pass.config, probabilities, chosen, std::span(a.chosen_weights).subspan(first, used));
  }
  group_by_expert(a, static_cast<size_t>(a.router.rows) * used);
}

void experts_ffn(const Pass& pass, const ExpertsWeights& weights, Activation activation) {
  Activations& a = pass.a;
  const Context& context = pass.context;
  matmul(context, weights.router, a.normed, a.router, a.few_rows());
  softmax(context, a.router);
  route(pass);

  for (int64_t row = 0; row < a.out.rows; ++row) std::fill_n(a.out.row(row), a.out.cols, 0.0f);
  for (size_t expert = 0; expert < weights.gate.size(); ++expert) {
    const auto first = static_cast<size_t>(a.group_begin[expert]);
    const int64_t count = a.group_begin[expert + 1] - a.group_begin[expert];
    if (count == 0) continue;
    const std::span<const int32_t> choices(a.order.data() + first, static_cast<size_t>(count));
    const auto token = [&](int64_t i) {
      return choices[static_cast<size_t>(i)] / pass.config.expert_used_count;
    };
    const MatrixView in = a.expert_in.row_range(0, count);
    const MatrixView gate = a.gate.row_range(0, count);
    const MatrixView out = a.expert_out.row_range(0, count);
    context.threads.run_ranges(count, kRowsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) std::copy_n(a.normed.row(token(i)), in.cols, in.row(i));
    });
    const std::array<MatmulTarget, 2> targets = {
        {{&weights.gate[expert], gate}, {&weights.up[expert], a.up.row_range(0, count)}}};
    // Tokens of a group are in order, so those that are summed as few come first.
    const int64_t few =
        std::partition_point(
            choices.begin(), choices.end(),
            [&](int32_t choice) { return choice / pass.config.expert_used_count < a.few_rows(); }) -
        choices.begin();
    matmul(context, targets, in, few);
    gated_activate(context, activation, gate, a.up.row_range(0, count));
    matmul(context, weights.down[expert], gate, out, few);
    // An expert sees a token once at most, so the rows of a.out are distinct.
    context.threads.run_ranges(count, kRowsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float weight = a.chosen_weights[static_cast<size_t>(choices[static_cast<size_t>(i)])];
        float* to = a.out.row(token(i));
        const float* from = out.row(i);
        for (int64_t col = 0; col < out.cols; ++col) to[col] += weight * from[col];
      }
    });
  }
}

}  // namespace minim
