#include "train/blocks.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

namespace minim::train {
namespace {

constexpr uint64_t kSitesPerLayer = 2;

Parameter get_tensor(const ParameterSet& parameters, int layer, std::string_view name) {
  return parameters.require(layer_tensor(layer, name));
}

}  // namespace

Variable embed_tokens(Tape& tape, const ModelConfig& config, const TrainPass& pass,
                      const Parameter& table) {
  return embed(tape, table, pass.tokens, config.embedding_scale);
}

Variable run_layers(Tape& tape, const ModelConfig& config, const GraphOptions& options,
                    const TrainPass& pass, const Variable& x, const LayerBody& body) {
  Variable stream = x;
  for (int layer = 0; layer < config.layer_count; ++layer) {
    // `pass` itself may be gone when the layer runs again.
    const auto run = [&config, &options, pass, layer, body](Tape& on, const Variable& in) {
      return body({on, config, options, pass, layer}, in);
    };
    if (tape.records() && tape.options().layer_done) {
      // The first step that a layer records is the last one that is taken on its way back.
      tape.record([layer](Tape& on) { on.options().layer_done(layer); });
    }
    stream = options.recompute ? tape.recompute(stream, run) : run(tape, stream);
    if (pass.kept == nullptr) continue;
    if (std::count(pass.kept_layers.begin(), pass.kept_layers.end(), layer) > 0) {
      pass.kept->push_back(stream);
    }
  }
  return stream;
}

Rotary make_train_rotary(const Context& context, const ModelConfig& config,
                         const ParameterSet& parameters, RopePairing pairing) {
  std::vector<TensorSpec> specs;
  add_rotary_specs(config, specs);
  std::vector<TensorEntry> entries;
  for (const TensorSpec& spec : specs) {
    const Parameter factors = parameters.get(spec.name);
    if (factors.values == nullptr) continue;
    TensorEntry entry;
    entry.name = spec.name;
    entry.shape = spec.shape;
    const std::span<const float> values(factors.values, static_cast<size_t>(factors.cols));
    entry.load = [values] { return TensorBytes{std::as_bytes(values), nullptr, nullptr}; };
    entries.push_back(std::move(entry));
  }
  WeightLoader loader(
      context, std::make_shared<const ModelFile>(Path(), "memory", Metadata(), std::move(entries)),
      specs, {});
  return load_rotary(loader, config, pairing);
}

LinearParameters get_linear(const ParameterSet& parameters, int layer, std::string_view stem) {
  return {get_tensor(parameters, layer, fmt::format("{}.weight", stem)),
          parameters.get(layer, fmt::format("{}.bias", stem))};
}

Variable project(Tape& tape, const Variable& x, const LinearParameters& weights) {
  return linear(tape, x, weights.matrix, weights.bias.exists() ? &weights.bias : nullptr);
}

SplitQkv get_split_qkv(const ParameterSet& parameters, int layer) {
  return {get_linear(parameters, layer, "attn_q"), get_linear(parameters, layer, "attn_k"),
          get_linear(parameters, layer, "attn_v")};
}

Qkv project_qkv(const LayerPass& p, const Variable& x, const SplitQkv& weights) {
  return {project(p.tape, x, weights.query), project(p.tape, x, weights.key),
          project(p.tape, x, weights.value)};
}

Qkv project_qkv(const LayerPass& p, const Variable& x, const LinearParameters& fused) {
  const int64_t query_dim = p.config.query_dim();
  const int64_t kv_dim = p.config.kv_dim();
  const Variable all = project(p.tape, x, fused);
  return {slice_columns(p.tape, all, 0, query_dim), slice_columns(p.tape, all, query_dim, kv_dim),
          slice_columns(p.tape, all, query_dim + kv_dim, kv_dim)};
}

HeadNorms get_head_norms(const ParameterSet& parameters, int layer) {
  return {get_tensor(parameters, layer, "attn_q_norm.weight"),
          get_tensor(parameters, layer, "attn_k_norm.weight")};
}

void norm_heads(const LayerPass& p, const HeadNorms& norms, Qkv& qkv) {
  qkv.query = rms_norm_heads(p.tape, qkv.query, norms.query, p.config.norm_epsilon);
  qkv.key = rms_norm_heads(p.tape, qkv.key, norms.key, p.config.norm_epsilon);
}

void rotate(const LayerPass& p, const Rotary& rotary, Qkv& qkv) {
  const std::span<const int32_t> positions = p.pass.layout.positions;
  qkv.query = rope(p.tape, qkv.query, rotary.table(), positions, p.config.head_dim);
  qkv.key = rope(p.tape, qkv.key, rotary.table(), positions, p.config.head_dim);
}

Variable attend(const LayerPass& p, const Qkv& qkv) {
  const AttentionShape shape = {p.config.head_count,         p.config.kv_head_count,
                                p.config.head_dim,           p.config.attention_scale,
                                p.config.attention_soft_cap, p.config.window(p.layer)};
  return attention(p.tape, qkv.query, qkv.key, qkv.value, shape, p.pass.layout.segments);
}

Variable norm(const LayerPass& p, const Variable& x, const Parameter& weight) {
  return rms_norm(p.tape, x, weight, p.config.norm_epsilon);
}

Variable add_block(const LayerPass& p, const Variable& x, const Variable& block, int site) {
  const uint64_t place =
      static_cast<uint64_t>(p.layer) * kSitesPerLayer + static_cast<uint64_t>(site);
  return add(p.tape, x, dropout(p.tape, block, p.options.dropout, place));
}

GatedFfn get_gated_ffn(const ParameterSet& parameters, int layer) {
  return {get_tensor(parameters, layer, "ffn_gate.weight"),
          get_tensor(parameters, layer, "ffn_up.weight"),
          get_tensor(parameters, layer, "ffn_down.weight")};
}

Variable gated_ffn(const LayerPass& p, const Variable& x, const GatedFfn& ffn,
                   Activation activation) {
  const Variable gate = linear(p.tape, x, ffn.gate);
  const Variable up = linear(p.tape, x, ffn.up);
  return linear(p.tape, gated_activate(p.tape, activation, gate, up), ffn.down);
}

}  // namespace minim::train
