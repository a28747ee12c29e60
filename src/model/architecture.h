// An architecture: which tensors a model consists of, and the graph that computes with them. Each
// has a file of its own, which composes the blocks of blocks.h, and a row in the table here.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "formats/metadata.h"
#include "model/activations.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/rotary.h"
#include "model/weights.h"

namespace minim {

// What one forward pass works with.
struct Pass {
  const Context& context;
  const ModelConfig& config;
  const Batch& batch;
  Activations& a;
  bool adapted = false;  // is_adapted(batch)
};

// The layers of a model.
class Graph {
 public:
  virtual ~Graph() = default;
  // From tokens to the final norm: leaves the hidden states of batch.outputs in a.normed.
  virtual void forward(const Pass& pass) const = 0;
  // How keys of `layer` are turned by their positions; null where positions are learned.
  virtual const Rotary* rotary(int layer) const = 0;
};

struct Architecture {
  const char* name;         // general.architecture
  const char* epsilon_key;  // of the norms, after "NAME."
  // What holds for this architecture where the metadata does not say otherwise. Called when the
  // shape (layers, widths, heads) is known.
  void (*set_defaults)(ModelConfig& config);
  // What must be so for this graph, beyond what holds for all. Throws kFormat or kUnsupported.
  void (*check)(const ModelConfig& config);
  // Every tensor that the graph can use; vocabulary_size and tied_embeddings are known.
  std::vector<TensorSpec> (*tensors)(const ModelConfig& config);
  std::unique_ptr<const Graph> (*load)(WeightLoader& loader, const ModelConfig& config);
};

extern const Architecture kLlama;
extern const Architecture kQwen2;
extern const Architecture kQwen3;
extern const Architecture kQwen3Moe;
extern const Architecture kGemma3;
extern const Architecture kPhi3;
extern const Architecture kGpt2;

std::span<const Architecture* const> architectures();

// Throws kUnsupported, listing the names there are.
const Architecture& find_architecture(std::string_view name);

}  // namespace minim
