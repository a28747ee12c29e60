// A mixture of experts: a router sends each token through a few of many feed-forward blocks.
#pragma once

#include <vector>

#include "model/architecture.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace minim {

struct ExpertsWeights {
  WeightMatrix router;             // [experts, dim]
  std::vector<WeightMatrix> gate;  // one [expert_ffn_dim, dim] for each expert
  std::vector<WeightMatrix> up;    // likewise
  std::vector<WeightMatrix> down;  // one [dim, expert_ffn_dim] for each expert
};

void add_experts_specs(const ModelConfig& config, int layer, std::vector<TensorSpec>& specs);
ExpertsWeights load_experts(WeightLoader& loader, int layer);

// a.normed -> a.out. Each token goes through the config.expert_used_count experts with the greatest
// router probability; the outputs are mixed by that probability (Fedus, Zoph and Shazeer, 2021).
// Tokens are grouped by expert, so that each expert's weights are read once a batch. The sum over a
// token's experts runs in the order of the experts: it does not depend on the rest of the batch.
void experts_ffn(const Pass& pass, const ExpertsWeights& weights, Activation activation);

// From the probabilities in a.router: fills a.chosen, a.chosen_weights, a.order, a.group_begin.
// Also for probabilities that are not numbers, the experts chosen for a token are distinct.
void route(const Pass& pass);

}  // namespace minim
