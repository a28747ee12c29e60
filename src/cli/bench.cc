// `minim bench`: how fast this machine runs models.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/process_memory.h"
#include "cli/bench_row.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "eval/limits.h"
#include "eval/sample_model.h"
#include "kernels/kernel_table.h"

namespace minim::cli {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string tokenizer;
  std::vector<int64_t> prompts = {512};
  std::vector<int64_t> generations = {128};
  std::vector<std::string> combined;  // "512+128"
  std::vector<int64_t> depths = {0};
  std::vector<int64_t> sequences = {1};
  std::vector<int64_t> batches = {512};
  std::vector<int> threads;
  std::vector<std::string> cache_types = {"f16"};
  int64_t repetitions = 5;
  EngineOptions engine;
  std::string format = "text";
  bool json = false;
  bool no_bandwidth = false;
};

struct OpenedModel {
  std::string path;
  std::shared_ptr<const ModelFile> file;
  ModelSummary summary;
  ModelShape shape;
};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "bench: " + what);
}

// "512+128"
SpeedTest parse_combined(const std::string& text) {
  SpeedTest test;
  const char* const end = text.data() + text.size();
  const auto prompt = std::from_chars(text.data(), end, test.prompt_tokens);
  if (prompt.ec == std::errc() && prompt.ptr != end && *prompt.ptr == '+') {
    const auto generated = std::from_chars(prompt.ptr + 1, end, test.generated_tokens);
    if (generated.ec == std::errc() && generated.ptr == end && test.prompt_tokens > 0 &&
        test.generated_tokens > 0) {
      return test;
    }
  }
  refuse(fmt::format("--pg '{}' is not PROMPT+TOKENS, such as 512+128", text));
}

// The prompts, then the generations, then both together; 0 is none of them.
std::vector<SpeedTest> base_tests(const Options& options) {
  std::vector<SpeedTest> tests;
  for (const int64_t tokens : options.prompts) {
    if (tokens != 0) tests.push_back({.prompt_tokens = tokens});
  }
  for (const int64_t tokens : options.generations) {
    if (tokens != 0) tests.push_back({.generated_tokens = tokens});
  }
  for (const std::string& text : options.combined) tests.push_back(parse_combined(text));
  if (tests.empty()) refuse("there is nothing to measure; give -p, -n or --pg");
  return tests;
}

std::vector<DataType> cache_types(const Options& options) {
  std::vector<DataType> types;
  for (const std::string& name : options.cache_types) {
    types.push_back(find_data_type(name)->type);  // the option has checked it
  }
  return types;
}

// Every combination for one model. A prompt that is read alone knows no other sequences.
void add_plans(const Options& options, const OpenedModel& model, std::vector<BenchPlan>& plans) {
  const std::vector<SpeedTest> tests = base_tests(options);
  const auto add = [&](int threads, DataType type, int64_t depth, int64_t batch) {
    for (const SpeedTest& base : tests) {
      bool alone_done = false;
      for (const int64_t sequences : options.sequences) {
        if (base.generated_tokens == 0 && std::exchange(alone_done, true)) continue;
        BenchPlan plan = {model.path, model.summary, threads, base};
        plan.test.depth = depth;
        plan.test.batch_tokens = batch;
        plan.test.kv_type = type;
        plan.test.repetitions = options.repetitions;
        plan.test.sequence_count = base.generated_tokens == 0 ? 1 : sequences;
        check_speed_test(model.shape.config, plan.test);
        plans.push_back(plan);
      }
    }
  };
  for (const int threads : options.threads) {
    for (const DataType type : cache_types(options)) {
      for (const int64_t batch : options.batches) {
        for (const int64_t depth : options.depths) add(threads, type, depth, batch);
      }
    }
  }
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    for (const std::string& path : options.models) {
      OpenedModel model = {path, open_model({path, options.tokenizer}), {}, {}};
      model.summary = summarize(*model.file);
      model.shape = model_shape(*model.file);
      add_plans(options, model, plans_);
      models_.push_back(std::move(model));
    }
    printer_ = make_bench_printer(*parse_bench_format(options.json ? "json" : options.format));
  }

  int run() {
    printer_->begin(plans_);
    size_t done = 0;
    try {
      for (const OpenedModel& model : models_) measure(model, done);
    } catch (const Error& error) {
      printer_->end(false);
      if (error.code() != ErrorCode::kCancelled) throw;
      fmt::print(stderr, "minim: incomplete: stopped after {} of {} tests\n", done, plans_.size());
      return exit_code(error.code());
    }
    printer_->end(true);
    return kExitOk;
  }

 private:
  // Threads that exist already, or new ones: pools sleep while nothing is to do.
  const Engine& engine(int threads) {
    auto& engine = engines_[threads];
    if (!engine) {
      EngineOptions options = options_.engine;
      options.threads = threads;
      engine = std::make_unique<Engine>(options);
    }
    return *engine;
  }

  void measure(const OpenedModel& model, size_t& done) {
    const int most = *std::max_element(options_.threads.begin(), options_.threads.end());
    reset_peak_resident();
    const auto loaded = load_model(engine(most), model.file, 0);
    const auto load_peak = peak_resident_bytes();
    for (size_t end = done + plans_.size() / models_.size(); done < end; ++done) {
      BenchRow row = measure_row(model, loaded, plans_[done]);
      // Whoever runs the model has to load it as well.
      if (row.peak_resident_bytes && load_peak) {
        row.peak_resident_bytes = std::max(*row.peak_resident_bytes, *load_peak);
      }
      printer_->print(row);
    }
  }

  BenchRow measure_row(const OpenedModel& model, const std::shared_ptr<const Model>& loaded,
                       const BenchPlan& plan) {
    const Engine& engine = this->engine(plan.threads);
    BenchRow row = {.plan = plan,
                    .backend = instruction_set_name(engine.context().kernels.set),
                    .weight_bytes = loaded->weight_bytes(),
                    .token_weight_bytes = model.shape.token_weight_bytes()};
    if (!options_.no_bandwidth && plan.test.prompt_tokens == 0) {
      row.memory_bytes_per_second = LimitsProbe(engine.context(), false).read_bytes_per_second();
    }
    const bool peak_is_new = reset_peak_resident();
    EnergyMeter energy;
    ProgressDisplay display(options_.engine.quiet);
    row.result = measure_speed(engine.context(), loaded, plan.test,
                               {.progress = display.sink(), .energy = &energy});
    if (peak_is_new) row.peak_resident_bytes = peak_resident_bytes();
    return row;
  }

  const Options& options_;
  std::vector<OpenedModel> models_;
  std::vector<BenchPlan> plans_;  // as many of each model
  std::map<int, std::unique_ptr<Engine>> engines_;
  std::unique_ptr<BenchPrinter> printer_;
};

