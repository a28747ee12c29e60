#include "model/blocks.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>

#include "kernels/kernel_table.h"
#include "model/adapter/adapt.h"

namespace minim {
namespace {

void add_bias_spec(const std::string& name, int64_t size, Bias bias,
                   std::vector<TensorSpec>& specs) {
  if (bias == Bias::kNone) return;
  specs.push_back(vector_spec(name, TensorKind::kBias, size));
  specs.back().required = bias == Bias::kRequired;
}

std::vector<float> load_bias(WeightLoader& loader, int layer, std::string_view name, Bias bias) {
  return bias == Bias::kNone ? std::vector<float>() : loader.vector(layer, name);
}

void add_bias_if_any(const Pass& pass, const std::vector<float>& bias, MatrixView to) {
  if (!bias.empty()) add_bias(pass.context, bias, to);
}

}  // namespace

void require_rotary(const ModelConfig& config) {
  if (config.rope.dimension_count > 0) return;
  throw Error(ErrorCode::kFormat, fmt::format("model: '{}.rope.dimension_count' must not be zero",
                                              config.architecture));
}

void require_dense_rotary(const ModelConfig& config) {
  require_rotary(config);
  if (config.expert_count == 0) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("model: '{}.expert_count' is {}; this graph has no experts",
                          config.architecture, config.expert_count));
}

void add_token_specs(const ModelConfig& config, std::vector<TensorSpec>& specs) {
  specs.push_back(matrix_spec("token_embd.weight", config.vocabulary_size, config.dim));
  specs.push_back(matrix_spec("output.weight", config.vocabulary_size, config.dim));
  specs.back().required = !config.tied_embeddings;
}

void embed_tokens(const Pass& pass, const WeightMatrix& table) {
  embed(pass.context, table, pass.batch.tokens, pass.a.x);
  const float factor = pass.config.embedding_scale;
  if (factor != 1.0f) scale(pass.context, factor, pass.a.x);
}

bool keep_outputs(const Pass& pass) {
  const MatrixView x = pass.a.x;
  const auto& outputs = pass.batch.outputs;
  // Ascending, so that no row is overwritten before it has moved.
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (outputs[i] != row) std::copy_n(x.row(outputs[i]), x.cols, x.row(row));
  }
  pass.a.set_rows(static_cast<int64_t>(outputs.size()), count_few_rows(pass.batch)->outputs);
  return !outputs.empty();
}

void add_norm_spec(int layer, std::string_view name, int64_t size, std::vector<TensorSpec>& specs) {
  specs.push_back(vector_spec(layer_tensor(layer, name), TensorKind::kNorm, size));
}

void rms_norm(const Pass& pass, const std::vector<float>& weight, MatrixView from, MatrixView to) {
  rms_norm(pass.context, from, weight, pass.config.norm_epsilon, to);
}

void layer_norm(const Pass& pass, const LayerNormWeights& weights, MatrixView from, MatrixView to) {
  layer_norm(pass.context, from, weights.weight, weights.bias, pass.config.norm_epsilon, to);
}

void add_split_qkv_specs(const ModelConfig& config, int layer, Bias bias,
                         std::vector<TensorSpec>& specs) {
  add_linear_specs(layer, "attn_q", config.query_dim(), config.dim, bias, specs);
  add_linear_specs(layer, "attn_k", config.kv_dim(), config.dim, bias, specs);
  add_linear_specs(layer, "attn_v", config.kv_dim(), config.dim, bias, specs);
}

SplitQkvWeights load_split_qkv(WeightLoader& loader, int layer, Bias bias) {
  SplitQkvWeights weights;
  weights.query = loader.matrix(layer, "attn_q.weight");
  weights.key = loader.matrix(layer, "attn_k.weight");
  weights.value = loader.matrix(layer, "attn_v.weight");
  weights.query_bias = load_bias(loader, layer, "attn_q.bias", bias);
  weights.key_bias = load_bias(loader, layer, "attn_k.bias", bias);
  weights.value_bias = load_bias(loader, layer, "attn_v.bias", bias);
  return weights;
}

void project_qkv(const Pass& pass, const SplitQkvWeights& weights) {
  Activations& a = pass.a;
  const std::array<MatmulTarget, 3> targets = {
      {{&weights.query, a.query}, {&weights.key, a.key}, {&weights.value, a.value}}};
  matmul(pass.context, targets, a.normed, a.few_rows());
  for (const MatmulTarget& target : targets) adapt(pass, *target.weights, a.normed, target.out);
  add_bias_if_any(pass, weights.query_bias, a.query);
  add_bias_if_any(pass, weights.key_bias, a.key);
  add_bias_if_any(pass, weights.value_bias, a.value);
}

void add_fused_qkv_specs(const ModelConfig& config, int layer, Bias bias,
                         std::vector<TensorSpec>& specs) {
  add_linear_specs(layer, "attn_qkv", config.query_dim() + 2 * config.kv_dim(), config.dim, bias,
                   specs);
}

FusedQkvWeights load_fused_qkv(WeightLoader& loader, int layer, Bias bias) {
  return {loader.matrix(layer, "attn_qkv.weight"), load_bias(loader, layer, "attn_qkv.bias", bias)};
}

void project_qkv(const Pass& pass, const FusedQkvWeights& weights) {
  matmul(pass.context, weights.qkv, pass.a.normed, pass.a.qkv, pass.a.few_rows());
  adapt(pass, weights.qkv, pass.a.normed, pass.a.qkv);
  add_bias_if_any(pass, weights.bias, pass.a.qkv);
}

