// Phi 3, 3.5 and 4 (model/phi3.cc): one matrix for queries, keys and values and one for gate and
// up, rotary positions in halves.
#include "train/blocks.h"

namespace minim::train {
namespace {

struct Layer {
  Parameter attention_norm;
  LinearParameters qkv;
  LinearParameters attention_out;
  Parameter ffn_norm;
  LinearParameters gate_up;
  LinearParameters down;
};

class Phi3 final : public TrainGraph {
 public:
  Phi3(const Context& context, const ModelConfig& config, const ParameterSet& parameters,
       const GraphOptions& options)
      : config_(config),
        options_(options),
        embedding_(parameters.require("token_embd.weight")),
        rotary_(make_train_rotary(context, config, parameters, RopePairing::kHalves)),
        output_norm_(parameters.require("output_norm.weight")) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back(
          {parameters.get(layer, "attn_norm.weight"), get_linear(parameters, layer, "attn_qkv"),
           get_linear(parameters, layer, "attn_output"), parameters.get(layer, "ffn_norm.weight"),
           get_linear(parameters, layer, "ffn_up"), get_linear(parameters, layer, "ffn_down")});
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
    rotate(p, rotary_, qkv);
    const Variable h = add_block(p, x, project(p.tape, attend(p, qkv), w.attention_out), 0);
    const Variable gate_up = project(p.tape, norm(p, h, w.ffn_norm), w.gate_up);
    const Variable gate = slice_columns(p.tape, gate_up, 0, config_.ffn_dim);
    const Variable up = slice_columns(p.tape, gate_up, config_.ffn_dim, config_.ffn_dim);
    const Variable hidden = gated_activate(p.tape, Activation::kSilu, gate, up);
    return add_block(p, h, project(p.tape, hidden, w.down), 1);
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
  return std::make_unique<const Phi3>(context, config, parameters, options);
}

}  // namespace

const TrainArchitecture kTrainPhi3 = {"phi3", make};

}  // namespace minim::train
