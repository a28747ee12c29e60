// Qwen 3 with a mixture of experts in place of each feed-forward block; the experts' matrices are
// stacked.
#include <fmt/core.h>

#include "base/error.h"
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_blocks.h"
#include "formats/huggingface/hf_rope.h"

namespace minim {
namespace {

struct Experts {
  int64_t count = 0;
  int64_t ffn_dim = 0;
};

void import_experts(HfImport& import, const LayerNames& names, const HfSizes& sizes,
                    const Experts& experts) {
  import.matrix(names.target + "ffn_gate_inp.weight", names.source + "mlp.gate.weight",
                experts.count, sizes.dim);
  const auto stack = [&](const char* target, const char* source, int64_t rows, int64_t cols) {
    std::vector<std::string> parts;
    for (int64_t i = 0; i < experts.count; ++i) {
      parts.push_back(fmt::format("{}mlp.experts.{}.{}.weight", names.source, i, source));
    }
    import.stack(names.target + target, parts, rows, cols);
  };
  stack("ffn_gate_exps.weight", "gate_proj", experts.ffn_dim, sizes.dim);
  stack("ffn_up_exps.weight", "up_proj", experts.ffn_dim, sizes.dim);
  stack("ffn_down_exps.weight", "down_proj", sizes.dim, experts.ffn_dim);
}

// Every layer must have experts, and their weights must sum to one.
Experts read_experts(HfImport& import) {
  const HfConfig& config = import.config();
  Experts experts;
  experts.count = config.require_size({"num_experts", "num_local_experts"});
  experts.ffn_dim = config.require_size("moe_intermediate_size");
  if (static_cast<uint64_t>(experts.count) > import.source_count()) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: {} experts, more than there are tensors",
                                                config.origin(), experts.count));
  }
  const Json* dense = config.find("mlp_only_layers");
  if (config.size_or("decoder_sparse_step", 1) != 1 || (dense != nullptr && !dense->empty())) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: layers without experts among those that have them are not "
                            "supported",
                            config.origin()));
  }
  import.set_size("expert_count", experts.count);
  import.set_size("expert_used_count", config.require_size("num_experts_per_tok"));
  import.set_size("expert_feed_forward_length", experts.ffn_dim);
  if (!config.boolean("norm_topk_prob").value_or(false)) {
    import.set_flag("expert_weights_norm", false);
  }
  return experts;
}

}  // namespace

void import_qwen3moe(HfImport& import) {
  const HfConfig& config = import.config();
  config.expect_text("hidden_act", {"silu"});
  expect_full_attention(config);
  const HfSizes sizes = read_hf_sizes(config);
  import_sizes(import, sizes);
  import.set_number("attention.layer_norm_rms_epsilon", config.require_number("rms_norm_eps"));
  const Experts experts = read_experts(import);

  import_embeddings(import, "model.", sizes);
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    const LayerNames names("model.", layer);
    import.vector(names.target + "attn_norm.weight", names.source + "input_layernorm.weight",
                  sizes.dim);
    import_attention(import, names, sizes, RotaryLayout::kHalves);
    import_head_norms(import, names, sizes);
    import.vector(names.target + "ffn_norm.weight",
                  names.source + "post_attention_layernorm.weight", sizes.dim);
    import_experts(import, names, sizes, experts);
  }
  const HfRope rope = read_hf_rope(config, 10000.0);
  import_rope(import, rope, rotary_dimensions(config, rope, sizes.head_dim));
}

}  // namespace minim
