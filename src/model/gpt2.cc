// GPT-2: learned positions, layer norms, biases everywhere, a plain feed-forward block with GeLU
// (Radford et al., 2019).
#include "model/architecture.h"
#include "model/blocks.h"

namespace minim {
namespace {

struct Layer {
  LayerNormWeights attention_norm;
  FusedQkvWeights qkv;
  LinearWeights attention_out;
  LayerNormWeights ffn_norm;
  LinearWeights ffn_up;
  LinearWeights ffn_down;
};

LayerNormWeights load_layer_norm(WeightLoader& loader, const std::string& stem) {
  return {loader.vector(stem + ".weight"), loader.vector(stem + ".bias")};
}

class Gpt2 final : public Graph {
 public:
  Gpt2(WeightLoader& loader, const ModelConfig& config)
      : embedding_(loader.matrix("token_embd.weight")),
        positions_(loader.matrix("position_embd.weight")) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back({load_layer_norm(loader, layer_tensor(layer, "attn_norm")),
                         load_fused_qkv(loader, layer, Bias::kRequired),
                         load_linear(loader, layer, "attn_output", Bias::kRequired),
                         load_layer_norm(loader, layer_tensor(layer, "ffn_norm")),
                         load_linear(loader, layer, "ffn_up", Bias::kRequired),
                         load_linear(loader, layer, "ffn_down", Bias::kRequired)});
    }
    output_norm_ = load_layer_norm(loader, "output_norm");
  }

  void forward(const Pass& pass) const override {
    Activations& a = pass.a;
    embed_tokens(pass, embedding_);
    embed(pass.context, positions_, pass.batch.positions, a.out);
    add(pass.context, a.out, a.x);
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      const Layer& w = layers_[layer];
      layer_norm(pass, w.attention_norm, a.x, a.normed);
      project_qkv(pass, w.qkv);
      attend(pass, static_cast<int>(layer));
      project(pass, w.attention_out, a.attended, a.out);
      add(pass.context, a.out, a.x);
      if (layer + 1 == layers_.size() && !keep_outputs(pass)) return;
      layer_norm(pass, w.ffn_norm, a.x, a.normed);
      project(pass, w.ffn_up, a.normed, a.up);
      activate(pass.context, Activation::kGeluTanh, a.up);
      project(pass, w.ffn_down, a.up, a.out);
      add(pass.context, a.out, a.x);
    }
    layer_norm(pass, output_norm_, a.x, a.normed);
  }

  const Rotary* rotary(int) const override { return nullptr; }

 private:
  WeightMatrix embedding_;
  WeightMatrix positions_;  // [context, dim]
  std::vector<Layer> layers_;
  LayerNormWeights output_norm_;
};

void add_layer_norm_specs(const std::string& stem, int64_t size, std::vector<TensorSpec>& specs) {
  specs.push_back(vector_spec(stem + ".weight", TensorKind::kNorm, size));
  specs.push_back(vector_spec(stem + ".bias", TensorKind::kBias, size));
}

std::vector<TensorSpec> tensors(const ModelConfig& config) {
  const int dim = config.dim;
  std::vector<TensorSpec> specs;
  add_token_specs(config, specs);
  specs.push_back(matrix_spec("position_embd.weight", config.learned_positions, dim));
  for (int layer = 0; layer < config.layer_count; ++layer) {
    add_layer_norm_specs(layer_tensor(layer, "attn_norm"), dim, specs);
    add_fused_qkv_specs(config, layer, Bias::kRequired, specs);
    add_linear_specs(layer, "attn_output", dim, config.query_dim(), Bias::kRequired, specs);
    add_layer_norm_specs(layer_tensor(layer, "ffn_norm"), dim, specs);
    add_linear_specs(layer, "ffn_up", config.ffn_dim, dim, Bias::kRequired, specs);
    add_linear_specs(layer, "ffn_down", dim, config.ffn_dim, Bias::kRequired, specs);
  }
  add_layer_norm_specs("output_norm", dim, specs);
  return specs;
}

void set_defaults(ModelConfig& config) {
  config.rope.dimension_count = 0;
  config.learned_positions = config.context_length;
}

void check(const ModelConfig& config) {
  if (config.rope.dimension_count == 0 && config.expert_count == 0 &&
      config.learned_positions >= config.context_length) {
    return;
  }
  throw Error(ErrorCode::kUnsupported,
              "model: GPT-2 has learned positions for its whole context and neither rotary ones "
              "nor experts");
}

std::unique_ptr<const Graph> load(WeightLoader& loader, const ModelConfig& config) {
  return std::make_unique<const Gpt2>(loader, config);
}

}  // namespace

const Architecture kGpt2 = {"gpt2", "attention.layer_norm_epsilon", set_defaults, check, tensors,
                            load};

}  // namespace minim
