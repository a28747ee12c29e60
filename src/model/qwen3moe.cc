// Qwen 3 with a mixture of experts in every layer's feed-forward block (Yang et al., 2025).
#include "model/architecture.h"
#include "model/blocks.h"
#include "model/experts.h"

namespace minim {
namespace {

struct Layer {
  std::vector<float> attention_norm;
  SplitQkvWeights qkv;
  HeadNormWeights head_norms;
  LinearWeights attention_out;
  std::vector<float> ffn_norm;
  ExpertsWeights experts;
};

class Qwen3Moe final : public Graph {
 public:
  Qwen3Moe(WeightLoader& loader, const ModelConfig& config)
      : embedding_(loader.matrix("token_embd.weight")),
        rotary_(load_rotary(loader, config, RopePairing::kHalves)) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back({loader.vector(layer, "attn_norm.weight"),
                         load_split_qkv(loader, layer, Bias::kNone), load_head_norms(loader, layer),
                         load_linear(loader, layer, "attn_output", Bias::kNone),
                         loader.vector(layer, "ffn_norm.weight"), load_experts(loader, layer)});
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
      rotate(pass, rotary_);
      attend(pass, static_cast<int>(layer));
      project(pass, w.attention_out, a.attended, a.out);
      add(pass.context, a.out, a.x);
      if (layer + 1 == layers_.size() && !keep_outputs(pass)) return;
      rms_norm(pass, w.ffn_norm, a.x, a.normed);
      experts_ffn(pass, w.experts, Activation::kSilu);
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
    add_split_qkv_specs(config, layer, Bias::kNone, specs);
    add_head_norm_specs(config, layer, specs);
    add_linear_specs(layer, "attn_output", config.dim, config.query_dim(), Bias::kNone, specs);
    add_norm_spec(layer, "ffn_norm.weight", config.dim, specs);
    add_experts_specs(config, layer, specs);
  }
  specs.push_back(vector_spec("output_norm.weight", TensorKind::kNorm, config.dim));
  return specs;
}

void require_experts(const ModelConfig& config) {
  require_rotary(config);
  if (config.expert_count > 0) return;
  throw Error(ErrorCode::kFormat, "model: 'qwen3moe.expert_count' is missing or zero");
}

std::unique_ptr<const Graph> load(WeightLoader& loader, const ModelConfig& config) {
  return std::make_unique<const Qwen3Moe>(loader, config);
}

}  // namespace

const Architecture kQwen3Moe = {
    "qwen3moe", "attention.layer_norm_rms_epsilon", keep_defaults, require_experts, tensors, load};

}  // namespace minim
