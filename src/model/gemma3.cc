// Gemma 3: five layers with a sliding window and their own rotary base for each that sees all,
// norms before and after every block, normed heads, scaled embeddings, GeLU in the gate (Gemma
// Team, 2025).
#include <cmath>

#include "model/architecture.h"
#include "model/blocks.h"

namespace minim {
namespace {

struct Layer {
  std::vector<float> attention_norm;
  SplitQkvWeights qkv;
  HeadNormWeights head_norms;
  LinearWeights attention_out;
  std::vector<float> attention_post_norm;
  std::vector<float> ffn_norm;
  GatedFfnWeights ffn;
  std::vector<float> ffn_post_norm;
};

class Gemma3 final : public Graph {
 public:
  Gemma3(WeightLoader& loader, const ModelConfig& config)
      : embedding_(loader.matrix("token_embd.weight")),
        rotary_(load_rotary(loader, config, RopePairing::kHalves)),
        local_rotary_(make_local_rotary(config, RopePairing::kHalves)) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      is_local_.push_back(config.window(layer) > 0);
      layers_.push_back({loader.vector(layer, "attn_norm.weight"),
                         load_split_qkv(loader, layer, Bias::kNone), load_head_norms(loader, layer),
                         load_linear(loader, layer, "attn_output", Bias::kNone),
                         loader.vector(layer, "post_attention_norm.weight"),
                         loader.vector(layer, "ffn_norm.weight"), load_gated_ffn(loader, layer),
                         loader.vector(layer, "post_ffw_norm.weight")});
    }
    output_norm_ = loader.vector("output_norm.weight");
  }

  void forward(const Pass& pass) const override {
    Activations& a = pass.a;
    embed_tokens(pass, embedding_);
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      const Layer& w = layers_[layer];
      rms_norm(pass, w.attention_norm, a.x, a.normed);
      project_qkv(pass, w.qkv);
      norm_heads(pass, w.head_norms);
      rotate(pass, *rotary(static_cast<int>(layer)));
      attend(pass, static_cast<int>(layer));
      project(pass, w.attention_out, a.attended, a.out);
      rms_norm(pass, w.attention_post_norm, a.out, a.out);
      add(pass.context, a.out, a.x);
      if (layer + 1 == layers_.size() && !keep_outputs(pass)) return;
      rms_norm(pass, w.ffn_norm, a.x, a.normed);
      gated_ffn(pass, w.ffn, Activation::kGeluTanh);
      rms_norm(pass, w.ffn_post_norm, a.out, a.out);
      add(pass.context, a.out, a.x);
    }
    rms_norm(pass, output_norm_, a.x, a.normed);
  }

  const Rotary* rotary(int layer) const override {
    return is_local_[static_cast<size_t>(layer)] ? &local_rotary_ : &rotary_;
  }

 private:
  WeightMatrix embedding_;
  Rotary rotary_;
  Rotary local_rotary_;
  std::vector<bool> is_local_;  // [layers]
  std::vector<Layer> layers_;
  std::vector<float> output_norm_;
};

std::vector<TensorSpec> tensors(const ModelConfig& config) {
  std::vector<TensorSpec> specs;
  add_token_specs(config, specs);
  add_rotary_specs(config, specs);
  for (int layer = 0; layer < config.layer_count; ++layer) {
    add_norm_spec(layer, "attn_norm.weight", config.dim, specs);
    add_split_qkv_specs(config, layer, Bias::kNone, specs);
    add_head_norm_specs(config, layer, specs);
    add_linear_specs(layer, "attn_output", config.dim, config.query_dim(), Bias::kNone, specs);
    add_norm_spec(layer, "post_attention_norm.weight", config.dim, specs);
    add_norm_spec(layer, "ffn_norm.weight", config.dim, specs);
    add_gated_ffn_specs(config, layer, specs);
    add_norm_spec(layer, "post_ffw_norm.weight", config.dim, specs);
  }
  specs.push_back(vector_spec("output_norm.weight", TensorKind::kNorm, config.dim));
  return specs;
}

void set_defaults(ModelConfig& config) {
  constexpr int kLayersOf27B = 62;
  config.embedding_scale = std::sqrt(static_cast<float>(config.dim));
  config.global_interval = 6;
  config.rope.base = 1e6;
  config.rope_base_local = 10000.0;
  // The largest model scales by its width; files do not say so and are told by their depth.
  if (config.layer_count == kLayersOf27B) {
    config.attention_scale =
        1.0f / std::sqrt(static_cast<float>(config.dim) / static_cast<float>(config.head_count));
  }
}

void check(const ModelConfig& config) {
  require_dense_rotary(config);
  if (config.sliding_window > 0 && config.rope_base_local > 0.0) return;
  throw Error(ErrorCode::kFormat,
              "model: 'gemma3.attention.sliding_window' and 'gemma3.rope.freq_base_swa' must not "
              "be zero");
}

std::unique_ptr<const Graph> load(WeightLoader& loader, const ModelConfig& config) {
  return std::make_unique<const Gemma3>(loader, config);
}

}  // namespace

const Architecture kGemma3 = {
    "gemma3", "attention.layer_norm_rms_epsilon", set_defaults, check, tensors, load};

}  // namespace minim
