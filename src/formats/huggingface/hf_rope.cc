#include "formats/huggingface/hf_rope.h"

#include <fmt/core.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "base/error.h"
#include "formats/byte_reader.h"

namespace minim {
namespace {

void import_yarn(HfImport& import, const HfRope& rope) {
  const HfConfig& parameters = rope.parameters;
  const double factor = parameters.require_number("factor");
  import.set_text("rope.scaling.type", "yarn");
  import.set_number("rope.scaling.factor", factor);
  const int64_t context = import.config().require_size("max_position_embeddings");
  import.set_size("rope.scaling.original_context_length",
                  parameters.size_or("original_max_position_embeddings", context));
  for (const char* key : {"mscale", "mscale_all_dim"}) {
    if (parameters.find(key) == nullptr) continue;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: YaRN with '{}' is not supported", parameters.origin(), key));
  }
  parameters.expect_flag("truncate", true);
  if (const auto attention = parameters.number("attention_factor")) {
    // GGUF's is on top of YaRN's own, 0.1 ln(factor) + 1; Hugging Face's replaces it.
    const double own = factor > 1 ? 0.1 * std::log(factor) + 1.0 : 1.0;
    import.set_number("rope.scaling.attn_factor", *attention / own);
  }
  if (const auto fast = parameters.number("beta_fast")) {
    import.set_number("rope.scaling.yarn_beta_fast", *fast);
  }
  if (const auto slow = parameters.number("beta_slow")) {
    import.set_number("rope.scaling.yarn_beta_slow", *slow);
  }
}

}  // namespace

HfRope read_hf_rope(const HfConfig& config, double base, const char* layers) {
  HfRope rope;
  rope.base = config.number("rope_theta").value_or(base);
  auto parameters = config.object("rope_parameters");
  if (parameters && layers != nullptr && parameters->find(layers) != nullptr) {
    parameters = parameters->object(layers);
  }
  if (parameters) rope.base = parameters->number("rope_theta").value_or(rope.base);
  if (!parameters) parameters = config.object("rope_scaling");
  if (!parameters) return rope;
  rope.parameters = *std::move(parameters);
  const auto type = rope.parameters.text("rope_type");
  rope.type = type ? *type : rope.parameters.text("type").value_or("");
  if (rope.type.empty()) {
    if (rope.parameters.find("factor") != nullptr) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("{}: neither 'rope_type' nor 'type'", rope.parameters.origin()));
    }
    rope.type = "default";
  }
  return rope;
}

int64_t rotary_dimensions(const HfConfig& config, const HfRope& rope, int64_t head_dim) {
  const auto inner = rope.parameters.number("partial_rotary_factor");
  const double part = inner ? *inner : config.number("partial_rotary_factor").value_or(1.0);
  const auto dimensions = static_cast<int64_t>(part * static_cast<double>(head_dim));
  if (!(part > 0 && part <= 1) || dimensions < 2 || dimensions % 2 != 0) {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: 'partial_rotary_factor' must be above 0, at most 1 and leave an "
                            "even number of values",
                            config.origin()));
  }
  return dimensions;
}

void import_rope(HfImport& import, const HfRope& rope, int64_t dimensions) {
  if (!(rope.base > 0)) {
    throw Error(ErrorCode::kFormat, "config.json: 'rope_theta' must be above zero");
  }
  import.set_number("rope.freq_base", rope.base);
  import.set_size("rope.dimension_count", dimensions);
  if (rope.type == "default" || rope.type == "dynamic") return;
  if (rope.type == "linear") {
    import.set_text("rope.scaling.type", "linear");
    import.set_number("rope.scaling.factor", rope.parameters.require_number("factor"));
  } else if (rope.type == "yarn") {
    import_yarn(import, rope);
  } else if (rope.type == "llama3") {
    import.constant("rope_freqs.weight", llama3_rope_factors(rope, dimensions));
  } else {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: the rotary type '{}' is not supported here",
                            rope.parameters.origin(), printable(rope.type)));
  }
}

std::vector<float> llama3_rope_factors(const HfRope& rope, int64_t dimensions) {
  const HfConfig& parameters = rope.parameters;
  const auto factor = static_cast<float>(parameters.number("factor").value_or(8.0));
  const auto low = static_cast<float>(parameters.number("low_freq_factor").value_or(1.0));
  const auto high = static_cast<float>(parameters.number("high_freq_factor").value_or(4.0));
  const auto context =
      static_cast<float>(parameters.size_or("original_max_position_embeddings", 8192));
  if (!(factor > 0 && low > 0 && high > low)) {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: the factors of llama3 scaling are in the wrong order",
                            parameters.origin()));
  }
  std::vector<float> factors;
  for (int64_t i = 0; i < dimensions; i += 2) {
    // Single precision throughout, as the models compute it.
    const float power = static_cast<float>(i) / static_cast<float>(dimensions);
    const float frequency = 1.0f / std::pow(static_cast<float>(rope.base), power);
    const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
    if (wavelength < context / high) {
      factors.push_back(1);
    } else if (wavelength > context / low) {
      factors.push_back(factor);
    } else {
      const float smooth = (context / wavelength - low) / (high - low);
      factors.push_back(1 / ((1 - smooth) / factor + smooth));
    }
  }
  return factors;
}

}  // namespace minim
