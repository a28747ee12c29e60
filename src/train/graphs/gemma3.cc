// Gemma 3 (model/gemma3.cc): layers with a sliding window and their own rotary base, norms before
// and after every block, normed heads, scaled embeddings, GeLU in the gate.
#include "train/blocks.h"

namespace minim::train {
namespace {

struct Layer {
  Parameter attention_norm;
  SplitQkv qkv;
  HeadNorms head_norms;
  LinearParameters attention_out;
  Parameter attention_post_norm;
  Parameter ffn_norm;
  GatedFfn ffn;
  Parameter ffn_post_norm;
};

class Gemma3 final : public TrainGraph {
 public:
  Gemma3(const Context& context, const ModelConfig& config, const ParameterSet& parameters,
         const GraphOptions& options)
      : config_(config),
        options_(options),
        embedding_(parameters.require("token_embd.weight")),
        rotary_(make_train_rotary(context, config, parameters, RopePairing::kHalves)),
        local_rotary_(make_local_rotary(config, RopePairing::kHalves)),
        output_norm_(parameters.require("output_norm.weight")) {
    for (int layer = 0; layer < config.layer_count; ++layer) {
      layers_.push_back({parameters.get(layer, "attn_norm.weight"),
                         get_split_qkv(parameters, layer), get_head_norms(parameters, layer),
                         get_linear(parameters, layer, "attn_output"),
                         parameters.get(layer, "post_attention_norm.weight"),
                         parameters.get(layer, "ffn_norm.weight"), get_gated_ffn(parameters, layer),
                         parameters.get(layer, "post_ffw_norm.weight")});
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
    rotate(p, config_.window(p.layer) > 0 ? local_rotary_ : rotary_, qkv);
    const Variable attended = project(p.tape, attend(p, qkv), w.attention_out);
    const Variable h = add_block(p, x, norm(p, attended, w.attention_post_norm), 0);
    const Variable fed = gated_ffn(p, norm(p, h, w.ffn_norm), w.ffn, Activation::kGeluTanh);
    return add_block(p, h, norm(p, fed, w.ffn_post_norm), 1);
  }

  ModelConfig config_;
  GraphOptions options_;
  Parameter embedding_;
  Rotary rotary_;
  Rotary local_rotary_;
  std::vector<Layer> layers_;
  Parameter output_norm_;
};

std::unique_ptr<const TrainGraph> make(const Context& context, const ModelConfig& config,
                                       const ParameterSet& parameters,
                                       const GraphOptions& options) {
  return std::make_unique<const Gemma3>(context, config, parameters, options);
}

}  // namespace

const TrainArchitecture kTrainGemma3 = {"gemma3", make};

}  // namespace minim::train
