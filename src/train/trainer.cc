#include "train/trainer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "base/xxhash64.h"

namespace minim::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void require(bool condition, const std::string& message) {
  if (!condition) throw Error(ErrorCode::kInvalidArgument, "train: " + message);
}

// Exchanges the model's weights for others while it lives.
class SwappedValues {
 public:
  SwappedValues(std::span<float> values, std::span<const float> others) : values_(values) {
    if (others.data() == values.data()) return;
    before_.assign(values.begin(), values.end());
    std::copy(others.begin(), others.end(), values.begin());
  }
  ~SwappedValues() { std::copy(before_.begin(), before_.end(), values_.begin()); }
  SwappedValues(const SwappedValues&) = delete;
  SwappedValues& operator=(const SwappedValues&) = delete;

 private:
  std::span<float> values_;
  std::vector<float> before_;
};

}  // namespace

void check_trainer_options(const TrainerOptions& o) {
  check_schedule(o.schedule);
  require(o.batch_rows >= 1, fmt::format("batch_rows is {}; must be at least 1", o.batch_rows));
  require(
      o.micro_rows >= 0 && o.micro_rows <= o.batch_rows,
      fmt::format("micro_rows is {}; must be 0 to batch_rows ({})", o.micro_rows, o.batch_rows));
  require(o.clip >= 0.0f, fmt::format("clip is {}; must not be negative", o.clip));
  require(o.checkpoint_steps >= 1,
          fmt::format("checkpoint_steps is {}; must be at least 1", o.checkpoint_steps));
  require(
      o.held_out_steps >= 0 && o.held_out_rows >= 1,
      fmt::format("held_out_steps is {} and held_out_rows {}", o.held_out_steps, o.held_out_rows));
  require(o.guard.spike == 0.0f || o.guard.spike > 1.0f,
          fmt::format("spike is {}; must be 0 or above 1", o.guard.spike));
  require(o.guard.bad_steps_max >= 1 && o.guard.rollbacks_max >= 0,
          fmt::format("bad_steps_max is {} and rollbacks_max {}", o.guard.bad_steps_max,
                      o.guard.rollbacks_max));
}

Trainer::Trainer(const Context& context, TrainModel& model, const BatchSource& source,
                 const BatchSource* held_out, StepLoss& loss, const TrainerOptions& options,
                 parallel::Communicator& ranks)
    : context_(context),
      model_(model),
      source_(source),
      held_out_(held_out),
      loss_(loss),
      options_(options),
      ranks_(ranks),
      gradient_sums_(model.parameters(), model.config().layer_count, ranks),
      optimizer_(make_optimizer(model.parameters(), options.optimizer)),
      average_(options.average_decay, model.parameters().values()) {
  check_trainer_options(options);
  if (ParameterSet* extra = loss.parameters(); extra != nullptr) {
    extra_optimizer_ = make_optimizer(*extra, options.optimizer);
  }
  const ModelConfig& config = model.config();
  require(config.learned_positions == 0 || source.row_tokens() <= config.learned_positions,
          fmt::format("rows of {} tokens for a model that has learned {} positions",
                      source.row_tokens(), config.learned_positions));
  require(options.precision == GemmPrecision::kFloat32 || has_bfloat16_gemm(context),
          "this processor has no products of bfloat16; choose float32");
  const auto rows = static_cast<uint64_t>(options.schedule.step_count * options.batch_rows);
  require(!source.row_count() || *source.row_count() >= rows,
          fmt::format("{} steps need {} rows; the data has {}", options.schedule.step_count, rows,
                      source.row_count().value_or(0)));
  require(held_out == nullptr || held_out->row_count().value_or(1) > 0,
          "there are no held-out rows; hold more out, or look at none");
  require(ranks.size() <= options.batch_rows,
          fmt::format("{} ranks for batches of {} rows", ranks.size(), options.batch_rows));
  state_.position.fingerprint = source.fingerprint();
  state_.part_rows = part_rows();
  state_.step_count = options.schedule.step_count;
  state_.decay_steps = options.schedule.decay_steps;
  parallel::require_same(ranks, fingerprint(), "the recipe");
  parallel::require_same(ranks, source.fingerprint(), "the data");
  require_same_values("what the model begins with");
  if (!options.checkpoint_folder.empty()) {
    checkpoints_.emplace(options.checkpoint_folder, fingerprint());
  }
}

int64_t Trainer::part_rows() const {
  const int64_t rows = (options_.batch_rows + ranks_.size() - 1) / ranks_.size();
  return options_.micro_rows > 0 ? std::min(options_.micro_rows, rows) : rows;
}

