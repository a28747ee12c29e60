#include "train/run/training_run.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <ctime>
#include <numbers>

#include "base/error.h"
#include "base/xxhash64.h"
#include "formats/vocabulary.h"
#include "model/memory.h"
#include "text/vocabulary_hash.h"
#include "train/recipe/section_reader.h"
#include "train/stored_teacher.h"

namespace minim::train {
namespace {

constexpr double kMemoryShare = 0.8;  // of the machine's that a run may take

OptimizerKind optimizer_kind(const std::string& word) {
  if (word == "muon") return OptimizerKind::kMuon;
  if (word == "adamw") return OptimizerKind::kAdamW;
  MINIM_CHECK(word == "adafactor");
  return OptimizerKind::kAdafactor;
}

ScheduleKind schedule_kind(const std::string& word) {
  if (word == "wsd") return ScheduleKind::kWarmupStableDecay;
  if (word == "cosine") return ScheduleKind::kCosine;
  MINIM_CHECK(word == "linear");
  return ScheduleKind::kLinear;
}

Divergence divergence(const std::string& word) {
  if (word == "forward_kl") return Divergence::kForward;
  if (word == "reverse_kl") return Divergence::kReverse;
  if (word == "skewed_kl") return Divergence::kSkewed;
  MINIM_CHECK(word == "jensen_shannon");
  return Divergence::kJensenShannon;
}

GemmPrecision precision(const Context& context, const Recipe& recipe) {
  const std::string& word = recipe.training.precision;
  if (word == "fp32") return GemmPrecision::kFloat32;
  if (has_bfloat16_gemm(context)) return GemmPrecision::kBfloat16;
  if (word == "auto") return GemmPrecision::kFloat32;
  throw_bad_recipe(recipe.where("training.precision"),
                   "this processor has no products of bfloat16; take auto or fp32");
}

int parse_layer(const Recipe& recipe, const std::string& key, std::string_view text) {
  int layer = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), layer);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && layer >= 0) {
    return layer;
  }
  throw_bad_recipe(recipe.where(key), fmt::format("{}: '{}' is no layer", key, text));
}

DistillOptions distill_options(const Recipe& recipe) {
  const DistillationRecipe& distillation = recipe.distillation;
  DistillOptions options;
  options.divergence = divergence(distillation.loss);
  // Jensen and Shannon's mixture is even.
  const bool skewed = options.divergence == Divergence::kSkewed;
  options.mix = skewed ? static_cast<float>(distillation.skew) : 0.5f;
  options.temperature = static_cast<float>(distillation.temperature);
  options.hard_weight = static_cast<float>(distillation.hard_weight);
  options.z_loss = static_cast<float>(recipe.training.z_loss);
  options.top_k = static_cast<int>(distillation.top_k);
  return options;
}

TeacherOptions teacher_options(const Recipe& recipe) {
  TeacherOptions options;
  options.distill = distill_options(recipe);
  options.hidden_weight = static_cast<float>(recipe.distillation.hidden_weight);
  options.seed = static_cast<uint64_t>(recipe.training.seed);
  const std::string key = "distillation.layer_map";
  for (const std::string& pair : recipe.distillation.layer_map) {
    const size_t colon = pair.find(':');
    if (colon == pair.npos) {
      throw_bad_recipe(recipe.where(key), fmt::format("'{}' is no pair student:teacher", pair));
    }
    const std::string_view text = pair;
    options.layers.push_back({parse_layer(recipe, key, text.substr(0, colon)),
                              parse_layer(recipe, key, text.substr(colon + 1))});
  }
  return options;
}

// What the exported file says beside the shape.
Metadata run_metadata(const Recipe& recipe, const Tokenizer& tokenizer) {
  Metadata metadata;
  if (!recipe.output.name.empty()) metadata.set_string("general.name", recipe.output.name);
  if (!recipe.output.description.empty()) {
    metadata.set_string("general.description", recipe.output.description);
  }
  write_vocabulary(tokenizer.vocabulary(), metadata);
  return metadata;
}

// A deeper model (or a shallower one) whose layers begin as those of a trained one (Gong et al.,
// 2019: progressive stacking).
std::unique_ptr<TrainModel> make_stacked(const Context& context, const Recipe& recipe,
                                         const PreparedData& data, const ModelConfig& config) {
  const GraphOptions graph = graph_options(recipe);
  const TrainModel source(context, *open_model_file(recipe.resolve(recipe.model.from)), graph,
                          ParameterSet::Memory::kValues);
  auto model = std::make_unique<TrainModel>(context, config, run_metadata(recipe, *data.tokenizer),
                                            InitialWeights(), graph);
  std::vector<int> layers;
  for (const std::string& layer : recipe.model.stack) layers.push_back(std::stoi(layer));
  start_from_layers(*model, source, layers);
  return model;
}

