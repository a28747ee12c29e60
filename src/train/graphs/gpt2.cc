// GPT-2 (model/gpt2.cc): learned positions, layer norms, biases everywhere, a plain block with
// GeLU.
#include "train/blocks.h"

namespace minim::train {
namespace {

struct LayerNorm {
  Parameter weight;
  Parameter bias;
};

struct Layer {
  LayerNorm attention_norm;
  LinearParameters qkv;
  LinearParameters attention_out;
  LayerNorm ffn_norm;
  LinearParameters ffn_up;
  LinearParameters ffn_down;
};

LayerNorm get_layer_norm(const ParameterSet& parameters, const std::string& stem) {
  return {parameters.require(stem + ".weight"), parameters.require(stem + ".bias")};
}

class Gpt2 final : public TrainGraph {
 public:
  Gpt2(const ModelConfig& config, const ParameterSet& parameters, const GraphOptions& options)
      : config_(config),
        options_(options),
        embedding_(parameters.require("token_embd.weight")),
        positions_(parameters.require("position_embd.weight")),
        output_norm_(get_layer_norm(parameters, "output_norm")) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back(
          {get_layer_norm(parameters, layer_tensor(layer, "attn_norm")),
           get_linear(parameters, layer, "attn_qkv"), get_linear(parameters, layer, "attn_output"),
           get_layer_norm(parameters, layer_tensor(layer, "ffn_norm")),
           get_linear(parameters, layer, "ffn_up"), get_linear(parameters, layer, "ffn_down")});
    }
  }

  Variable forward(Tape& tape, const TrainPass& pass) const override {
    const Variable tokens = embed_tokens(tape, config_, pass, embedding_);
    const Variable x = add(tape, tokens, embed(tape, positions_, pass.layout.positions, 1.0f));
    const Variable last =
        run_layers(tape, config_, options_, pass, x,
                   [this](const LayerPass& p, const Variable& in) { return layer_forward(p, in); });
    return layer_norm(tape, last, output_norm_.weight, output_norm_.bias, config_.norm_epsilon);
  }

 private:
  Variable normed(const LayerPass& p, const Variable& x, const LayerNorm& weights) const {
    return layer_norm(p.tape, x, weights.weight, weights.bias, config_.norm_epsilon);
  }

  Variable layer_forward(const LayerPass& p, const Variable& x) const {
    const Layer& w = layers_[static_cast<size_t>(p.layer)];
    const Qkv qkv = project_qkv(p, normed(p, x, w.attention_norm), w.qkv);
    const Variable h = add_block(p, x, project(p.tape, attend(p, qkv), w.attention_out), 0);
    const Variable up = project(p.tape, normed(p, h, w.ffn_norm), w.ffn_up);
    const Variable hidden = activate(p.tape, Activation::kGeluTanh, up);
    return add_block(p, h, project(p.tape, hidden, w.ffn_down), 1);
  }

  ModelConfig config_;
  GraphOptions options_;
  Parameter embedding_;
  Parameter positions_;  // [context, dim]
  std::vector<Layer> layers_;
  LayerNorm output_norm_;
};

std::unique_ptr<const TrainGraph> make(const Context&, const ModelConfig& config,
                                       const ParameterSet& parameters,
                                       const GraphOptions& options) {
  return std::make_unique<const Gpt2>(config, parameters, options);
}

}  // namespace

const TrainArchitecture kTrainGpt2 = {"gpt2", make};

}  // namespace minim::train