void Trainer::require_same_values(std::string_view what) const {
  if (ranks_.size() == 1) return;
  XxHash64 hash;
  hash.update(std::as_bytes(std::span<const float>(model_.parameters().values())));
  parallel::require_same(ranks_, hash.digest(), what);
}

// Of what decides the course of a run beside its state and its data. How often it looks at held-out
// rows or saves is left out, and so are the numbers of threads, ranks, and rows at once, and how
// long a run is whose rate stays the same meanwhile.
uint64_t Trainer::fingerprint() const {
  XxHash64 hash;
  for (const ParameterInfo& info : model_.parameters().infos()) {
    hash.update(info.spec.name);
    hash.update_value(info.rows);
    hash.update_value(info.cols);
    hash.update_value(info.trains);
  }
  const OptimizerOptions& o = options_.optimizer;
  const ScheduleOptions& s = options_.schedule;
  const bool stays = s.kind == ScheduleKind::kWarmupStableDecay;
  for (const double value : {static_cast<double>(o.kind),
                             double{o.learning_rate},
                             double{o.weight_decay},
                             o.decay_embeddings ? 1.0 : 0.0,
                             double{o.beta1},
                             double{o.beta2},
                             double{o.epsilon},
                             double{o.muon_learning_rate},
                             double{o.muon_momentum},
                             double(o.muon_iterations),
                             double{o.adafactor_decay},
                             double{o.adafactor_clip},
                             static_cast<double>(s.kind),
                             stays ? 0.0 : static_cast<double>(s.step_count),
                             static_cast<double>(s.warmup_steps),
                             stays ? 0.0 : static_cast<double>(s.decay_steps),
                             double{s.final_fraction},
                             static_cast<double>(options_.batch_rows),
                             double{options_.clip},
                             double{options_.average_decay},
                             static_cast<double>(options_.precision),
                             double{options_.guard.spike},
                             double(options_.guard.bad_steps_max)}) {
    hash.update_value(value);
  }
  hash.update_value(options_.seed);
  return hash.digest();
}

std::vector<CheckpointPart> Trainer::parts(State& state) {
  std::vector<CheckpointPart> parts = {
      checkpoint_part("state", state),
      checkpoint_part("values", model_.parameters().values()),
      checkpoint_part("average", average_.values()),
  };
  const auto add_state = [&](Optimizer& optimizer, const std::string& prefix) {
    for (StatePart& part : optimizer.state()) {
      parts.push_back(checkpoint_part(prefix + part.name, part.values));
    }
  };
  add_state(*optimizer_, "");
  if (extra_optimizer_ != nullptr) {
    parts.push_back(checkpoint_part("loss.values", loss_.parameters()->values()));
    add_state(*extra_optimizer_, "loss.");
  }
  return parts;
}

bool Trainer::resume() {
  if (!checkpoints_) return false;
  State found;
  if (!load(found)) return false;
  check_position(source_, found.position);
  if (found.part_rows != state_.part_rows && ranks_.is_first()) {
    context_.warn(
        fmt::format("train: the checkpoint was made with {} rows at once, and this goes "
                    "on with {}: the same course, but not the same bits",
                    found.part_rows, state_.part_rows));
  }
  check_schedule_of(found);
  found.part_rows = state_.part_rows;
  found.step_count = state_.step_count;
  found.decay_steps = state_.decay_steps;
  state_ = found;
  saved_step_ = state_.step;
  return true;
}

void Trainer::check_schedule_of(const State& found) const {
  if (found.step_count == state_.step_count && found.decay_steps == state_.decay_steps) return;
  const int64_t before = found.step_count - found.decay_steps;
  const int64_t now = state_.step_count - state_.decay_steps;
  if (found.step <= std::min(before, now)) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("train: the checkpoint after step {} is of a run of {} steps whose rate "
                          "falls after step {}; with {} steps it would fall after step {}. Only a "
                          "run whose rate does not fall yet can become longer or shorter",
                          found.step, found.step_count, before, state_.step_count, now));
}

// The newest checkpoint of the first rank, on every rank. False: there is none.
bool Trainer::load(State& state) {
  bool found = false;
  const std::vector<CheckpointPart> wanted = parts(state);
  if (ranks_.is_first()) found = checkpoints_->load(context_, wanted).has_value();
  ranks_.broadcast(std::as_writable_bytes(std::span(&found, 1)));
  if (!found) return false;
  for (const CheckpointPart& part : wanted) ranks_.broadcast(part.bytes);
  return true;
}

void Trainer::save(const TrainerEvents& events) {
  if (!checkpoints_ || saved_step_ == state_.step) return;
  require_same_values("what was learned");
  if (ranks_.is_first()) checkpoints_->save(state_.step, parts(state_));
  saved_step_ = state_.step;
  if (events.saved) events.saved(state_.step);
}

