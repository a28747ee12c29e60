// Gemma 3, alone or as the text part of the model that also sees. Norms are stored as the
// difference from one.
#include <fmt/core.h>

#include <array>
#include <cmath>
#include <string>

#include "base/error.h"
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_blocks.h"
#include "formats/huggingface/hf_rope.h"

namespace minim {
namespace {

constexpr int64_t kIntervalDefault = 6;
constexpr double kLocalBaseDefault = 10000.0;
constexpr int64_t kLayersOf27B = 62;  // scales attention by its width; readers know it by its depth

// Files leave out what is as in transformers' Gemma3TextConfig.
HfSizes read_sizes(const HfConfig& config) {
  HfSizes sizes;
  sizes.layers = config.size_or("num_hidden_layers", 26);
  sizes.dim = config.size_or("hidden_size", 2304);
  sizes.heads = config.size_or("num_attention_heads", 8);
  sizes.kv_heads = config.size_or("num_key_value_heads", 4);
  sizes.head_dim = config.size_or("head_dim", 256);
  sizes.ffn_dim = config.size_or("intermediate_size", 9216);
  sizes.vocabulary = config.size_or("vocab_size", 262208);
  sizes.context = config.size_or("max_position_embeddings", 131072);
  check_hf_sizes(sizes);
  return sizes;
}

// Every n-th layer sees everything: n, from the list of types or the number itself.
int64_t read_interval(const HfConfig& config, int64_t layers) {
  const Json* types = config.find("layer_types");
  if (types == nullptr || !types->is_array()) {
    return config.size_or("sliding_window_pattern",
                          config.size_or("_sliding_window_pattern", kIntervalDefault));
  }
  const auto count = static_cast<int64_t>(types->size());
  int64_t interval = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Json& type = (*types)[static_cast<size_t>(i)];
    const bool is_global = type == "full_attention";
    if (is_global && interval == 0) interval = i + 1;
    const bool expected = interval > 0 && (i + 1) % interval == 0;
    if (count != layers || is_global != expected || !(is_global || type == "sliding_attention")) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: 'layer_types' must name one full_attention layer every so many "
                              "sliding_attention layers",
                              config.origin()));
    }
  }
  // No layer of a short model sees everything where the first that would lies past its end.
  return interval > 0
             ? interval
             : config.size_or("_sliding_window_pattern", std::max(layers + 1, kIntervalDefault));
}

void import_attention_settings(HfImport& import, const HfSizes& sizes) {
  const HfConfig& config = import.config();
  config.expect_flag("use_bidirectional_attention", false);
  import.set_size("attention.sliding_window", config.size_or("sliding_window", 4096));
  const int64_t interval = read_interval(config, sizes.layers);
  if (interval != kIntervalDefault) {
    import.set_size("attention.sliding_window_pattern", interval);
  }
  const double scalar = config.number("query_pre_attn_scalar").value_or(256);
  if (!(scalar > 0)) {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: 'query_pre_attn_scalar' must be above zero", config.origin()));
  }
  const int64_t implied = sizes.layers == kLayersOf27B ? sizes.dim / sizes.heads : sizes.head_dim;
  if (scalar != static_cast<double>(implied)) {
    import.set_number("attention.scale", 1.0 / std::sqrt(scalar));
  }
  if (const auto cap = config.number("attn_logit_softcapping")) {
    import.set_number("attn_logit_softcapping", *cap);
  }
  if (const auto cap = config.number("final_logit_softcapping")) {
    import.set_number("final_logit_softcapping", *cap);
  }
}

void import_layer(HfImport& import, const LayerNames& names, const HfSizes& sizes) {
  const auto norm = [&](const char* target, const char* source) {
    import.vector(names.target + target, names.source + source, sizes.dim, TensorChange::kAddOne);
  };
  norm("attn_norm.weight", "input_layernorm.weight");
  import_attention(import, names, sizes, RotaryLayout::kHalves);
  import_head_norms(import, names, sizes, TensorChange::kAddOne);
  norm("post_attention_norm.weight", "post_attention_layernorm.weight");
  norm("ffn_norm.weight", "pre_feedforward_layernorm.weight");
  import_gated_ffn(import, names, sizes);
  norm("post_ffw_norm.weight", "post_feedforward_layernorm.weight");
}

std::string find_prefix(const HfImport& import) {
  for (const char* prefix : {"model.language_model.", "language_model.model."}) {
    if (import.has(std::string(prefix) + "embed_tokens.weight")) return prefix;
  }
  return "model.";
}

}  // namespace

void import_gemma3(HfImport& import) {
  const HfConfig& config = import.config();
  config.expect_text("hidden_activation", {"gelu_pytorch_tanh"});
  const HfSizes sizes = read_sizes(config);
  import_sizes(import, sizes);
  import.set_size("attention.key_length", sizes.head_dim);
  import.set_size("attention.value_length", sizes.head_dim);
  import.set_number("attention.layer_norm_rms_epsilon",
                    config.number("rms_norm_eps").value_or(1e-6));
  import_attention_settings(import, sizes);

  const std::string prefix = find_prefix(import);
  import.matrix("token_embd.weight", prefix + "embed_tokens.weight", sizes.vocabulary, sizes.dim);
  // The head is always the embedding table; the rest is what sees.
  for (const char* head : {"lm_head.weight", "language_model.lm_head.weight"}) import.ignore(head);
  for (const char* part : {"vision_tower.", "model.vision_tower.", "multi_modal_projector.",
                           "model.multi_modal_projector."}) {
    import.ignore_prefix(part);
  }
  import.vector("output_norm.weight", prefix + "norm.weight", sizes.dim, TensorChange::kAddOne);
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    import_layer(import, LayerNames(prefix, layer), sizes);
  }
  import_rope(import, read_hf_rope(config, 1e6, "full_attention"), sizes.head_dim);
  HfRope local = read_hf_rope(config, kLocalBaseDefault, "sliding_attention");
  if (config.find("rope_parameters") == nullptr) {
    local.base = config.number("rope_local_base_freq").value_or(kLocalBaseDefault);
  } else if (local.type != "default") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: scaled rotary positions in layers with a window are not supported",
                            config.origin()));
  }
  if (local.base != kLocalBaseDefault) import.set_number("rope.freq_base_swa", local.base);
}

}  // namespace minim