void add_head_norm_specs(const ModelConfig& config, int layer, std::vector<TensorSpec>& specs) {
  add_norm_spec(layer, "attn_q_norm.weight", config.head_dim, specs);
  add_norm_spec(layer, "attn_k_norm.weight", config.head_dim, specs);
}

HeadNormWeights load_head_norms(WeightLoader& loader, int layer) {
  return {loader.vector(layer, "attn_q_norm.weight"), loader.vector(layer, "attn_k_norm.weight")};
}

void norm_heads(const Pass& pass, const HeadNormWeights& weights) {
  rms_norm_heads(pass.context, pass.a.query, weights.query, pass.config.norm_epsilon);
  rms_norm_heads(pass.context, pass.a.key, weights.key, pass.config.norm_epsilon);
}

void rotate(const Pass& pass, const Rotary& rotary) {
  const RopeTable table = rotary.table();
  const int head_dim = pass.config.head_dim;
  rope(pass.context, table, pass.batch.positions, head_dim, pass.a.query);
  rope(pass.context, table, pass.batch.positions, head_dim, pass.a.key);
}

void attend(const Pass& pass, int layer) {
  AttentionOptions options;
  options.head_count = pass.config.head_count;
  options.scale = pass.config.attention_scale;
  options.soft_cap = pass.config.attention_soft_cap;
  options.window = pass.config.window(layer);
  Activations& a = pass.a;
  std::array<AttentionChunk, kAttentionChunksMax> chunks;
  size_t count = 0;
  const auto flush = [&] {
    attention(pass.context, layer, options, std::span(chunks).first(count));
    count = 0;
  };
  for (const SequenceChunk& from : pass.batch.chunks) {
    // Few rows attend one by one, each as if it came alone; the first has the keys of all.
    const int64_t step = from.count <= kernels::kFewRowsMax ? 1 : from.count;
    for (int64_t row = 0; row < from.count; row += step) {
      const int64_t begin = from.begin + row;
      const int64_t stored = row == 0 ? from.count : 0;
      chunks[count++] = {from.cache,
                         from.first_slot + row,
                         a.key.row_range(begin, stored),
                         a.value.row_range(begin, stored),
                         a.query.row_range(begin, step),
                         a.attended.row_range(begin, step)};
      if (count == chunks.size()) flush();
    }
  }
  if (count > 0) flush();
}

void add_linear_specs(int layer, std::string_view stem, int64_t rows, int64_t cols, Bias bias,
                      std::vector<TensorSpec>& specs) {
  const std::string name = layer_tensor(layer, stem);
  specs.push_back(matrix_spec(name + ".weight", rows, cols));
  add_bias_spec(name + ".bias", rows, bias, specs);
}

LinearWeights load_linear(WeightLoader& loader, int layer, std::string_view stem, Bias bias) {
  return {loader.matrix(layer, fmt::format("{}.weight", stem)),
          load_bias(loader, layer, fmt::format("{}.bias", stem), bias)};
}

void project(const Pass& pass, const LinearWeights& weights, MatrixView from, MatrixView to) {
  matmul(pass.context, weights.matrix, from, to, pass.a.few_rows());
  adapt(pass, weights.matrix, from, to);
  add_bias_if_any(pass, weights.bias, to);
}

void add_gated_ffn_specs(const ModelConfig& config, int layer, std::vector<TensorSpec>& specs) {
  add_linear_specs(layer, "ffn_gate", config.ffn_dim, config.dim, Bias::kNone, specs);
  add_linear_specs(layer, "ffn_up", config.ffn_dim, config.dim, Bias::kNone, specs);
  add_linear_specs(layer, "ffn_down", config.dim, config.ffn_dim, Bias::kNone, specs);
}

GatedFfnWeights load_gated_ffn(WeightLoader& loader, int layer) {
  return {loader.matrix(layer, "ffn_gate.weight"), loader.matrix(layer, "ffn_up.weight"),
          loader.matrix(layer, "ffn_down.weight")};
}

void gated_ffn(const Pass& pass, const GatedFfnWeights& weights, Activation activation) {
  Activations& a = pass.a;
  const std::array<MatmulTarget, 2> targets = {{{&weights.gate, a.gate}, {&weights.up, a.up}}};
  matmul(pass.context, targets, a.normed, a.few_rows());
  for (const MatmulTarget& target : targets) adapt(pass, *target.weights, a.normed, target.out);
  gated_activate(pass.context, activation, a.gate, a.up);
  matmul(pass.context, weights.down, a.gate, a.out, a.few_rows());
  adapt(pass, weights.down, a.gate, a.out);
}

void add_fused_gated_ffn_specs(const ModelConfig& config, int layer,
                               std::vector<TensorSpec>& specs) {
  add_linear_specs(layer, "ffn_up", int64_t{2} * config.ffn_dim, config.dim, Bias::kNone, specs);
  add_linear_specs(layer, "ffn_down", config.dim, config.ffn_dim, Bias::kNone, specs);
}

FusedGatedFfnWeights load_fused_gated_ffn(WeightLoader& loader, int layer) {
  return {loader.matrix(layer, "ffn_up.weight"), loader.matrix(layer, "ffn_down.weight")};
}

void gated_ffn(const Pass& pass, const FusedGatedFfnWeights& weights, Activation activation) {
  Activations& a = pass.a;
  matmul(pass.context, weights.gate_up, a.normed, a.gate_up, a.few_rows());
  adapt(pass, weights.gate_up, a.normed, a.gate_up);
  gated_activate(pass.context, activation, a.gate, a.up);
  matmul(pass.context, weights.down, a.gate, a.out, a.few_rows());
  adapt(pass, weights.down, a.gate, a.out);
}

}  // namespace minim
