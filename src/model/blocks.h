// The parts that graphs are composed of. Each reads and writes views of the activations, named in
// its comment; what differs between models comes in as weights or options, never as their name.
#pragma once

#include <string_view>
#include <vector>

#include "model/architecture.h"
#include "model/rotary.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace minim {

// Configs: parts of Architecture's functions.

inline void keep_defaults(ModelConfig&) {}
// Throw kFormat for a config without rotary dimensions, kUnsupported for one with experts.
void require_rotary(const ModelConfig& config);
void require_dense_rotary(const ModelConfig& config);

// Tokens.

void add_token_specs(const ModelConfig& config, std::vector<TensorSpec>& specs);
// tokens -> a.x, scaled by config.embedding_scale.
void embed_tokens(const Pass& pass, const WeightMatrix& table);
// Keeps only the rows of batch.outputs: of a.x in place, and as the size of every view. False where
// nothing is left to compute.
bool keep_outputs(const Pass& pass);

// Norms.

void add_norm_spec(int layer, std::string_view name, int64_t size, std::vector<TensorSpec>& specs);

// from -> to, one of a.x, a.normed, a.out each.
void rms_norm(const Pass& pass, const std::vector<float>& weight, MatrixView from, MatrixView to);

struct LayerNormWeights {
  std::vector<float> weight;  // [dim]
  std::vector<float> bias;    // [dim]
};
void layer_norm(const Pass& pass, const LayerNormWeights& weights, MatrixView from, MatrixView to);

// Attention.

// Queries, keys and values from three matrices, each with an optional bias.
struct SplitQkvWeights {
  WeightMatrix query, key, value;                       // [heads * head_dim, dim]
  std::vector<float> query_bias, key_bias, value_bias;  // [heads * head_dim], or empty
};
enum class Bias { kNone, kOptional, kRequired };
void add_split_qkv_specs(const ModelConfig& config, int layer, Bias bias,
                         std::vector<TensorSpec>& specs);
SplitQkvWeights load_split_qkv(WeightLoader& loader, int layer, Bias bias);
// a.normed -> a.query, a.key, a.value
void project_qkv(const Pass& pass, const SplitQkvWeights& weights);

// The same from one matrix.
struct FusedQkvWeights {
  WeightMatrix qkv;         // [(heads + 2 * kv_heads) * head_dim, dim]
  std::vector<float> bias;  // likewise, or empty
};
void add_fused_qkv_specs(const ModelConfig& config, int layer, Bias bias,
                         std::vector<TensorSpec>& specs);
FusedQkvWeights load_fused_qkv(WeightLoader& loader, int layer, Bias bias);
void project_qkv(const Pass& pass, const FusedQkvWeights& weights);

// Norms of every single query and key head: a.query, a.key in place.
struct HeadNormWeights {
  std::vector<float> query, key;  // [head_dim]
};
void add_head_norm_specs(const ModelConfig& config, int layer, std::vector<TensorSpec>& specs);
HeadNormWeights load_head_norms(WeightLoader& loader, int layer);
void norm_heads(const Pass& pass, const HeadNormWeights& weights);

// a.query, a.key in place.
void rotate(const Pass& pass, const Rotary& rotary);

// Stores a.key and a.value, then a.query -> a.attended, sequence by sequence, within the window
// that the config gives this layer.
void attend(const Pass& pass, int layer);

// A matrix with an optional bias.
struct LinearWeights {
  WeightMatrix matrix;
  std::vector<float> bias;  // or empty
};
// `stem` without ".weight": "attn_output", "ffn_down".
void add_linear_specs(int layer, std::string_view stem, int64_t rows, int64_t cols, Bias bias,
                      std::vector<TensorSpec>& specs);
LinearWeights load_linear(WeightLoader& loader, int layer, std::string_view stem, Bias bias);
void project(const Pass& pass, const LinearWeights& weights, MatrixView from, MatrixView to);

// Feed-forward.

// down(f(gate(x)) * up(x)) (Shazeer, 2020).
struct GatedFfnWeights {
  WeightMatrix gate, up;  // [ffn_dim, dim]
  WeightMatrix down;      // [dim, ffn_dim]
};
void add_gated_ffn_specs(const ModelConfig& config, int layer, std::vector<TensorSpec>& specs);
GatedFfnWeights load_gated_ffn(WeightLoader& loader, int layer);
// a.normed -> a.out
void gated_ffn(const Pass& pass, const GatedFfnWeights& weights, Activation activation);

// The same with gate and up in one matrix.
struct FusedGatedFfnWeights {
  WeightMatrix gate_up;  // [2 * ffn_dim, dim], the gate first; "ffn_up" in files
  WeightMatrix down;     // [dim, ffn_dim]
};
void add_fused_gated_ffn_specs(const ModelConfig& config, int layer,
                               std::vector<TensorSpec>& specs);
FusedGatedFfnWeights load_fused_gated_ffn(WeightLoader& loader, int layer);
void gated_ffn(const Pass& pass, const FusedGatedFfnWeights& weights, Activation activation);

}  // namespace minim