// Forward and backward of this rank's rows, part by part. Gradients are those of the mean over the
// whole batch.
HeadLoss Trainer::go_through(Batch& batch, uint64_t seed, double& auxiliary) {
  const double weight = batch.weight_sum();
  const parallel::Share mine = parallel::share_of(ranks_, batch.row_count);
  HeadLoss total;
  for (int64_t row = mine.begin; row < mine.end; row += state_.part_rows) {
    const int64_t end = std::min(row + state_.part_rows, mine.end);
    const BatchView view = view_rows(batch, row, end);
    const TokenLayout layout = make_token_layout(view.row_tokens, view.document_starts);
    TapeOptions options;
    options.precision = options_.precision;
    options.seed = mix_bits(seed + static_cast<uint64_t>(row));
    if (end == mine.end && ranks_.size() > 1) {
      options.layer_done = [this](int layer) { gradient_sums_.start_layer(layer); };
    }
    Tape tape(context_, pool_, options);
    const float scale = weight > 0 ? static_cast<float>(1.0 / weight) : 0.0f;
    total += loss_.forward(tape, model_, {view, layout, scale});
    auxiliary += tape.auxiliary_loss() * static_cast<double>(view.row_count) /
                 static_cast<double>(batch.row_count);
    tape.backward();
  }
  return total;
}

// Of this rank's loss and gradients, those of all; adds the seconds waited.
void Trainer::add_up_ranks(HeadLoss& loss, StepStatistics& statistics) {
  if (ranks_.size() == 1) return;
  const auto start = Clock::now();
  if (extra_optimizer_ != nullptr) ranks_.start_sum(loss_.parameters()->gradients());
  gradient_sums_.finish();
  std::array<double, 4> sums = {loss.loss, loss.weight, loss.cross_entropy,
                                statistics.auxiliary_loss};
  ranks_.sum(sums);
  loss.loss = sums[0];
  loss.weight = sums[1];
  loss.cross_entropy = sums[2];
  statistics.auxiliary_loss = sums[3];
  statistics.wait_seconds = seconds_since(start);
}

StepStatistics Trainer::take_step() {
  const auto start = Clock::now();
  StepStatistics statistics;
  statistics.step_count = options_.schedule.step_count;
  Batch batch;
  source_.read(state_.position.next_row, options_.batch_rows, batch);
  state_.position.next_row += static_cast<uint64_t>(options_.batch_rows);
  model_.parameters().clear_gradients(context_);
  if (extra_optimizer_ != nullptr) loss_.parameters()->clear_gradients(context_);
  const uint64_t seed = mix_bits(options_.seed ^ mix_bits(static_cast<uint64_t>(state_.step)));
  HeadLoss loss = go_through(batch, seed, statistics.auxiliary_loss);
  add_up_ranks(loss, statistics);
  const double weight = std::max(loss.weight, 1e-30);
  statistics.loss = loss.loss / weight + statistics.auxiliary_loss;
  statistics.cross_entropy = loss.cross_entropy / weight;
  statistics.gradient_norm = gradient_norm(context_, model_.parameters());
  statistics.verdict =
      judge_step(options_.guard, statistics.loss, statistics.gradient_norm, state_.guard);
  statistics.rate_fraction = schedule_fraction(options_.schedule, state_.step);
  if (statistics.verdict == StepVerdict::kTake) {
    StepOptions step;
    step.step = state_.updates;
    step.rate_fraction = statistics.rate_fraction;
    step.precision = options_.precision;
    if (options_.clip > 0.0f && statistics.gradient_norm > options_.clip) {
      step.gradient_scale = static_cast<float>(options_.clip / statistics.gradient_norm);
    }
    optimizer_->step(context_, model_.parameters(), step);
    if (extra_optimizer_ != nullptr) {
      extra_optimizer_->step(context_, *loss_.parameters(), step);
    }
    average_.update(context_, model_.parameters().values(), state_.updates);
    ++state_.updates;
  }
  ++state_.step;
  state_.tokens += static_cast<uint64_t>(batch.token_count());
  if (wants_rollback(options_.guard, state_.guard)) roll_back(statistics);
  statistics.step = state_.step;
  statistics.tokens = state_.tokens;
  statistics.skipped = state_.guard.skipped;
  statistics.batch_tokens = batch.token_count();
  statistics.flops = step_flops(batch);
  statistics.seconds = seconds_since(start);
  return statistics;
}

