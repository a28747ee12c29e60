// The parts that trained graphs are composed of, as model/blocks.h is for those that run.
#pragma once

#include <functional>
#include <string_view>

#include "model/rotary.h"
#include "train/graph.h"
#include "train/ops/ops.h"

namespace minim::train {

// What a layer works with.
struct LayerPass {
  Tape& tape;
  const ModelConfig& config;
  const GraphOptions& options;
  const TrainPass& pass;
  int layer;
};

Variable embed_tokens(Tape& tape, const ModelConfig& config, const TrainPass& pass,
                      const Parameter& table);

// Runs the layers one after the other; what `layer` gives is the residual stream after it.
using LayerBody = std::function<Variable(const LayerPass&, const Variable&)>;
Variable run_layers(Tape& tape, const ModelConfig& config, const GraphOptions& options,
                    const TrainPass& pass, const Variable& x, const LayerBody& body);

// Rotary frequencies, from the factors among the parameters where a file brought some.
Rotary make_train_rotary(const Context& context, const ModelConfig& config,
                         const ParameterSet& parameters, RopePairing pairing);

// A matrix with a bias that may not exist.
struct LinearParameters {
  Parameter matrix;
  Parameter bias;
};
// `stem` without ".weight".
LinearParameters get_linear(const ParameterSet& parameters, int layer, std::string_view stem);
Variable project(Tape& tape, const Variable& x, const LinearParameters& linear);

struct Qkv {
  Variable query;
  Variable key;
  Variable value;
};

struct SplitQkv {
  LinearParameters query;
  LinearParameters key;
  LinearParameters value;
};
SplitQkv get_split_qkv(const ParameterSet& parameters, int layer);
Qkv project_qkv(const LayerPass& p, const Variable& x, const SplitQkv& weights);
// From one matrix, "attn_qkv".
Qkv project_qkv(const LayerPass& p, const Variable& x, const LinearParameters& fused);

struct HeadNorms {
  Parameter query;  // [1, head_dim]
  Parameter key;
};
HeadNorms get_head_norms(const ParameterSet& parameters, int layer);
void norm_heads(const LayerPass& p, const HeadNorms& norms, Qkv& qkv);

void rotate(const LayerPass& p, const Rotary& rotary, Qkv& qkv);
Variable attend(const LayerPass& p, const Qkv& qkv);

Variable norm(const LayerPass& p, const Variable& x, const Parameter& weight);

// What a block adds to the stream, some of it dropped. site: 0 or 1 within the layer.
Variable add_block(const LayerPass& p, const Variable& x, const Variable& block, int site);

struct GatedFfn {
  Parameter gate;  // [ffn_dim, dim]
  Parameter up;    // [ffn_dim, dim]
  Parameter down;  // [dim, ffn_dim]
};
GatedFfn get_gated_ffn(const ParameterSet& parameters, int layer);
Variable gated_ffn(const LayerPass& p, const Variable& x, const GatedFfn& ffn,
                   Activation activation);

}  // namespace minim::train
