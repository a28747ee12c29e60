#include "train/optim/adamw.h"

#include <cmath>

namespace minim::train {
namespace {

constexpr int64_t kValuesPerTask = 1 << 16;

struct Rates {
  float beta1;
  float beta2;
  float mean_scale;    // 1 / (1 - beta1^step)
  float square_scale;  // 1 / (1 - beta2^step)
  float epsilon;
  float rate;
  float kept;  // 1 - rate * decay
  float gradient_scale;
};

void update(const Rates& r, const float* gradient, float* mean, float* square, float* value,
            int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * r.gradient_scale;
    mean[i] = r.beta1 * mean[i] + (1.0f - r.beta1) * g;
    square[i] = r.beta2 * square[i] + (1.0f - r.beta2) * g * g;
    const float size = std::sqrt(square[i] * r.square_scale) + r.epsilon;
    value[i] = value[i] * r.kept - r.rate * (mean[i] * r.mean_scale) / size;
  }
}

}  // namespace

AdamW::AdamW(const ParameterSet& parameters, const OptimizerOptions& options, const Filter& takes)
    : options_(options) {
  int64_t count = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    if (!info.trains || !takes(info)) continue;
    tensors_.push_back(
        {info.offset, info.count(), count, decays(info, options) ? options.weight_decay : 0.0f});
    count += info.count();
  }
  means_.resize(static_cast<size_t>(count));
  squares_.resize(static_cast<size_t>(count));
}

size_t AdamW::bytes(const ParameterSet& parameters, const Filter& takes) {
  size_t count = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    if (info.trains && takes(info)) count += static_cast<size_t>(info.count());
  }
  return 2 * count * sizeof(float);
}

void AdamW::step(const Context& context, ParameterSet& parameters, const StepOptions& options) {
  const auto steps = static_cast<double>(options.step + 1);
  Rates rates;
  rates.beta1 = options_.beta1;
  rates.beta2 = options_.beta2;
  rates.mean_scale = static_cast<float>(1.0 / (1.0 - std::pow(double{options_.beta1}, steps)));
  rates.square_scale = static_cast<float>(1.0 / (1.0 - std::pow(double{options_.beta2}, steps)));
  rates.epsilon = options_.epsilon;
  rates.rate = options_.learning_rate * options.rate_fraction;
  rates.gradient_scale = options.gradient_scale;
  for (const Tensor& tensor : tensors_) {
    rates.kept = 1.0f - rates.rate * tensor.decay;
    context.threads.run_ranges(tensor.count, kValuesPerTask, [&](int64_t begin, int64_t end) {
      update(rates, parameters.gradients().data() + tensor.offset + begin,
             means_.data() + tensor.state + begin, squares_.data() + tensor.state + begin,
             parameters.values().data() + tensor.offset + begin, end - begin);
    });
  }
}

std::vector<StatePart> AdamW::state() {
  return {{"adamw.means", means_}, {"adamw.squares", squares_}};
}

}  // namespace minim::train