// Weights and optimiser as they were; the steps and the data go on, so that what was bad is left
// behind.
void Trainer::roll_back(StepStatistics& statistics) {
  const auto give_up = [&](const std::string& why) {
    throw Error(
        ErrorCode::kLimit,
        fmt::format("train: {} steps in a row could not be taken, the last with loss {} "
                    "and gradient norm {}, and {}; lower the learning rate",
                    state_.guard.bad_in_a_row, statistics.loss, statistics.gradient_norm, why));
  };
  if (state_.guard.rollbacks >= options_.guard.rollbacks_max) {
    give_up(fmt::format("the run went back {} times already", state_.guard.rollbacks));
  }
  State found;
  if (!checkpoints_ || !load(found)) {
    give_up("there is no checkpoint to go back to");
  }
  state_.updates = found.updates;
  state_.guard.usual_norm = found.guard.usual_norm;
  state_.guard.steps_taken = found.guard.steps_taken;
  state_.guard.bad_in_a_row = 0;
  ++state_.guard.rollbacks;
  statistics.rolled_back = true;
}

double Trainer::held_out_loss(std::span<const float> values) {
  MINIM_CHECK(held_out_ != nullptr);
  const SwappedValues swapped(model_.parameters().values(), values);
  const auto there = held_out_->row_count().value_or(static_cast<uint64_t>(options_.held_out_rows));
  const auto rows =
      static_cast<int64_t>(std::min(there, static_cast<uint64_t>(options_.held_out_rows)));
  const parallel::Share mine = parallel::share_of(ranks_, rows);
  HeadLoss total;
  Batch batch;
  for (int64_t row = mine.begin; row < mine.end; row += state_.part_rows) {
    held_out_->read(static_cast<uint64_t>(row), std::min(state_.part_rows, mine.end - row), batch);
    const BatchView view = view_rows(batch, 0, batch.row_count);
    const TokenLayout layout = make_token_layout(view.row_tokens, view.document_starts);
    Tape tape(context_, pool_,
              {.record = false, .dropping = false, .precision = options_.precision});
    NextTokenLoss loss(0.0f);
    total += loss.forward(tape, model_, {view, layout, 1.0f});
  }
  std::array<double, 2> sums = {total.loss, total.weight};
  ranks_.sum(sums);
  return sums[0] / std::max(sums[1], 1e-30);
}

void Trainer::look_at_held_out(const TrainerEvents& events) {
  HeldOutLoss found;
  found.step = state_.step;
  found.loss = held_out_loss(model_.parameters().values());
  if (average_.enabled()) found.average_loss = held_out_loss(average_.values());
  events.held_out(found);
}

RunEnd Trainer::run(const TrainerEvents& events) {
  const int64_t step_count = options_.schedule.step_count;
  save(events);  // there is always something to go back to
  while (state_.step < step_count) {
    const StepStatistics statistics = take_step();
    const bool go_on = !parallel::any(ranks_, events.step && !events.step(statistics));
    const bool last = state_.step == step_count;
    if (held_out_ != nullptr && events.held_out && options_.held_out_steps > 0 &&
        (last || state_.step % options_.held_out_steps == 0)) {
      look_at_held_out(events);
    }
    if (last || !go_on || state_.step % options_.checkpoint_steps == 0) save(events);
    if (!go_on && !last) return RunEnd::kStopped;
  }
  return RunEnd::kDone;
}

double forward_flops_per_token(const ModelConfig& config, const ParameterSet& parameters) {
  double weights = 0;
  for (const ParameterInfo& info : parameters.infos()) {
    const std::string& name = info.spec.name;
    if (info.spec.kind != TensorKind::kMatrix || name == "position_embd.weight") continue;
    if (name == "token_embd.weight" && !config.tied_embeddings) continue;
    const double share = info.expert_count() > 1 ? static_cast<double>(config.expert_used_count) /
                                                       static_cast<double>(info.expert_count())
                                                 : 1.0;
    weights += share * static_cast<double>(info.count());
  }
  return 2.0 * weights;
}

// Of the weights, and of the scores and sums of attention within each document.
double Trainer::step_flops(const Batch& batch) const {
  const ModelConfig& config = model_.config();
  double pairs = 0;
  for (int64_t i = 0; i < batch.token_count(); ++i) {
    const int64_t start = batch.document_starts[static_cast<size_t>(i)];
    pairs += static_cast<double>(i % batch.row_tokens - start + 1);
  }
  const double attention = 4.0 * pairs * config.query_dim() * config.layer_count;
  const double weights = forward_flops_per_token(config, model_.parameters()) *
                         static_cast<double>(batch.token_count());
  return 3.0 * (weights + attention);
}

}  // namespace minim::train
