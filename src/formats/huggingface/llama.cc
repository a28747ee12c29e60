// Llama and Mistral. GGUF rotates adjacent pairs where Hugging Face rotates halves, so the rows of
// queries and keys change places.
#include "base/error.h"
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_blocks.h"
#include "formats/huggingface/hf_rope.h"

namespace minim {

void import_llama(HfImport& import) {
  const HfConfig& config = import.config();
  config.expect_text("hidden_act", {"silu"});
  const HfSizes sizes = read_hf_sizes(config);
  import_sizes(import, sizes);
  import.set_number("attention.layer_norm_rms_epsilon", config.require_number("rms_norm_eps"));
  // Mistral's window matters only where it is shorter than the context.
  const int64_t window = config.size_or("sliding_window", sizes.context);
  if (window < sizes.context) import.set_size("attention.sliding_window", window);

  import_embeddings(import, "model.", sizes);
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    const LayerNames names("model.", layer);
    import.vector(names.target + "attn_norm.weight", names.source + "input_layernorm.weight",
                  sizes.dim);
    import_attention(import, names, sizes, RotaryLayout::kPairs);
    import.vector(names.target + "ffn_norm.weight",
                  names.source + "post_attention_layernorm.weight", sizes.dim);
    import_gated_ffn(import, names, sizes);
  }
  const HfRope rope = read_hf_rope(config, 10000.0);
  if (rotary_dimensions(config, rope, sizes.head_dim) != sizes.head_dim) {
    throw Error(ErrorCode::kUnsupported,
                config.origin() + ": Llama with a 'partial_rotary_factor' is not supported");
  }
  import_rope(import, rope, sizes.head_dim);
}

}  // namespace minim
