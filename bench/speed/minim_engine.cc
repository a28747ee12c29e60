// minim as one of the programs that are compared: its own commands, as anybody runs them.
#include <fmt/core.h>

#include "base/error.h"
#include "base/json.h"
#include "bench/speed/engine.h"
#include "bench/speed/process.h"

namespace minim::bench {
namespace {

class MinimEngine : public Engine {
 public:
  MinimEngine(const std::string& program, const EngineOptions& options)
      : Engine("minim"), program_(program), options_(options) {}

  Measurement measure(const BenchModel& model, const Workload& work) const override {
    if (work.kind == WorkKind::kStart) return measure_start(model);
    std::vector<std::string> arguments = {"bench",
                                          model.path.string(),
                                          "--prompt",
                                          std::to_string(work.prompt_tokens),
                                          "--tokens",
                                          std::to_string(work.generated_tokens),
                                          "--depth",
                                          std::to_string(work.depth),
                                          "--sequences",
                                          std::to_string(work.sequence_count),
                                          "--cache-type",
                                          data_type_info(work.cache_type).name,
                                          "-r",
                                          std::to_string(repetitions(model, work)),
                                          "--no-bandwidth",
                                          "--json"};
    arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
    const ProcessResult result = run(arguments, work.kind == WorkKind::kMemory);
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    if (work.kind == WorkKind::kMemory) {
      return {static_cast<double>(result.resident_bytes_max) * 1e-6, ""};
    }
    const char* measured = work.kind == WorkKind::kPrompt ? "prompt_tokens" : "generated_tokens";
    try {
      const Json document = parse_json(result.output, "minim bench");
      for (const Json& row : document.at("rows")) {
        if (row.at(measured).get<int64_t>() == 0) continue;
        return {row.at("tokens_per_second").at("median").get<double>(), ""};
      }
      return {0, "no such row in the JSON"};
    } catch (const Json::exception& error) {
      return {0, fmt::format("unexpected JSON: {}", error.what())};
    }
  }

  Measurement perplexity(const BenchModel& model, const Path& text) const override {
    const ProcessResult result = run({"perplexity", model.path.string(), text.string(), "--context",
                                      std::to_string(kPerplexityWindowTokens), "--windows",
                                      std::to_string(kPerplexityWindows), "--json"});
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    try {
      const Json document = parse_json(result.output, "minim perplexity");
      return {document.at("perplexity").get<double>(), ""};
    } catch (const Json::exception& error) {
      return {0, fmt::format("unexpected JSON: {}", error.what())};
    }
  }

 private:
  Measurement measure_start(const BenchModel& model) const {
    const ProcessResult result =
        run({"run", model.path.string(), start_prompt(), "-n", "1", "--temperature", "0"});
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    return {result.seconds * 1e3, ""};
  }

  ProcessResult run(std::vector<std::string> arguments, bool watch_memory = false) const {
    arguments.insert(arguments.begin(), program_);
    arguments.insert(arguments.end(), {"--threads", std::to_string(options_.threads), "--quiet"});
    return run_process(arguments,
                       {.seconds_max = options_.seconds_max, .watch_memory = watch_memory});
  }

  std::string program_;
  EngineOptions options_;
};

}  // namespace

std::unique_ptr<Engine> make_minim_engine(const std::string& program,
                                          const EngineOptions& options) {
  return std::make_unique<MinimEngine>(program, options);
}

}  // namespace minim::bench