std::unique_ptr<TrainModel> make_student(const Context& context, const Recipe& recipe,
                                         const PreparedData& data, const ModelConfig& config) {
  const GraphOptions graph = graph_options(recipe);
  if (!recipe.model.stack.empty()) return make_stacked(context, recipe, data, config);
  if (!recipe.model.from.empty()) {
    return std::make_unique<TrainModel>(context,
                                        *open_model_file(recipe.resolve(recipe.model.from)), graph);
  }
  InitialWeights initial;
  initial.seed = static_cast<uint64_t>(recipe.training.seed);
  return std::make_unique<TrainModel>(context, config, run_metadata(recipe, *data.tokenizer),
                                      initial, graph);
}

TeacherLogitsHeader stored_header(const Recipe& recipe, const PreparedData& data,
                                  const Path& teacher) {
  TeacherLogitsHeader header;
  header.vocabulary_size = data.tokenizer->size();
  // All: what is left of the others is then the last one's.
  header.top_k = recipe.distillation.top_k > 0 ? static_cast<int32_t>(recipe.distillation.top_k)
                                               : header.vocabulary_size - 1;
  header.row_tokens = recipe.training.row_tokens;
  header.temperature = static_cast<float>(recipe.distillation.temperature);
  header.vocabulary_hash = hash_vocabulary(data.tokenizer->vocabulary());
  const auto file = MappedFile::open(teacher);
  XxHash64 hash;
  hash.update(file->bytes());
  header.teacher = hash.digest();
  return header;
}

// The loss of a run, and what it needs to live.
struct RunLoss {
  std::unique_ptr<TrainModel> teacher;
  std::unique_ptr<StepLoss> loss;
};

RunLoss make_loss(const Context& context, const Recipe& recipe, const PreparedData& data,
                  const RunPlan& plan, const RunSettings& settings, TrainModel& student) {
  const DistillationRecipe& distillation = recipe.distillation;
  RunLoss run;
  if (distillation.teacher.empty()) {
    run.loss = std::make_unique<NextTokenLoss>(static_cast<float>(recipe.training.z_loss));
    return run;
  }
  const Path path = recipe.resolve(distillation.teacher);
  const auto load = [&] {
    return std::make_unique<TrainModel>(context, *open_model_file(path), GraphOptions(),
                                        ParameterSet::Memory::kValues);
  };
  if (!distillation.start_layers.empty()) {
    std::vector<int> layers;
    for (const std::string& layer : distillation.start_layers) {
      layers.push_back(parse_layer(recipe, "distillation.start_layers", layer));
    }
    run.teacher = load();
    start_from_layers(student, *run.teacher, layers);
  }
  if (distillation.stored.empty()) {
    if (run.teacher == nullptr) run.teacher = load();
    run.loss = std::make_unique<LiveTeacherLoss>(student, *run.teacher, teacher_options(recipe));
    return run;
  }
  parallel::Communicator& ranks = *settings.ranks;
  const Path stored = recipe.resolve(distillation.stored);
  const TeacherLogitsHeader header = stored_header(recipe, data, path);
  if (ranks.is_first() && !std::filesystem::exists(stored)) {
    if (run.teacher == nullptr) run.teacher = load();
    StoreOptions options;
    options.row_count = static_cast<uint64_t>(plan.options.schedule.step_count) *
                        static_cast<uint64_t>(plan.options.batch_rows);
    options.batch_rows = plan.options.micro_rows;
    options.header = header;
    options.precision = plan.options.precision;
    options.progress = settings.progress;
    store_teacher(context, *run.teacher, *data.training, stored, options);
  }
  parallel::wait_for_all(ranks);
  run.teacher.reset();
  const auto reader = TeacherLogitsReader::open(stored);
  reader->check(header);
  run.loss = std::make_unique<StoredTeacherLoss>(student, reader, distill_options(recipe));
  return run;
}

// The bytes of text that the learned tokens of the held-out rows stand for, a token.
double bytes_per_token(const PreparedData& data, int64_t row_count) {
  const auto rows =
      std::min<uint64_t>(data.held_out->row_count().value_or(0), static_cast<uint64_t>(row_count));
  Batch batch;
  data.held_out->read(0, static_cast<int64_t>(rows), batch);
  double tokens = 0;
  double bytes = 0;
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.weights[i] == 0.0f) continue;
    tokens += 1;
    bytes += static_cast<double>(data.tokenizer->token_bytes(batch.targets[i]).size());
  }
  return tokens > 0 ? bytes / tokens : 0;
}

