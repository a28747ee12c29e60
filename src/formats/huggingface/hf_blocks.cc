#include "formats/huggingface/hf_blocks.h"

#include <fmt/core.h>

#include "base/error.h"

namespace minim {

HfSizes read_hf_sizes(const HfConfig& config) {
  HfSizes sizes;
  sizes.layers = config.require_size("num_hidden_layers");
  sizes.dim = config.require_size("hidden_size");
  sizes.heads = config.require_size("num_attention_heads");
  sizes.kv_heads = config.size_or("num_key_value_heads", sizes.heads);
  sizes.head_dim = config.size_or("head_dim", sizes.dim / sizes.heads);
  sizes.ffn_dim = config.require_size("intermediate_size");
  sizes.vocabulary = config.require_size("vocab_size");
  sizes.context = config.require_size("max_position_embeddings");
  check_hf_sizes(sizes);
  return sizes;
}

void check_hf_sizes(const HfSizes& sizes) {
  if (sizes.heads % sizes.kv_heads != 0) {
    throw Error(ErrorCode::kFormat,
                fmt::format("config.json: {} key-value heads do not divide {} heads",
                            sizes.kv_heads, sizes.heads));
  }
  if (sizes.head_dim < 2 || sizes.head_dim % 2 != 0) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("config.json: heads of {} values; the number must be even", sizes.head_dim));
  }
}

void import_sizes(HfImport& import, const HfSizes& sizes) {
  import.set_size("block_count", sizes.layers);
  import.set_size("context_length", sizes.context);
  import.set_size("embedding_length", sizes.dim);
  import.set_size("feed_forward_length", sizes.ffn_dim);
  import.set_size("attention.head_count", sizes.heads);
  import.set_size("attention.head_count_kv", sizes.kv_heads);
  import.set_size("vocab_size", sizes.vocabulary);
  if (import.config().find("head_dim") != nullptr || sizes.head_dim * sizes.heads != sizes.dim) {
    import.set_size("attention.key_length", sizes.head_dim);
    import.set_size("attention.value_length", sizes.head_dim);
  }
}

void import_embeddings(HfImport& import, const std::string& prefix, const HfSizes& sizes,
                       TensorChange norm) {
  import.matrix("token_embd.weight", prefix + "embed_tokens.weight", sizes.vocabulary, sizes.dim);
  // Files may leave the flag out; then the tensor says it.
  const bool tied =
      import.config().boolean("tie_word_embeddings").value_or(!import.has("lm_head.weight"));
  if (tied) {
    import.ignore("lm_head.weight");
  } else {
    import.matrix("output.weight", "lm_head.weight", sizes.vocabulary, sizes.dim);
  }
  import.vector("output_norm.weight", prefix + "norm.weight", sizes.dim, norm);
}

LayerNames::LayerNames(const std::string& prefix, int64_t layer)
    : target(fmt::format("blk.{}.", layer)), source(fmt::format("{}layers.{}.", prefix, layer)) {}

void import_attention(HfImport& import, const LayerNames& names, const HfSizes& sizes,
                      RotaryLayout layout) {
  const int64_t query_dim = sizes.heads * sizes.head_dim;
  const int64_t key_dim = sizes.kv_heads * sizes.head_dim;
  const std::string source = names.source + "self_attn.";
  const auto rotated = [&](const char* to, const char* from, int64_t rows, int64_t heads) {
    for (const bool is_bias : {false, true}) {
      const char* suffix = is_bias ? ".bias" : ".weight";
      const std::string name = source + from + suffix;
      if (is_bias && !import.has(name)) continue;
      const int64_t cols = is_bias ? 0 : sizes.dim;
      if (layout == RotaryLayout::kPairs) {
        import.rotary(names.target + to + suffix, name, rows, cols, heads);
      } else if (is_bias) {
        import.vector(names.target + to + suffix, name, rows);
      } else {
        import.matrix(names.target + to + suffix, name, rows, cols);
      }
    }
  };
  rotated("attn_q", "q_proj", query_dim, sizes.heads);
  rotated("attn_k", "k_proj", key_dim, sizes.kv_heads);
  import.matrix(names.target + "attn_v.weight", source + "v_proj.weight", key_dim, sizes.dim);
  if (import.has(source + "v_proj.bias")) {
    import.vector(names.target + "attn_v.bias", source + "v_proj.bias", key_dim);
  }
  import.matrix(names.target + "attn_output.weight", source + "o_proj.weight", sizes.dim,
                query_dim);
  if (import.has(source + "o_proj.bias")) {
    import.vector(names.target + "attn_output.bias", source + "o_proj.bias", sizes.dim);
  }
  import.ignore(source + "rotary_emb.inv_freq");
}

void import_head_norms(HfImport& import, const LayerNames& names, const HfSizes& sizes,
                       TensorChange change) {
  import.vector(names.target + "attn_q_norm.weight", names.source + "self_attn.q_norm.weight",
                sizes.head_dim, change);
  import.vector(names.target + "attn_k_norm.weight", names.source + "self_attn.k_norm.weight",
                sizes.head_dim, change);
}

void import_gated_ffn(HfImport& import, const LayerNames& names, const HfSizes& sizes) {
  const std::string source = names.source + "mlp.";
  import.matrix(names.target + "ffn_gate.weight", source + "gate_proj.weight", sizes.ffn_dim,
                sizes.dim);
  import.matrix(names.target + "ffn_up.weight", source + "up_proj.weight", sizes.ffn_dim,
                sizes.dim);
  import.matrix(names.target + "ffn_down.weight", source + "down_proj.weight", sizes.dim,
                sizes.ffn_dim);
}

void expect_full_attention(const HfConfig& config) {
  config.expect_flag("use_sliding_window", false);
  const Json* types = config.find("layer_types");
  if (types == nullptr || !types->is_array()) return;
  for (const Json& type : *types) {
    if (type == "full_attention") continue;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: layers of the type {} are not supported here", config.origin(),
                            type.dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
}

}  // namespace minim
