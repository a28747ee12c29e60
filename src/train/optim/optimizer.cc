#include "train/optim/optimizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/optim/adamw.h"
#include "train/optim/make_optimizers.h"

namespace minim::train {
namespace {

bool takes_all(const ParameterInfo&) { return true; }

bool is_embedding(const ParameterInfo& info) {
  return info.spec.name == "token_embd.weight" || info.spec.name == "position_embd.weight";
}

struct Bound {
  const char* name;
  float value;
  float least;
  float most;
};

void check_options(const OptimizerOptions& o) {
  const Bound bounds[] = {{"learning_rate", o.learning_rate, 0.0f, 100.0f},
                          {"weight_decay", o.weight_decay, 0.0f, 100.0f},
                          {"beta1", o.beta1, 0.0f, 0.99999f},
                          {"beta2", o.beta2, 0.0f, 0.9999999f},
                          {"epsilon", o.epsilon, 1e-20f, 1.0f},
                          {"muon_learning_rate", o.muon_learning_rate, 0.0f, 100.0f},
                          {"muon_momentum", o.muon_momentum, 0.0f, 0.9999f},
                          {"muon_iterations", static_cast<float>(o.muon_iterations), 1.0f, 20.0f},
                          {"adafactor_decay", o.adafactor_decay, 0.1f, 1.0f},
                          {"adafactor_clip", o.adafactor_clip, 1e-3f, 1e6f}};
  for (const Bound& bound : bounds) {
    if (bound.value >= bound.least && bound.value <= bound.most) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: optimizer option {} is {}; must be {} to {}", bound.name,
                            bound.value, bound.least, bound.most));
  }
}

}  // namespace

bool is_muon_matrix(const ParameterInfo& info) {
  return info.spec.kind == TensorKind::kMatrix && info.rows > 1 && !is_embedding(info) &&
         info.spec.name != "output.weight";
}

bool decays(const ParameterInfo& info, const OptimizerOptions& options) {
  if (info.spec.kind != TensorKind::kMatrix) return false;
  return options.decay_embeddings || !is_embedding(info);
}

std::unique_ptr<Optimizer> make_optimizer(const ParameterSet& parameters,
                                          const OptimizerOptions& options) {
  check_options(options);
  switch (options.kind) {
    case OptimizerKind::kAdamW: return std::make_unique<AdamW>(parameters, options, takes_all);
    case OptimizerKind::kMuon: return make_muon(parameters, options);
    case OptimizerKind::kAdafactor: return make_adafactor(parameters, options);
  }
  return nullptr;
}

size_t optimizer_bytes(const ParameterSet& parameters, const OptimizerOptions& options) {
  switch (options.kind) {
    case OptimizerKind::kAdamW: return AdamW::bytes(parameters, takes_all);
    case OptimizerKind::kMuon: return muon_bytes(parameters);
    case OptimizerKind::kAdafactor: return adafactor_bytes(parameters);
  }
  return 0;
}

double gradient_norm(const Context& context, const ParameterSet& parameters) {
  constexpr int64_t kChunk = 1 << 16;  // fixed, so that the sum does not depend on the threads
  double total = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    if (!info.trains) continue;
    const float* gradients = parameters.gradients().data() + info.offset;
    const int64_t chunks = (info.count() + kChunk - 1) / kChunk;
    std::vector<double> sums(static_cast<size_t>(chunks));
    context.threads.run(chunks, [&](int64_t chunk) {
      double sum = 0;
      const int64_t end = std::min(info.count(), (chunk + 1) * kChunk);
      for (int64_t i = chunk * kChunk; i < end; ++i) sum += double{gradients[i]} * gradients[i];
      sums[static_cast<size_t>(chunk)] = sum;
    });
    for (const double sum : sums) total += sum;
  }
  return std::sqrt(total);
}

}  // namespace minim::train