StepRecord step_record(const StepStatistics& s, const OptimizerOptions& optimizer, double peak) {
  const bool muon = optimizer.kind == OptimizerKind::kMuon;
  StepRecord record;
  record.step = s.step;
  record.tokens = s.tokens;
  record.loss = s.loss;
  record.learning_rate =
      s.rate_fraction * double{muon ? optimizer.muon_learning_rate : optimizer.learning_rate};
  record.gradient_norm = s.gradient_norm;
  record.seconds = s.seconds;
  if (peak > 0) record.peak_share = s.flops / s.seconds / peak;
  return record;
}

// Writes what happens to the log, where there is one, and passes it on.
class LoggedEvents {
 public:
  LoggedEvents(RunLog* log, const RunPlan& plan, double peak_rate, const TrainerEvents& events,
               double bytes_each, RunResult& result)
      : log_(log),
        options_(plan.options),
        peak_rate_(peak_rate),
        events_(events),
        bytes_each_(bytes_each),
        result_(result) {}

  TrainerEvents make() {
    TrainerEvents logged;
    logged.step = [this](const StepStatistics& s) { return on_step(s); };
    logged.held_out = [this](const HeldOutLoss& look) { on_held_out(look); };
    logged.saved = [this](int64_t step) {
      write(RunNote{step, "checkpoint", ""});
      if (events_.saved) events_.saved(step);
    };
    return logged;
  }

 private:
  template <typename Record>
  void write(const Record& record) {
    if (log_ != nullptr) log_->write(record);
  }

  bool on_step(const StepStatistics& s) {
    write(step_record(s, options_.optimizer, peak_rate_));
    if (s.verdict != StepVerdict::kTake) {
      write(RunNote{s.step, "skipped",
                    s.verdict == StepVerdict::kSkipSpike
                        ? "the gradient was far larger than usual"
                        : "the loss or the gradient was no finite number"});
    }
    if (s.rolled_back) write(RunNote{s.step, "rollback", "back to the last checkpoint"});
    return !events_.step || events_.step(s);
  }

  void on_held_out(const HeldOutLoss& look) {
    const double loss = look.average_loss.value_or(look.loss);
    const double bits = bytes_each_ > 0 ? loss / std::numbers::ln2 / bytes_each_ : 0;
    write(HeldOutRecord{look.step, loss, bits});
    result_.held_out = look;
    if (events_.held_out) events_.held_out(look);
  }

  RunLog* log_;
  const TrainerOptions& options_;
  double peak_rate_;
  const TrainerEvents& events_;
  double bytes_each_;
  RunResult& result_;
};

RunStart run_start(const Recipe& recipe, const RunPlan& plan, const RunSettings& settings,
                   int64_t step) {
  RunStart start;
  start.name = recipe.output.name;
  start.recipe = format_recipe(recipe);
  start.version = settings.version;
  start.machine = settings.machine;
  start.step = step;
  start.step_count = plan.options.schedule.step_count;
  start.parameters = plan.parameter_count;
  start.batch_tokens = plan.batch_tokens();
  start.time = static_cast<int64_t>(std::time(nullptr));
  return start;
}

DataType export_type(const std::string& word) {
  if (word == "f32") return DataType::kF32;
  if (word == "f16") return DataType::kF16;
  MINIM_CHECK(word == "bf16");
  return DataType::kBf16;
}

[[noreturn]] void throw_no_room(const RunPlan& plan, size_t room) {
  throw Error(ErrorCode::kLimit,
              fmt::format("train: a run of one row at a time takes {} MiB of the {} MiB that there "
                          "are for it; choose a smaller model, shorter rows, training.recompute, "
                          "or adafactor",
                          (plan.memory.total() + plan.teacher_bytes) >> 20, room >> 20));
}

}  // namespace

GraphOptions graph_options(const Recipe& recipe) {
  GraphOptions options;
  options.dropout = static_cast<float>(recipe.training.dropout);
  options.recompute = recipe.training.recompute;
  options.balance_weight = 0.01f;  // as Switch Transformers have it; only experts look at it
  return options;
}

