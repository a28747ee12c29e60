// Llama (model/llama.cc): rotary positions in adjacent pairs, grouped queries, a gated block.
#include "train/blocks.h"

namespace minim::train {
namespace {

struct Layer {
  Parameter attention_norm;
  SplitQkv qkv;
  LinearParameters attention_out;
  Parameter ffn_norm;
  GatedFfn ffn;
};

class Llama final : public TrainGraph {
 public:
  Llama(const Context& context, const ModelConfig& config, const ParameterSet& parameters,
        const GraphOptions& options)
      : config_(config),
        options_(options),
        embedding_(parameters.require("token_embd.weight")),
        rotary_(make_train_rotary(context, config, parameters, RopePairing::kAdjacent)),
        output_norm_(parameters.require("output_norm.weight")) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back(
          {parameters.get(layer, "attn_norm.weight"), get_split_qkv(parameters, layer),
           get_linear(parameters, layer, "attn_output"), parameters.get(layer, "ffn_norm.weight"),
           get_gated_ffn(parameters, layer)});
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
    const Variable normed = norm(p, h, w.ffn_norm);
    return add_block(p, h, gated_ffn(p, normed, w.ffn, Activation::kSilu), 1);
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
  return std::make_unique<const Llama>(context, config, parameters, options);
}

}  // namespace

const TrainArchitecture kTrainLlama = {"llama", make};

}  // namespace minim::train
