// `minim train` and `minim distill`: a recipe followed from its texts to a model.
#include <fmt/core.h>

#include <chrono>
#include <cmath>
#include <memory>

#include "base/cpu.h"
#include "base/error.h"
#include "base/machine.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/recipe_options.h"
#include "cli/terminal.h"
#include "cli/train_display.h"
#include "cli/version.h"
#include "kernels/kernel_table.h"
#include "parallel/connect.h"
#include "train/run/training_run.h"

namespace minim::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  EngineOptions engine;
  RecipeOptions recipe;
  bool plan = false;
  bool mpi = false;
};

// What training reaches of the peak rate, roughly: ./dev bench train has the figures.
constexpr double kUsualPeakShare = 0.5;

// peak: operations a second, of all ranks.
void print_plan(const train::RunPlan& plan, double peak, int ranks) {
  const train::MemoryPlan& memory = plan.memory;
  const auto line = [](const char* what, const std::string& value) {
    fmt::print("{:<20} {:>30}\n", what, value);
  };
  line("parameters", format_count(static_cast<double>(plan.parameter_count)));
  line("tokens", format_count(plan.tokens()));
  line("rows at once", fmt::format("{} of {}", plan.options.micro_rows, plan.options.batch_rows));
  line("weights", format_bytes(static_cast<double>(memory.parameter_bytes)));
  line("gradients", format_bytes(static_cast<double>(memory.gradient_bytes)));
  line("optimizer", format_bytes(static_cast<double>(memory.optimizer_bytes)));
  line("average of weights", format_bytes(static_cast<double>(memory.average_bytes)));
  line("activations", format_bytes(static_cast<double>(memory.activation_bytes)));
  line("products", format_bytes(static_cast<double>(memory.product_bytes)));
  if (plan.teacher_bytes > 0)
    line("teacher", format_bytes(static_cast<double>(plan.teacher_bytes)));
  line("memory in all", format_bytes(static_cast<double>(memory.total() + plan.teacher_bytes)));
  if (ranks > 1) {
    line("added up each step", format_bytes(static_cast<double>(memory.gradient_bytes)));
  }
  const double seconds = plan.tokens() * plan.flops_per_token / (kUsualPeakShare * peak);
  line("time, roughly", format_duration(seconds));
  fmt::print("  ({:.0f} % of the {:.0f} GFLOP/s that are there at best)\n", 100 * kUsualPeakShare,
             peak * 1e-9);
}

// Operations a second that all threads reach in vector registers.
double peak_rate(const Context& context, GemmPrecision precision) {
  const auto probe = precision == GemmPrecision::kFloat32 ? context.kernels.probe_products
                                                          : context.kernels.bfloat16.probe_products;
  constexpr int64_t kSteps = 1000000;
  const int threads = context.threads.thread_count();
  const auto start = Clock::now();
  context.threads.run(threads, [&](int64_t) { probe(kSteps); });
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return static_cast<double>(probe(1)) * kSteps * threads / seconds;
}

double peak_of_all(parallel::Communicator& ranks, double peak) {
  ranks.sum(std::span(&peak, 1));
  return peak;
}

Path program_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

// Those that this process was started with, or null where it is alone.
std::unique_ptr<parallel::Communicator> join_ranks(const Options& options) {
  if (options.mpi) return parallel::connect_mpi(program_folder());
  const int count = parallel::read_launch().process_count;
  if (count == 1) return nullptr;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("train: started as one of {} processes, which would all write the same "
                          "files; --mpi makes them work together",
                          count));
}

// The first rank makes the data ready, so that the others find it where they share its folder.
train::PreparedData prepare_on_all(const Context& context, const train::Recipe& recipe,
                                   parallel::Communicator& ranks, const ProgressSink& progress) {
  train::PreparedData data;
  const auto prepare = [&] {
    data = train::prepare_data(context, recipe,
                               {.progress = progress, .warn = [&](const std::string& text) {
                                  if (ranks.is_first()) context.warn(text);
                                }});
  };
  if (ranks.is_first()) prepare();
  parallel::wait_for_all(ranks);
  if (!ranks.is_first()) prepare();
  return data;
}

