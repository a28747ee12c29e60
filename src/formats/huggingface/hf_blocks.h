// The pieces that architectures share: sizes, embeddings, attention, feed-forward.
#pragma once

#include <cstdint>
#include <string>

#include "formats/huggingface/hf_import.h"

namespace minim {

struct HfSizes {
  int64_t layers = 0;
  int64_t dim = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;  // even
  int64_t ffn_dim = 0;
  int64_t vocabulary = 0;
  int64_t context = 0;
};
// Under the names that Llama uses. Throws kFormat for sizes that do not fit each other.
HfSizes read_hf_sizes(const HfConfig& config);
void check_hf_sizes(const HfSizes& sizes);

// block_count, context_length and so on; key_length and value_length where they are not dim / heads
// or the file states them.
void import_sizes(HfImport& import, const HfSizes& sizes);

// token_embd, output unless it is tied, output_norm. `prefix` is "model.".
void import_embeddings(HfImport& import, const std::string& prefix, const HfSizes& sizes,
                       TensorChange norm = TensorChange::kNone);

// "blk.3." and "model.layers.3."
struct LayerNames {
  LayerNames(const std::string& prefix, int64_t layer);
  std::string target, source;
};

enum class RotaryLayout { kPairs, kHalves };

// attn_q, attn_k, attn_v and attn_output, with biases where the file has them.
void import_attention(HfImport& import, const LayerNames& names, const HfSizes& sizes,
                      RotaryLayout layout);
// attn_q_norm and attn_k_norm.
void import_head_norms(HfImport& import, const LayerNames& names, const HfSizes& sizes,
                       TensorChange change = TensorChange::kNone);
// ffn_gate, ffn_up, ffn_down.
void import_gated_ffn(HfImport& import, const LayerNames& names, const HfSizes& sizes);

// kUnsupported for models of which some layers see only a window.
void expect_full_attention(const HfConfig& config);

}  // namespace minim
