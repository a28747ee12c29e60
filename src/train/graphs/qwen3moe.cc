// Qwen 3 with a mixture of experts in every layer's feed-forward block (model/qwen3moe.cc).
#include "train/blocks.h"

namespace minim::train {
namespace {

struct Layer {
  Parameter attention_norm;
  SplitQkv qkv;
  HeadNorms head_norms;
  LinearParameters attention_out;
  Parameter ffn_norm;
  ExpertParameters experts;
};

ExpertParameters get_experts(const ParameterSet& parameters, int layer) {
  const auto get = [&](std::string_view name) {
    return parameters.require(layer_tensor(layer, name));
  };
  return {get("ffn_gate_inp.weight"), get("ffn_gate_exps.weight"), get("ffn_up_exps.weight"),
          get("ffn_down_exps.weight")};
}

class Qwen3Moe final : public TrainGraph {
 public:
  Qwen3Moe(const Context& context, const ModelConfig& config, const ParameterSet& parameters,
           const GraphOptions& options)
      : config_(config),
        options_(options),
        embedding_(parameters.require("token_embd.weight")),
        rotary_(make_train_rotary(context, config, parameters, RopePairing::kHalves)),
        output_norm_(parameters.require("output_norm.weight")) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back({parameters.get(layer, "attn_norm.weight"),
                         get_split_qkv(parameters, layer), get_head_norms(parameters, layer),
                         get_linear(parameters, layer, "attn_output"),
                         parameters.get(layer, "ffn_norm.weight"), get_experts(parameters, layer)});
    }
  }

  Variable forward(Tape& tape, const TrainPass& pass) const override {
    const Variable x = embed_tokens(tape, config_, pass, embedding_);
    const Variable last =
        run_layers(tape, config_, options_, pass, x,
                   [this](const LayerPass& p, const Variable& in) { return layer_forward(p, in); });
    return rms_norm(tape, last, output_norm_, config_.norm_epsilon);
  }

 private:
  Variable layer_forward(const LayerPass& p, const Variable& x) const {
    const Layer& w = layers_[static_cast<size_t>(p.layer)];
    Qkv qkv = project_qkv(p, norm(p, x, w.attention_norm), w.qkv);
    norm_heads(p, w.head_norms, qkv);
    rotate(p, rotary_, qkv);
    const Variable h = add_block(p, x, project(p.tape, attend(p, qkv), w.attention_out), 0);
    const Variable normed = norm(p, h, w.ffn_norm);
    const ExpertOptions routing = {config_.expert_count,        config_.expert_used_count,
                                   config_.expert_weights_norm, config_.expert_weights_scale,
                                   Activation::kSilu,           p.options.balance_weight};
    return add_block(p, h, experts(p.tape, normed, w.experts, routing), 1);
  }

  ModelConfig config_;
  GraphOptions options_;
  Parameter embedding_;
  Rotary rotary_;
  std::vector<Layer> layers_;
  Parameter output_norm_;
};

std::unique_ptr<const TrainGraph> make(const Context& context, const ModelConfig& config,
                                       const ParameterSet& parameters,
                                       const GraphOptions& options) {
  return std::make_unique<const Qwen3Moe>(context, config, parameters, options);
}

}  // namespace

const TrainArchitecture kTrainQwen3Moe = {"qwen3moe", make};

}  // namespace minim::train
