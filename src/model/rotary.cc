#include "model/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace minim {
namespace {

constexpr double kTurn = 2.0 * std::numbers::pi;

double pair_frequency(double base, int pair, int dimension_count) {
  return std::pow(base, -2.0 * pair / dimension_count);
}

// The pair that turns `turns` times within the original context (YaRN, equation 17 onwards).
double pair_of_turns(const RopeConfig& rope, double turns) {
  const double context = static_cast<double>(rope.original_context_length);
  return rope.dimension_count * std::log(context / (turns * kTurn)) / (2.0 * std::log(rope.base));
}

// Fast pairs keep their frequency, slow ones are stretched, those between are mixed.
void scale_yarn(const RopeConfig& rope, std::vector<double>& frequencies) {
  const double first = std::max(0.0, std::floor(pair_of_turns(rope, rope.beta_fast)));
  const double last =
      std::min<double>(rope.dimension_count - 1, std::ceil(pair_of_turns(rope, rope.beta_slow)));
  for (size_t pair = 0; pair < frequencies.size(); ++pair) {
    const double width = std::max(0.001, last - first);
    const double ramp = std::clamp((static_cast<double>(pair) - first) / width, 0.0, 1.0);
    frequencies[pair] *= ramp / rope.factor + (1.0 - ramp);
  }
}

void scale_llama3(const RopeConfig& rope, std::vector<double>& frequencies) {
  const double context = static_cast<double>(rope.original_context_length);
  const double low = rope.low_frequency_factor;
  const double high = rope.high_frequency_factor;
  for (double& frequency : frequencies) {
    const double turns = context * frequency / kTurn;
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency *= (1.0 - kept) / rope.factor + kept;
  }
}

void scale(const RopeConfig& rope, std::vector<double>& frequencies) {
  switch (rope.scaling) {
    case RopeScaling::kLinear:
      for (double& frequency : frequencies) frequency /= rope.factor;
      return;
    case RopeScaling::kYarn: scale_yarn(rope, frequencies); return;
    case RopeScaling::kLlama3: scale_llama3(rope, frequencies); return;
    case RopeScaling::kNone:
    case RopeScaling::kNtk:       // in the base already
    case RopeScaling::kLongRope:  // in the file's factors
      return;
  }
}

void check_factors(std::span<const float> factors) {
  for (const float factor : factors) {
    if (std::isfinite(factor) && factor > 0.0f) continue;
    throw Error(ErrorCode::kFormat, "model: the rotary factors must be positive numbers");
  }
}

}  // namespace

Rotary make_rotary(const RopeConfig& rope, RopePairing pairing, std::span<const float> factors) {
  const int pairs = rope.dimension_count / 2;
  MINIM_CHECK(factors.empty() || factors.size() == static_cast<size_t>(pairs));
  const double d = rope.dimension_count;
  const double base = rope.scaling == RopeScaling::kNtk
                          ? rope.base * std::pow(rope.factor, d / (d - 2.0))
                          : rope.base;
  std::vector<double> frequencies;
  for (int pair = 0; pair < pairs; ++pair) {
    frequencies.push_back(pair_frequency(base, pair, rope.dimension_count));
  }
  scale(rope, frequencies);

  Rotary rotary;
  rotary.pairing = pairing;
  rotary.magnitude = static_cast<float>(rope.attention_factor);
  if (rope.scaling == RopeScaling::kYarn && rope.factor > 1.0) {
    rotary.magnitude *= static_cast<float>(1.0 + 0.1 * std::log(rope.factor));
  }
  for (size_t pair = 0; pair < frequencies.size(); ++pair) {
    const double factor = factors.empty() ? 1.0 : static_cast<double>(factors[pair]);
    rotary.frequencies.push_back(static_cast<float>(frequencies[pair] / factor));
  }
  return rotary;
}

Rotary make_local_rotary(const ModelConfig& config, RopePairing pairing) {
  RopeConfig rope = config.rope;
  rope.base = config.rope_base_local;
  rope.scaling = RopeScaling::kNone;
  rope.attention_factor = 1.0;
  return make_rotary(rope, pairing);
}

void add_rotary_specs(const ModelConfig& config, std::vector<TensorSpec>& specs) {
  for (const char* name :
       {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"}) {
    specs.push_back(
        optional_spec(vector_spec(name, TensorKind::kFactors, config.rope.dimension_count / 2)));
  }
}

Rotary load_rotary(WeightLoader& loader, const ModelConfig& config, RopePairing pairing) {
  const bool long_context = config.context_length > config.rope.original_context_length;
  std::vector<float> factors =
      loader.vector(long_context ? "rope_factors_long.weight" : "rope_factors_short.weight");
  if (factors.empty() && config.rope.scaling == RopeScaling::kLongRope) {
    throw Error(ErrorCode::kFormat,
                "model: LongRoPE scaling needs the tensors 'rope_factors_long.weight' and "
                "'rope_factors_short.weight'");
  }
  if (factors.empty()) factors = loader.vector("rope_freqs.weight");
  check_factors(factors);
  return make_rotary(config.rope, pairing, factors);
}

}  // namespace minim
