// GPT-2: stored the other way round (Conv1D), with learned positions and biases everywhere.
#include <fmt/core.h>

#include <string>

#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_blocks.h"

namespace minim {
namespace {

struct Sizes {
  int64_t layers, dim, heads, ffn_dim, vocabulary, context;
};

Sizes read_sizes(const HfConfig& config) {
  Sizes sizes = {};
  sizes.layers = config.require_size("n_layer");
  sizes.dim = config.require_size("n_embd");
  sizes.heads = config.require_size("n_head");
  sizes.ffn_dim = config.size_or("n_inner", 4 * sizes.dim);
  sizes.vocabulary = config.require_size("vocab_size");
  sizes.context = config.require_size({"n_ctx", "n_positions"});
  return sizes;
}

void import_layer(HfImport& import, const std::string& source, int64_t layer, const Sizes& sizes) {
  const std::string target = fmt::format("blk.{}.", layer);
  const auto norm = [&](const char* to, const char* from) {
    for (const char* suffix : {".weight", ".bias"}) {
      import.vector(target + to + suffix, source + from + suffix, sizes.dim);
    }
  };
  const auto linear = [&](const char* to, const char* from, int64_t rows, int64_t cols) {
    import.matrix(target + to + ".weight", source + from + ".weight", rows, cols,
                  TensorChange::kTranspose);
    import.vector(target + to + ".bias", source + from + ".bias", rows);
  };
  norm("attn_norm", "ln_1");
  linear("attn_qkv", "attn.c_attn", 3 * sizes.dim, sizes.dim);
  linear("attn_output", "attn.c_proj", sizes.dim, sizes.dim);
  norm("ffn_norm", "ln_2");
  linear("ffn_up", "mlp.c_fc", sizes.ffn_dim, sizes.dim);
  linear("ffn_down", "mlp.c_proj", sizes.dim, sizes.ffn_dim);
  // Masks, which old files carry along.
  import.ignore(source + "attn.bias");
  import.ignore(source + "attn.masked_bias");
}

}  // namespace

void import_gpt2(HfImport& import) {
  const HfConfig& config = import.config();
  config.expect_text("activation_function", {"gelu_new", "gelu_pytorch_tanh"});
  config.expect_flag("scale_attn_weights", true);
  config.expect_flag("scale_attn_by_inverse_layer_idx", false);
  const Sizes sizes = read_sizes(config);
  import.set_size("block_count", sizes.layers);
  import.set_size("context_length", sizes.context);
  import.set_size("embedding_length", sizes.dim);
  import.set_size("feed_forward_length", sizes.ffn_dim);
  import.set_size("attention.head_count", sizes.heads);
  import.set_number("attention.layer_norm_epsilon", config.require_number("layer_norm_epsilon"));

  // OpenAI's own files leave the prefix out.
  const std::string prefix = import.has("wte.weight") ? "" : "transformer.";
  const std::string embedding = prefix + "wte.weight";
  import.matrix("token_embd.weight", embedding, sizes.vocabulary, sizes.dim);
  // Tied, but other readers of this architecture ask for the head.
  const bool untied =
      !config.boolean("tie_word_embeddings").value_or(true) && import.has("lm_head.weight");
  import.matrix("output.weight", untied ? "lm_head.weight" : embedding, sizes.vocabulary,
                sizes.dim);
  import.ignore("lm_head.weight");
  import.matrix("position_embd.weight", prefix + "wpe.weight", sizes.context, sizes.dim);
  for (const char* suffix : {".weight", ".bias"}) {
    import.vector(std::string("output_norm") + suffix, prefix + "ln_f" + suffix, sizes.dim);
  }
  for (int64_t layer = 0; layer < sizes.layers; ++layer) {
    import_layer(import, fmt::format("{}h.{}.", prefix, layer), layer, sizes);
  }
}

}  // namespace minim
