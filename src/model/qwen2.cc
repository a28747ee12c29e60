// Qwen 2 and 2.5: as Llama, with biases on queries, keys and values and rotary positions in halves
// (Yang et al., 2024).
#include "model/architecture.h"
#include "model/blocks.h"

namespace minim {
namespace {

struct Layer {
  std::vector<float> attention_norm;
  SplitQkvWeights qkv;
  LinearWeights attention_out;
  std::vector<float> ffn_norm;
  GatedFfnWeights ffn;
};

class Qwen2 final : public Graph {
 public:
  Qwen2(WeightLoader& loader, const ModelConfig& config)
      : embedding_(loader.matrix("token_embd.weight")),
        rotary_(load_rotary(loader, config, RopePairing::kHalves)) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back({loader.vector(layer, "attn_norm.weight"),
                         load_split_qkv(loader, layer, Bias::kRequired),
                         load_linear(loader, layer, "attn_output", Bias::kNone),
                         loader.vector(layer, "ffn_norm.weight"), load_gated_ffn(loader, layer)});
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
      rotate(pass, rotary_);
      attend(pass, static_cast<int>(layer));
      project(pass, w.attention_out, a.attended, a.out);
      add(pass.context, a.out, a.x);
      if (layer + 1 == layers_.size() && !keep_outputs(pass)) return;
      rms_norm(pass, w.ffn_norm, a.x, a.normed);
      gated_ffn(pass, w.ffn, Activation::kSilu);
      add(pass.context, a.out, a.x);
    }
    rms_norm(pass, output_norm_, a.x, a.normed);
  }

  const Rotary* rotary(int) const override { return &rotary_; }

 private:
  WeightMatrix embedding_;
  Rotary rotary_;
  std::vector<Layer> layers_;
  std::vector<float> output_norm_;
};

std::vector<TensorSpec> tensors(const ModelConfig& config) {
  std::vector<TensorSpec> specs;
  add_token_specs(config, specs);
  add_rotary_specs(config, specs);
  for (int layer = 0; layer < config.layer_count; ++layer) {
    add_norm_spec(layer, "attn_norm.weight", config.dim, specs);
    add_split_qkv_specs(config, layer, Bias::kRequired, specs);
    add_linear_specs(layer, "attn_output", config.dim, config.query_dim(), Bias::kNone, specs);
    add_norm_spec(layer, "ffn_norm.weight", config.dim, specs);
    add_gated_ffn_specs(config, layer, specs);
  }
  specs.push_back(vector_spec("output_norm.weight", TensorKind::kNorm, config.dim));
  return specs;
}

std::unique_ptr<const Graph> load(WeightLoader& loader, const ModelConfig& config) {
  return std::make_unique<const Qwen2>(loader, config);
}

}  // namespace

const Architecture kQwen2 = {"qwen2",       "attention.layer_norm_rms_epsilon",
                             keep_defaults, require_dense_rotary,
                             tensors,       load};

}  // namespace minim