TrainerOptions trainer_options(const Context& context, const Recipe& recipe, int64_t step_count) {
  const TrainingRecipe& training = recipe.training;
  TrainerOptions options;
  options.batch_rows = training.batch_rows;
  options.micro_rows = std::min(training.micro_rows, training.batch_rows);
  options.schedule.kind = schedule_kind(training.schedule);
  options.schedule.step_count = step_count;
  options.schedule.warmup_steps = std::min(training.warmup_steps, step_count / 2);
  options.schedule.decay_steps = std::min(
      static_cast<int64_t>(std::lround(training.decay_share * static_cast<double>(step_count))),
      step_count - options.schedule.warmup_steps);
  options.schedule.final_fraction = static_cast<float>(training.final_share);
  OptimizerOptions& optimizer = options.optimizer;
  optimizer.kind = optimizer_kind(training.optimizer);
  const bool muon = optimizer.kind == OptimizerKind::kMuon;
  optimizer.learning_rate =
      static_cast<float>(muon ? training.adamw_learning_rate : training.learning_rate);
  optimizer.muon_learning_rate = static_cast<float>(training.learning_rate);
  optimizer.weight_decay = static_cast<float>(training.weight_decay);
  optimizer.beta1 = static_cast<float>(training.beta1);
  optimizer.beta2 = static_cast<float>(training.beta2);
  optimizer.epsilon = static_cast<float>(training.epsilon);
  optimizer.muon_momentum = static_cast<float>(training.momentum);
  options.clip = static_cast<float>(training.clip);
  options.average_decay = static_cast<float>(training.ema);
  options.precision = precision(context, recipe);
  options.seed = static_cast<uint64_t>(training.seed);
  options.guard.spike = static_cast<float>(training.spike);
  options.guard.bad_steps_max = static_cast<int>(training.bad_steps_max);
  options.checkpoint_folder = Path(recipe.output.folder) / "checkpoints";
  options.checkpoint_steps = training.checkpoint_steps;
  options.held_out_steps = training.held_out_steps;
  options.held_out_rows = training.held_out_rows;
  return options;
}

RunPlan plan_run(const Context& context, const Recipe& recipe, const PreparedData& data,
                 uint64_t memory_bytes, parallel::Communicator& ranks) {
  RunPlan plan;
  plan.config = model_config(recipe, data.tokenizer->size());
  plan.parameter_count = parameter_count(plan.config);
  plan.options = trainer_options(context, recipe, step_count(recipe, *data.training));
  plan.row_tokens = recipe.training.row_tokens;
  const ParameterSet parameters(plan.config, {}, ParameterSet::Memory::kNone);
  plan.flops_per_token = 3 * forward_flops_per_token(plan.config, parameters);
  const DistillationRecipe& distillation = recipe.distillation;
  if (!distillation.teacher.empty() && distillation.stored.empty()) {
    const auto file = open_model_file(recipe.resolve(distillation.teacher));
    plan.teacher_bytes = parameter_count(read_model_config(*file)) * sizeof(float);
  }
  const GraphOptions graph = graph_options(recipe);
  const auto room = static_cast<size_t>(kMemoryShare * static_cast<double>(memory_bytes));
  // Where the recipe leaves it open, as many rows at once as fit.
  const bool open = plan.options.micro_rows == 0;
  int64_t& rows = plan.options.micro_rows;
  if (open) rows = (plan.options.batch_rows + ranks.size() - 1) / ranks.size();
  while (true) {
    plan.memory = plan_memory(context, plan.config, graph, plan.options, plan.row_tokens);
    if (!open || plan.memory.total() + plan.teacher_bytes <= room) break;
    if (rows == 1) throw_no_room(plan, room);
    rows = (rows + 1) / 2;
  }
  ranks.broadcast(std::as_writable_bytes(std::span(&rows, 1)));
  return plan;
}

RunResult run_recipe(const Context& context, const Recipe& recipe, const PreparedData& data,
                     const RunPlan& plan, const RunSettings& settings,
                     const TrainerEvents& events) {
  const Path folder = recipe.output.folder;
  const auto student = make_student(context, recipe, data, plan.config);
  const RunLoss loss = make_loss(context, recipe, data, plan, settings, *student);
  const bool has_held_out = data.held_out->row_count().value_or(0) > 0;
  Trainer trainer(context, *student, *data.training, has_held_out ? data.held_out.get() : nullptr,
                  *loss.loss, plan.options, *settings.ranks);
  RunResult result;
  if (trainer.resume()) result.resumed_from = trainer.step();
  std::optional<RunLog> log;
  if (settings.ranks->is_first()) {
    std::filesystem::create_directories(folder);
    log.emplace(folder);
    log->write(run_start(recipe, plan, settings, trainer.step()));
  }
  const double bytes_each = has_held_out ? bytes_per_token(data, plan.options.held_out_rows) : 0;
  LoggedEvents logged(log ? &*log : nullptr, plan, settings.peak_rate, events, bytes_each, result);
  result.end = trainer.run(logged.make());
  result.step = trainer.step();
  if (result.end == RunEnd::kDone) result.model = folder / "model.gguf";
  if (!log) return result;
  if (result.end == RunEnd::kStopped) {
    log->write(RunNote{result.step, "stopped", ""});
    return result;
  }
  const bool averaged = !trainer.average().empty();
  export_model(
      context, *student,
      averaged ? trainer.average() : std::span<const float>(student->parameters().values()),
      result.model, {.type = export_type(recipe.output.type)});
  log->write(RunNote{result.step, "done", result.model.string()});
  return result;
}

}  // namespace minim::train
