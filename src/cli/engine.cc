#include "cli/engine.h"

#include <fmt/core.h>

#include <filesystem>
#include <iostream>
#include <iterator>
#include <utility>

#include "base/cpu.h"
#include "base/error.h"
#include "cli/model_catalog.h"
#include "cli/terminal.h"
#include "formats/vocabulary.h"
#include "kernels/registry.h"

namespace minim::cli {
namespace {

constexpr int kThreadsMax = 1024;

}  // namespace

void add_engine_options(CLI::App& app, EngineOptions& options) {
  app.add_option("-t,--threads", options.threads, "Threads (default: one for each processor)")
      ->envname("MINIM_THREADS")
      ->check(CLI::Range(1, kThreadsMax));
  add_output_options(app, options);
}

void add_output_options(CLI::App& app, EngineOptions& options) {
  app.add_flag("-v,--verbose", options.verbose, "Say more about what happens");
  app.add_flag("-q,--quiet", options.quiet, "No progress and no statistics");
}

void add_precision_option(CLI::App& app, EngineOptions& options) {
  app.add_flag("--exact", options.exact,
               "Multiply quantised weights with float activations, not rounded to 8 bits; slower");
}

CLI::Option* add_model_options(CLI::App& app, ModelOptions& options) {
  CLI::Option* const model = app.add_option(
      "MODEL", options.path,
      "GGUF file, Hugging Face folder or llama2.c checkpoint, or the name of one (minim models)");
  model->required();
  app.add_option("--tokenizer", options.tokenizer,
                 "Tokenizer file of a llama2.c checkpoint (default: looked for beside it)");
  return model;
}

namespace {

// An option that takes one of the types for which `allowed` holds, by name.
CLI::Option* add_named_type(CLI::App& app, const std::string& flag, DataType& type,
                            const std::string& description, bool (*allowed)(const DataTypeInfo&)) {
  std::string names;
  for (const DataTypeInfo& info : data_types()) {
    if (allowed(info)) names += std::string(names.empty() ? "" : ", ") + info.name;
  }
  const auto assign = [&type, flag, names, allowed](const std::string& name) {
    const DataTypeInfo* info = find_data_type(name);
    if (info == nullptr || !allowed(*info)) {
      throw CLI::ValidationError(flag, fmt::format("'{}' is none of {}", name, names));
    }
    type = info->type;
  };
  return app.add_option_function<std::string>(flag, assign, description + "; one of " + names)
      ->type_name("TYPE");
}

}  // namespace

CLI::Option* add_type_option(CLI::App& app, const std::string& flag, DataType& type,
                             const std::string& description) {
  return add_named_type(app, flag, type, description,
                        [](const DataTypeInfo& info) { return info.is_weight; });
}

void add_cache_type_option(CLI::App& app, DataType& type) {
  add_named_type(app, "--cache-type", type,
                 "Type of the cache, which grows with the text (default: f16)",
                 [](const DataTypeInfo& info) { return is_cache_type(info.type); });
}

Tuning known_tuning(const LogSink& log) {
  // Read once, so that a damaged file is told once, however many engines a command has.
  static const Tuning known = [&]() -> Tuning {
    try {
      const InstructionSet set = kernels::select_kernel_table_from_environment().set;
      return read_tuning(tuning_path(), tuning_key(set)).value_or(Tuning{});
    } catch (const Error& error) {
      log(LogLevel::kWarning, error.what());
      return {};
    }
  }();
  return known;
}

int64_t tuned_batch_tokens(int64_t asked, const LogSink& log) {
  constexpr int64_t kUntuned = 512;
  if (asked > 0) return asked;
  const int64_t tuned = known_tuning(log).batch_tokens;
  return tuned > 0 ? tuned : kUntuned;
}

Engine::Engine(const EngineOptions& options)
    : threads_(options.threads > 0 ? options.threads : cpu_count()),
      context_{threads_, kernels::select_kernel_table_from_environment(),
               stderr_log(options.verbose)},
      quiet_(options.quiet),
      precision_(options.exact ? MatmulPrecision::kFloat32 : MatmulPrecision::kInt8) {
  if (options.threads == 0) apply_tuning(known_tuning(context_.log), threads_);
}

std::shared_ptr<const ModelFile> open_model(const ModelOptions& options) {
  return open_model_file(resolve_model(options.path), {.tokenizer = options.tokenizer});
}

std::shared_ptr<const Tokenizer> open_tokenizer(const ModelFile& file) {
  return Tokenizer::make(read_vocabulary(file.metadata()));
}

std::shared_ptr<const Model> load_model(const Engine& engine, std::shared_ptr<const ModelFile> file,
                                        int64_t context_tokens) {
  ProgressDisplay display(engine.quiet());
  return Model::load(engine.context(), std::move(file),
                     {.context_length = context_tokens,
                      .precision = engine.precision(),
                      .progress = display.sink()});
}

void refuse_overwrite(const std::string& path, bool force) {
  if (force || !std::filesystem::exists(path)) return;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' exists; --force replaces it", path));
}

std::string read_text(const std::string& path) {
  if (path != "-") return read_file(path);
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

}  // namespace minim::cli
