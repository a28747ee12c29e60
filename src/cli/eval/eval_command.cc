// `minim eval`: what a model can do, by tasks in small files.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/eval/eval_result.h"
#include "cli/eval/task_file.h"
#include "cli/exit_code.h"
#include "cli/model_catalog.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "eval/task_run.h"
#include "model/memory.h"

namespace minim::cli {
namespace {

struct Options {
  std::string model;
  EngineOptions engine;
  std::vector<std::string> tasks;
  std::string folder = "recipes/tasks";
  std::vector<std::string> compare;
  std::string output;
  EvalFormat format = EvalFormat::kText;
  DataType cache_type = DataType::kF16;
  int64_t limit = 0;
  int64_t context_tokens = 0;
  int64_t sample_count = 0;
  bool raw = false;
  bool constrained = false;
  bool list = false;
  bool force = false;
};

std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) line += c == '\n' ? std::string("\\n") : std::string(1, c);
  return line;
}

int list_all(const Options& options) {
  const std::vector<Path> paths = list_tasks(options.folder);
  if (paths.empty()) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("eval: there are no tasks in '{}'; name their folder with --folder",
                            options.folder));
  }
  for (const Path& path : paths) {
    const TaskFile file = load_task_file(path);
    fmt::print("{:<16} {}\n", file.options.name, one_line(file.options.description));
  }
  return kExitOk;
}

int compare(const Options& options) {
  if (!options.model.empty() || !options.tasks.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "eval: --compare reads two stored results; leave out MODEL and --tasks");
  }
  if (options.format == EvalFormat::kJson) {
    throw Error(ErrorCode::kInvalidArgument, "eval: --compare writes text, markdown or html");
  }
  const EvalResult first = load_eval_result(options.compare[0]);
  const EvalResult second = load_eval_result(options.compare[1]);
  fmt::print("{}", format_comparison(first, second, options.format));
  return kExitOk;
}

// A task and its items, all read before the model is asked anything.
struct PreparedTask {
  Task task;
  std::vector<TaskItem> items;
};

std::vector<PreparedTask> prepare_tasks(const Options& options) {
  std::vector<PreparedTask> tasks;
  for (const std::string& name : options.tasks) {
    const TaskFile file = load_task_file(find_task(name, options.folder));
    Task task(file.options);
    TaskItems read = read_items(file, task, options.limit);
    for (const std::string& line : read.left_out) {
      fmt::print(stderr, "minim: warning: task '{}': {}\n", task.options().name, line);
    }
    tasks.push_back({std::move(task), std::move(read.items)});
  }
  return tasks;
}

EvalResult describe_model(const Options& options, const Model& model) {
  EvalResult result;
  const Path path = resolve_model(options.model);
  result.model = path.stem().string();
  result.parameters = parameter_count(model.config());
  result.version = version_text();
  result.limit = options.limit;
  if (std::filesystem::is_regular_file(path)) {
    const auto mapped = MappedFile::open(path);
    result.bytes = mapped->bytes().size();
    Sha256 hash;
    hash.add(mapped->bytes());
    result.sha256 = hash.finish();
  }
  return result;
}

void show_samples(const PreparedTask& prepared, const TaskResult& result, int64_t count) {
  size_t at = 0;
  for (const TaskOutcome& outcome : result.outcomes) {
    if (count-- == 0) return;
    // Items that did not fit have no outcome.
    while (prepared.items[at].origin != outcome.origin) ++at;
    fmt::print(stderr, "\n[{}]\n{}\n  expected: {}\n  given:    {}{}\n", outcome.origin,
               prepared.items[at].prompt, one_line(outcome.expected), one_line(outcome.given),
               outcome.right ? "" : "  (not right)");
  }
}

int evaluate(const Options& options) {
  if (options.list) return list_all(options);
  if (!options.compare.empty()) return compare(options);
  if (options.model.empty()) throw Error(ErrorCode::kInvalidArgument, "eval: give a MODEL");
  if (options.tasks.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "eval: give --tasks, names or files; --list shows those that there are");
  }
  if (!options.output.empty()) refuse_overwrite(options.output, options.force);
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  const std::vector<PreparedTask> tasks = prepare_tasks(options);
  const auto file = open_model({.path = options.model, .tokenizer = {}});
  const auto tokenizer = open_tokenizer(*file);
  const auto model = load_model(engine, file, options.context_tokens);
  EvalResult result = describe_model(options, *model);
  const TaskRunOptions run = {.context_tokens = options.context_tokens,
                              .kv_type = options.cache_type,
                              .chat = !options.raw,
                              .constrained = options.constrained};
  for (const PreparedTask& prepared : tasks) {
    ProgressDisplay display(options.engine.quiet);
    result.tasks.push_back(run_task(engine.context(), model, tokenizer, prepared.task,
                                    prepared.items, run, display.sink()));
    if (options.sample_count > 0) {
      show_samples(prepared, result.tasks.back(), options.sample_count);
    }
  }
  if (!options.output.empty()) save_eval_result(result, options.output);
  fmt::print("{}", format_eval_result(result, options.format));
  return kExitOk;
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "Model file, or a name of `minim models`");
  app.add_option("--tasks", options->tasks, "Names of tasks, or files")->delimiter(',');
  app.add_flag("--list", options->list, "List the tasks of the folder");
  app.add_option("--folder", options->folder, "Folder where tasks are found by name")
      ->envname("MINIM_TASKS")
      ->capture_default_str();
  app.add_option("--limit", options->limit,
                 "Items of each task at most, a sample that is always the same; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("-c,--context", options->context_tokens,
                 "Tokens of an item, or of a window of a text; 0: the model's, at most 2048")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--raw", options->raw, "Ask without the model's chat template");
  app.add_flag("--constrained", options->constrained,
               "Hold answers to the constraints of the tasks that have one");
  app.add_option("--samples", options->sample_count, "Show so many items of each task")
      ->check(CLI::NonNegativeNumber);
  app.add_option("-o,--out", options->output, "Store the result, with every answer, as JSON");
  app.add_flag("--force", options->force, "Replace the output if it exists");
  app.add_option("--compare", options->compare, "Compare two stored results")
      ->expected(2)
      ->type_name("FIRST SECOND");
  app.add_option("--format", options->format, "text, markdown, html or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, EvalFormat>{{"text", EvalFormat::kText},
                                            {"markdown", EvalFormat::kMarkdown},
                                            {"html", EvalFormat::kHtml},
                                            {"json", EvalFormat::kJson}}));
  add_cache_type_option(app, options->cache_type);
  add_precision_option(app, options->engine);
  add_engine_options(app, options->engine);
  app.footer(
      "How good is it, and what did 4 bits cost?\n"
      "  minim eval model.gguf --tasks sst2,clinc150 --limit 500 -o model.json\n"
      "  minim eval small.gguf --tasks sst2,clinc150 --limit 500 -o small.json\n"
      "  minim eval --compare model.json small.json");
  return [options] { return evaluate(*options); };
}

}  // namespace minim::cli
