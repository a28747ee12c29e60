// A model's hyper-parameters, read from metadata under GGUF's keys and checked before anything is
// allocated: whoever holds a ModelConfig from here may compute with it.
#pragma once

#include <cstdint>
#include <string>

#include "formats/metadata.h"
#include "formats/model_file.h"

namespace minim {

// How rotary frequencies are stretched beyond the context that a model was first trained on.
enum class RopeScaling {
  kNone,
  kLinear,    // positions divided by the factor (Chen et al., 2023)
  kNtk,       // the base raised to base * factor^(d / (d - 2)) (NTK-aware, 2023)
  kYarn,      // by wavelength, with a ramp (Peng et al., 2023)
  kLlama3,    // by wavelength, as Llama 3.1 does (Dubey et al., 2024)
  kLongRope,  // a factor for each pair, from the file (Ding et al., 2024)
};

struct RopeConfig {
  double base = 10000.0;    // frequency of pair i: base^(-2i / dimension_count)
  int dimension_count = 0;  // values rotated in each head, even; the rest stay as they are
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;                  // by how much the context is stretched
  int64_t original_context_length = 0;  // before stretching
  double attention_factor = 1.0;        // multiplies the rotated values, on top of YaRN's own
  double beta_fast = 32.0;              // YaRN: turns in the original context above which...
  double beta_slow = 1.0;               // ...and below which the ramp ends
  double low_frequency_factor = 1.0;    // Llama 3: the ramp's ends, likewise in turns
  double high_frequency_factor = 4.0;
};

struct ModelConfig {
  std::string architecture;      // general.architecture: "llama", "qwen2", ...
  std::string name;              // general.name, may be empty
  int layer_count = 0;           // 1 to 512
  int dim = 0;                   // width of the residual stream
  int head_count = 0;            // query heads
  int kv_head_count = 0;         // key and value heads; divides head_count
  int head_dim = 0;              // values in a head, even; not always dim / head_count
  int ffn_dim = 0;               // hidden width of the feed-forward block
  int vocabulary_size = 0;       // rows of the embedding table
  int64_t context_length = 0;    // tokens that a sequence may hold
  float norm_epsilon = 1e-5f;    // of every norm
  bool tied_embeddings = false;  // the head is the embedding table

  int64_t learned_positions = 0;  // rows of the table of positions; 0: positions are rotary
  RopeConfig rope;
  double rope_base_local = 0.0;     // base in layers with a sliding window; 0: as in the others
  float attention_scale = 0.0f;     // of the scores; usually 1 / sqrt(head_dim)
  float attention_soft_cap = 0.0f;  // bound on the scores; 0: none
  float final_soft_cap = 0.0f;      // bound on the logits; 0: none
  float embedding_scale = 1.0f;     // multiplies the embedded tokens
  int sliding_window = 0;           // tokens that a local layer sees, itself included; 0: all
  int global_interval = 0;          // every n-th layer sees everything; 0: none does

  int expert_count = 0;               // 0: a dense model
  int expert_used_count = 0;          // experts that each token visits
  int expert_ffn_dim = 0;             // hidden width of one expert
  bool expert_weights_norm = true;    // the weights of the chosen experts are made to sum to 1
  float expert_weights_scale = 1.0f;  // and then multiplied by this

  int query_dim() const { return head_count * head_dim; }
  int kv_dim() const { return kv_head_count * head_dim; }
  // The tokens that attention sees in `layer`; 0: all.
  int window(int layer) const {
    const bool global = global_interval > 0 && (layer + 1) % global_interval == 0;
    return global ? 0 : sliding_window;
  }
};

// Reads and checks the hyper-parameters. Throws kFormat, naming the key, where one is missing, of
// the wrong type or out of bounds; kUnsupported for an architecture or a feature that minim has
// not got. Vocabulary size and tied embeddings come from the tensors.
ModelConfig read_model_config(const ModelFile& file);
// The same from metadata alone: vocabulary_size is the number of tokens, or 0 where none are
// listed, and tied_embeddings is false.
ModelConfig parse_model_config(const Metadata& metadata);

// Throws what read_model_config() throws, for a config that was made by hand.
void validate_model_config(const ModelConfig& config);

// The metadata that reads back as `config`, general.architecture included; no tokenizer.
void write_model_config(const ModelConfig& config, Metadata& metadata);

}  // namespace minim