int run(const Options& options, const train::Recipe& recipe) {
  const Engine engine(options.engine);
  const Context& context = engine.context();
  const InterruptGuard interrupt;
  std::unique_ptr<parallel::Communicator> joined = join_ranks(options);
  parallel::Communicator& ranks = joined != nullptr ? *joined : parallel::alone();
  const bool quiet = options.engine.quiet || !ranks.is_first();
  train::RunSettings settings;
  settings.ranks = &ranks;
  settings.version = version_text();
  settings.machine =
      fmt::format("{}, {} kernels, {} threads", cpu_model_name(),
                  instruction_set_name(context.kernels.set), context.threads.thread_count());
  if (ranks.size() > 1) {
    settings.machine += fmt::format(", {} processes of {}", ranks.size(), ranks.name());
  }
  ProgressDisplay display(quiet);
  settings.progress = display.sink();
  const train::PreparedData data = prepare_on_all(context, recipe, ranks, settings.progress);
  const auto neighbours = static_cast<uint64_t>(parallel::read_launch().here_count);
  const train::RunPlan plan =
      train::plan_run(context, recipe, data, read_machine().available_bytes / neighbours, ranks);
  settings.peak_rate = peak_of_all(ranks, peak_rate(context, plan.options.precision));
  if (options.plan) {
    if (ranks.is_first()) {
      print_data(recipe, data);
      print_plan(plan, settings.peak_rate, ranks.size());
    }
    return kExitOk;
  }
  TrainDisplay steps(quiet, settings.peak_rate);
  train::TrainerEvents events;
  events.step = [&](const train::StepStatistics& s) {
    steps.show(s);
    return !InterruptGuard::interrupted();
  };
  events.held_out = [&](const train::HeldOutLoss& look) { steps.show(look); };
  const train::RunResult result = train::run_recipe(context, recipe, data, plan, settings, events);
  const bool is_first = ranks.is_first();
  joined.reset();  // in peace, however the run has ended
  if (!is_first) return kExitOk;
  if (result.end == train::RunEnd::kStopped) {
    throw Error(ErrorCode::kCancelled,
                fmt::format("train: stopped after step {} of {} and saved in '{}'; the same "
                            "command goes on from there",
                            result.step, plan.options.schedule.step_count, recipe.output.folder));
  }
  fmt::print("{}\n", result.model.string());
  return kExitOk;
}

Action add(CLI::App& app, bool distills) {
  auto options = std::make_shared<Options>();
  add_recipe_options(app, options->recipe);
  add_engine_options(app, options->engine);
  app.add_flag("--plan", options->plan,
               "Show parameters, memory, tokens and time, and train nothing");
  app.add_flag("--mpi", options->mpi,
               "Work together with the processes that mpirun started beside this one");
  return [options, distills] {
    if (options->recipe.keys) {
      print_recipe_keys();
      return kExitOk;
    }
    const train::Recipe recipe = open_recipe(options->recipe);
    if (distills && recipe.distillation.teacher.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: no distillation.teacher to learn from; name one, or use "
                              "'minim train'",
                              recipe.where("distillation.teacher")));
    }
    return run(*options, recipe);
  };
}

}  // namespace

Action add_train(CLI::App& app) {
  app.footer(
      "Follows a recipe to a model file in its output folder, beside its log and checkpoints.\n"
      "Stopped with Ctrl-C, it saves after the step at hand; the same command goes on.\n\n"
      "Example:\n  minim train recipes/toy.yaml --set training.steps=100");
  return add(app, false);
}

Action add_distill(CLI::App& app) {
  app.footer(
      "As minim train, for recipes with a teacher.\n\n"
      "Example:\n  minim distill recipe.yaml --set distillation.teacher=teacher.gguf");
  return add(app, true);
}

}  // namespace minim::cli
