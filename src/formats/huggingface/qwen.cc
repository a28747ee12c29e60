// Qwen 2 and 3: as Llama, but rotating halves; 2 with biases, 3 with normed heads.
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_blocks.h"
#include "formats/huggingface/hf_rope.h"

namespace minim {
namespace {

void import_qwen(HfImport& import, bool normed_heads) {
  const HfConfig& config = import.config();
  config.expect_text("hidden_act", {"silu"});
  expect_full_attention(config);
  const HfSizes sizes = read_hf_sizes(config);
  import_sizes(import, sizes);
  import.set_number("attention.layer_norm_rms_epsilon", config.require_number("rms_norm_eps"));

  import_embeddings(import, "model.", sizes);
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    const LayerNames names("model.", layer);
    import.vector(names.target + "attn_norm.weight", names.source + "input_layernorm.weight",
                  sizes.dim);
    import_attention(import, names, sizes, RotaryLayout::kHalves);
    if (normed_heads) import_head_norms(import, names, sizes);
    import.vector(names.target + "ffn_norm.weight",
                  names.source + "post_attention_layernorm.weight", sizes.dim);
    import_gated_ffn(import, names, sizes);
  }
  const HfRope rope = read_hf_rope(config, 10000.0);
  import_rope(import, rope, rotary_dimensions(config, rope, sizes.head_dim));
}

}  // namespace

void import_qwen2(HfImport& import) { import_qwen(import, false); }
void import_qwen3(HfImport& import) { import_qwen(import, true); }

}  // namespace minim
