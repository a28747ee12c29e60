// Phi 3, 3.5 and 4: queries, keys and values in one matrix, gate and up in another, LongRoPE.
#include <fmt/core.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_blocks.h"
#include "formats/huggingface/hf_rope.h"

namespace minim {
namespace {

int64_t read_original_context(const HfConfig& config, const HfRope& rope, int64_t context) {
  const int64_t inner = rope.parameters.size_or("original_max_position_embeddings", context);
  return config.size_or("original_max_position_embeddings", inner);
}

std::vector<float> read_factors(const HfConfig& parameters, const char* key, int64_t count) {
  const Json* list = parameters.find(key);
  std::vector<float> factors;
  if (list != nullptr && list->is_array() && static_cast<int64_t>(list->size()) == count) {
    for (const Json& item : *list) {
      if (!item.is_number()) break;
      factors.push_back(item.get<float>());
      if (!std::isfinite(factors.back()) || factors.back() <= 0) break;
    }
  }
  if (factors.size() != static_cast<size_t>(count) || !std::isfinite(factors.back())) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' must be a list of {} numbers above zero",
                                                parameters.origin(), key, count));
  }
  return factors;
}

void import_long_rope(HfImport& import, const HfRope& rope, int64_t dimensions, int64_t context,
                      int64_t original) {
  const double scale = static_cast<double>(context) / static_cast<double>(original);
  const double implied =
      scale > 1 ? std::sqrt(1.0 + std::log(scale) / std::log(static_cast<double>(original))) : 1.0;
  import.set_number("rope.scaling.attn_factor",
                    rope.parameters.number("attention_factor").value_or(implied));
  for (const char* key : {"short_mscale", "long_mscale"}) {
    if (rope.parameters.find(key) == nullptr) continue;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: '{}' is not supported", rope.parameters.origin(), key));
  }
  import.constant("rope_factors_long.weight",
                  read_factors(rope.parameters, "long_factor", dimensions / 2));
  import.constant("rope_factors_short.weight",
                  read_factors(rope.parameters, "short_factor", dimensions / 2));
}

void import_layer(HfImport& import, const LayerNames& names, const HfSizes& sizes) {
  const int64_t query_dim = sizes.heads * sizes.head_dim;
  const int64_t key_dim = sizes.kv_heads * sizes.head_dim;
  import.vector(names.target + "attn_norm.weight", names.source + "input_layernorm.weight",
                sizes.dim);
  import.matrix(names.target + "attn_qkv.weight", names.source + "self_attn.qkv_proj.weight",
                query_dim + 2 * key_dim, sizes.dim);
  import.matrix(names.target + "attn_output.weight", names.source + "self_attn.o_proj.weight",
                sizes.dim, query_dim);
  import.vector(names.target + "ffn_norm.weight", names.source + "post_attention_layernorm.weight",
                sizes.dim);
  import.matrix(names.target + "ffn_up.weight", names.source + "mlp.gate_up_proj.weight",
                2 * sizes.ffn_dim, sizes.dim);
  import.matrix(names.target + "ffn_down.weight", names.source + "mlp.down_proj.weight", sizes.dim,
                sizes.ffn_dim);
}

}  // namespace

void import_phi3(HfImport& import) {
  const HfConfig& config = import.config();
  config.expect_text("hidden_act", {"silu"});
  const HfSizes sizes = read_hf_sizes(config);
  import_sizes(import, sizes);
  import.set_number("attention.layer_norm_rms_epsilon", config.require_number("rms_norm_eps"));
  // Readers expect the key; 0 stands for no window.
  import.set_size("attention.sliding_window", config.size_or("sliding_window", 0));

  import_embeddings(import, "model.", sizes);
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    import_layer(import, LayerNames("model.", layer), sizes);
  }
  HfRope rope = read_hf_rope(config, 10000.0);
  const int64_t dimensions = rotary_dimensions(config, rope, sizes.head_dim);
  const int64_t original = read_original_context(config, rope, sizes.context);
  const bool is_long = rope.type == "longrope" || rope.type == "su";
  if (is_long) {
    import_long_rope(import, rope, dimensions, sizes.context, original);
    rope.type = "default";
  }
  import_rope(import, rope, dimensions);
  import.set_size("rope.scaling.original_context_length", original);
}

}  // namespace minim
