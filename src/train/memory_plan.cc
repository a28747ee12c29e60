#include "train/memory_plan.h"

#include <algorithm>
#include <vector>

#include "train/ops/head.h"

namespace minim::train {
namespace {

size_t floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

// The largest that a product of the step asks for.
size_t product_bytes(const Context& context, const ParameterSet& parameters,
                     const TrainerOptions& options, int64_t tokens) {
  const GemmOptions gemm{.precision = options.precision};
  size_t most = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    if (info.spec.kind != TensorKind::kMatrix || info.spec.name == "position_embd.weight") continue;
    const int64_t rows = info.rows / info.expert_count();
    most = std::max({most, gemm_scratch_bytes(context, tokens, rows, info.cols, gemm),
                     gemm_scratch_bytes(context, tokens, info.cols, rows, gemm),
                     gemm_scratch_bytes(context, rows, info.cols, tokens, gemm)});
  }
  return most;
}

}  // namespace

MemoryPlan plan_memory(const Context& context, const ModelConfig& config, const GraphOptions& graph,
                       const TrainerOptions& options, int64_t row_tokens) {
  validate_model_config(config);
  const ParameterSet parameters(config, {}, ParameterSet::Memory::kNone);
  const auto model = make_train_graph(context, config, parameters, graph);
  const int64_t part_rows = options.micro_rows > 0 ? options.micro_rows : options.batch_rows;
  const int64_t tokens = part_rows * row_tokens;
  const TokenLayout layout = make_token_layout(part_rows, row_tokens);
  const std::vector<int32_t> ids(static_cast<size_t>(tokens), 0);
  const std::vector<float> weights(static_cast<size_t>(tokens), 1.0f);

  BufferPool pool(BufferPool::Mode::kCounting);
  Tape tape(context, pool, {.precision = options.precision});
  {
    const Variable hidden = model->forward(tape, {ids, layout});
    const Parameter head =
        parameters.require(config.tied_embeddings ? "token_embd.weight" : "output.weight");
    cross_entropy(tape, hidden, head, ids, weights);
  }
  tape.backward();

  MemoryPlan plan;
  plan.parameter_bytes = floats(parameters.value_count());
  plan.gradient_bytes = plan.parameter_bytes;
  plan.optimizer_bytes = optimizer_bytes(parameters, options.optimizer);
  plan.average_bytes = options.average_decay > 0.0f ? plan.parameter_bytes : 0;
  plan.activation_bytes = pool.bytes();
  plan.product_bytes = product_bytes(context, parameters, options, tokens);
  return plan;
}

}  // namespace minim::train
