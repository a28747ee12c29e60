// A run as a recipe describes it: what the trainer is told, what it will take, and the run itself,
// from the first weights, or the last checkpoint, to a model file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/context.h"
#include "train/memory_plan.h"
#include "train/recipe/prepare.h"
#include "train/recipe/recipe.h"
#include "train/run/run_log.h"
#include "train/trainer.h"

namespace minim::train {

// What the recipe's sections stand for. Throw kInvalidArgument, naming the key and its place, for
// what this machine cannot do or what does not go together.
GraphOptions graph_options(const Recipe& recipe);
TrainerOptions trainer_options(const Context& context, const Recipe& recipe, int64_t step_count);

struct RunPlan {
  ModelConfig config;
  uint64_t parameter_count = 0;
  TrainerOptions options;  // micro_rows chosen, where the recipe leaves it to the memory
  int64_t row_tokens = 0;
  MemoryPlan memory;           // of the student
  size_t teacher_bytes = 0;    // of a teacher that runs beside it
  double flops_per_token = 0;  // forward and backward, without attention

  int64_t batch_tokens() const { return options.batch_rows * row_tokens; }
  double tokens() const {
    return static_cast<double>(batch_tokens()) * static_cast<double>(options.schedule.step_count);
  }
};

// `memory_bytes`: what the machine has for each rank. Throws kLimit where not even one row at a
// time fits. The ranks agree on the rows at once that the first has room for.
RunPlan plan_run(const Context& context, const Recipe& recipe, const PreparedData& data,
                 uint64_t memory_bytes, parallel::Communicator& ranks = parallel::alone());

struct RunSettings {
  std::string version;  // of minim, for the log
  std::string machine;
  ProgressSink progress;  // of storing a teacher's predictions
  // Operations a second that all ranks reach at best, for the log; 0: not known.
  double peak_rate = 0;
  parallel::Communicator* ranks = &parallel::alone();
};

struct RunResult {
  RunEnd end = RunEnd::kDone;
  int64_t resumed_from = 0;  // the step of the checkpoint that it went on from; 0: none
  int64_t step = 0;
  Path model;                           // where the run is done
  std::optional<HeldOutLoss> held_out;  // the last look
};

// Goes on from the newest checkpoint in the output folder, where there is one; one of another run
// is refused. Events are passed on after they were logged. The model is exported when the run is
// done: the average of the weights if one is kept. Of several ranks, the first alone writes. Throws
// what its parts throw.
RunResult run_recipe(const Context& context, const Recipe& recipe, const PreparedData& data,
                     const RunPlan& plan, const RunSettings& settings, const TrainerEvents& events);

}  // namespace minim::train
