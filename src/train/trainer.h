// The loop: batches, forward, backward, an update, and from time to time a look at held-out rows
// and a checkpoint. Every step is a function of the weights, the step's number and the data, so a
// run that was stopped anywhere and resumed ends in the same bits, at any number of threads.
//
// Several ranks each go through their share of the rows of every batch, add up the gradients while
// backward runs, and take the same step: their weights stay the same bits, and the course is that
// of one rank up to rounding. The first one keeps the checkpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/context.h"
#include "base/file.h"
#include "parallel/communicator.h"
#include "train/checkpoint.h"
#include "train/data/batch_source.h"
#include "train/gradient_sums.h"
#include "train/optim/moving_average.h"
#include "train/optim/optimizer.h"
#include "train/optim/schedule.h"
#include "train/step_guard.h"
#include "train/step_loss.h"
#include "train/train_model.h"

namespace minim::train {

struct TrainerOptions {
  int64_t batch_rows = 8;
  int64_t micro_rows = 0;    // rows that go through the model at once; 0: all of a batch
  ScheduleOptions schedule;  // and with it the number of steps
  OptimizerOptions optimizer;
  float clip = 1.0f;           // of the norm of the gradients; 0: none
  float average_decay = 0.0f;  // of the moving average of weights; 0: none is kept
  GemmPrecision precision = GemmPrecision::kFloat32;
  uint64_t seed = 1;  // of dropout
  GuardOptions guard;

  Path checkpoint_folder;          // empty: no checkpoints, and no way back from bad steps
  int64_t checkpoint_steps = 500;  // from one to the next; the last step has one too
  int64_t held_out_steps = 250;    // from one look to the next; 0: none
  int64_t held_out_rows = 64;
};

// Throws kInvalidArgument, naming the field, for options that make no sense.
void check_trainer_options(const TrainerOptions& options);

struct StepStatistics {
  int64_t step = 0;  // 1 is the first
  int64_t step_count = 0;
  uint64_t tokens = 0;        // of the run so far
  double loss = 0;            // mean over the weights of the batch, all terms
  double cross_entropy = 0;   // of that, the prediction of the next token, in nats
  double auxiliary_loss = 0;  // the balance of experts
  double gradient_norm = 0;   // before clipping
  float rate_fraction = 0;    // of the peak learning rate
  double seconds = 0;
  double wait_seconds = 0;  // of these, for the other ranks after backward
  int64_t batch_tokens = 0;
  double flops = 0;  // of its products, forward and backward
  StepVerdict verdict = StepVerdict::kTake;
  int64_t skipped = 0;       // in the whole run
  bool rolled_back = false;  // the weights are those of the last checkpoint again
};

struct HeldOutLoss {
  int64_t step = 0;
  double loss = 0;                     // nats a token
  std::optional<double> average_loss;  // of the moving average of the weights
};

struct TrainerEvents {
  // After each step. False: save and stop here.
  std::function<bool(const StepStatistics&)> step;
  std::function<void(const HeldOutLoss&)> held_out;
  std::function<void(int64_t step)> saved;  // a checkpoint
};

enum class RunEnd { kDone, kStopped };

class Trainer {
 public:
  // What is given outlives the trainer. held_out may be null. Throws kInvalidArgument for options
  // or sources that do not fit the model, or are not the same on all ranks.
  Trainer(const Context& context, TrainModel& model, const BatchSource& source,
          const BatchSource* held_out, StepLoss& loss, const TrainerOptions& options,
          parallel::Communicator& ranks = parallel::alone());

  // Goes on from the newest checkpoint in the folder of the first rank. False: there is none.
  // Warns where it was made with another number of rows at once, whose sums round otherwise. A run
  // that warms up, stays and decays may become longer or shorter as long as it stays:
  // kInvalidArgument where it does not. Throws kFormat for one of another run or of other data.
  bool resume();
  // From where it stands to the end. Throws kLimit where the steps are bad again and again, kIo
  // where a checkpoint cannot be written; the last one is then still there.
  RunEnd run(const TrainerEvents& events = {});
  // The mean loss of the held-out rows, of `values` laid out as the model's parameters.
  double held_out_loss(std::span<const float> values);

  int64_t step() const { return state_.step; }
  std::span<const float> average() const { return average_.values(); }
  const GuardState& guard() const { return state_.guard; }
  // Held for activations after a step.
  size_t activation_bytes() const { return pool_.bytes(); }

 private:
  // Plain numbers, written as they are.
  struct State {
    int64_t step = 0;     // taken or skipped
    int64_t updates = 0;  // taken
    uint64_t tokens = 0;
    StreamPosition position;
    GuardState guard;
    int64_t part_rows = 0;  // that go through the model at once
    int64_t step_count = 0;
    int64_t decay_steps = 0;
  };

  HeadLoss go_through(Batch& batch, uint64_t seed, double& auxiliary);
  void add_up_ranks(HeadLoss& loss, StepStatistics& statistics);
  StepStatistics take_step();
  void roll_back(StepStatistics& statistics);
  void look_at_held_out(const TrainerEvents& events);
  void save(const TrainerEvents& events);
  bool load(State& state);
  void check_schedule_of(const State& found) const;
  std::vector<CheckpointPart> parts(State& state);
  int64_t part_rows() const;
  void require_same_values(std::string_view what) const;
  uint64_t fingerprint() const;
  double step_flops(const Batch& batch) const;

  const Context& context_;
  TrainModel& model_;
  const BatchSource& source_;
  const BatchSource* held_out_;
  StepLoss& loss_;
  TrainerOptions options_;
  parallel::Communicator& ranks_;
  GradientSums gradient_sums_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Optimizer> extra_optimizer_;  // of what the loss learns itself
  MovingAverage average_;
  std::optional<CheckpointFolder> checkpoints_;
  BufferPool pool_;
  State state_;
  std::optional<int64_t> saved_step_;
};

// Multiplications and additions of the weights that a token meets, forward: embeddings do not
// count, the head does, of experts those that are used.
double forward_flops_per_token(const ModelConfig& config, const ParameterSet& parameters);

}  // namespace minim::train