template <typename Value>
CLI::Option* add_list(CLI::App& app, const std::string& flags, std::vector<Value>& values,
                      const std::string& help) {
  return app.add_option(flags, values, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->capture_default_str();
}

std::string check_cache_type(const std::string& name) {
  const DataTypeInfo* info = find_data_type(name);
  if (info != nullptr && is_cache_type(info->type)) return "";
  std::string names;
  for (const DataTypeInfo& one : data_types()) {
    if (is_cache_type(one.type)) names += std::string(names.empty() ? "" : ", ") + one.name;
  }
  return fmt::format("'{}' is none of {}", name, names);
}

void add_work_options(CLI::App& app, Options& options) {
  add_list(app, "-p,--prompt", options.prompts, "Tokens of the prompt; 0: none");
  add_list(app, "-n,--tokens", options.generations, "Tokens to generate; 0: none");
  add_list(app, "--pg", options.combined, "Both, one after the other, such as 512+128");
  add_list(app, "-d,--depth", options.depths, "Tokens in the cache before each test");
  add_list(app, "--sequences", options.sequences, "Sequences that generate together");
  add_list(app, "--batch", options.batches, "Prompt tokens computed at once");
  add_list(app, "--cache-type", options.cache_types,
           "Types of the cache, which grows with the text")
      ->check(check_cache_type);
  add_list(app, "-t,--threads", options.threads, "Threads (default: one for each processor)")
      ->envname("MINIM_THREADS")
      ->check(CLI::Range(1, 1024));
  app.add_option("-r,--repetitions", options.repetitions, "Runs of each test, after one to warm up")
      ->capture_default_str();
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->models, "One or more models: files, folders or names")
      ->required();
  app.add_option("--tokenizer", options->tokenizer,
                 "Tokenizer file of a llama2.c checkpoint (default: looked for beside it)");
  add_work_options(app, *options);
  std::vector<std::string> formats(bench_format_names().begin(), bench_format_names().end());
  CLI::Option* format =
      app.add_option("--format", options->format, "text, markdown, csv, json or jsonl")
          ->check(CLI::IsMember(formats))
          ->capture_default_str();
  app.add_flag("--json", options->json, "The same as --format json")->excludes(format);
  app.add_flag("--no-bandwidth", options->no_bandwidth,
               "Do not read the memory's bandwidth before each test that generates");
  add_precision_option(app, options->engine);
  add_output_options(app, options->engine);
  app.footer(
      "Lists make a row for every combination. Averages and standard deviations of several runs;\n"
      "tokens are random and nothing is sampled. TTFT: time to the first token.\n"
      "  minim bench model.gguf\n"
      "  minim bench a.gguf b.gguf -p 128,512 -n 64 -d 0,4096 -t 1,2 --format markdown\n"
      "  minim bench model.gguf -p 0 --sequences 1,8\n"
      "  minim bench model.gguf -p 0 -n 0 --pg 512+128");
  return [options] {
    if (options->threads.empty()) options->threads = {cpu_count()};
    const InterruptGuard interrupt;
    return Bench(*options).run();
  };
}

}  // namespace minim::cli
