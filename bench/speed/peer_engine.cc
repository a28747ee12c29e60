// A peer that comes with llama.cpp's tools: its own benchmark programs, read by what they print.
// Versions differ: some start at a depth by -d, others read a prompt and generate after it by -gp;
// some print JSON lines for several sequences, others a table only.
#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "bench/speed/engine.h"
#include "bench/speed/process.h"
#include "tests/support/test_data.h"

namespace minim::bench {
namespace {

class PeerEngine : public Engine {
 public:
  PeerEngine(const std::string& name, const Path& folder, const EngineOptions& options)
      : Engine(name), folder_(std::filesystem::absolute(folder)), options_(options) {}

  Measurement measure(const BenchModel& model, const Workload& work) const override {
    switch (work.kind) {
      case WorkKind::kSequences: return measure_sequences(model, work);
      case WorkKind::kStart: return measure_start(model);
      default: return measure_alone(model, work);
    }
  }

  Measurement perplexity(const BenchModel& model, const Path& text) const override {
    if (!has("llama-perplexity")) return missing("llama-perplexity");
    const std::string window = std::to_string(kPerplexityWindowTokens);
    const ProcessResult result =
        run("llama-perplexity",
            {"-m", path_of(model), "-f", std::filesystem::absolute(text).string(), "-c", window,
             "-b", window, "--chunks", std::to_string(kPerplexityWindows)});
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    for (const std::string* printed : {&result.output, &result.errors}) {
      const std::string mark = "Final estimate: PPL = ";
      const size_t at = printed->find(mark);
      if (at == std::string::npos) continue;
      return {std::strtod(printed->c_str() + at + mark.size(), nullptr), ""};
    }
    return {0, "llama-perplexity printed no estimate"};
  }

 private:
  // llama-bench: prompts, generation of one sequence, and with them the memory of the process.
  Measurement measure_alone(const BenchModel& model, const Workload& work) const {
    const bool memory = work.kind == WorkKind::kMemory;
    ProcessResult result = run("llama-bench", bench_arguments(model, work, "-d"), memory);
    if (work.depth > 0 && result.errors.find("argument: -d") != std::string::npos) {
      result = run("llama-bench", bench_arguments(model, work, "-gp"), memory);
    }
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    if (memory) return {static_cast<double>(result.resident_bytes_max) * 1e-6, ""};
    try {
      const Json document = parse_json(result.output, "llama-bench");
      return {median(document.at(0).at("samples_ts").get<std::vector<double>>()), ""};
    } catch (const Json::exception& error) {
      return {0, fmt::format("unexpected JSON: {}", error.what())};
    } catch (const Error& error) {
      return {0, error.what()};
    }
  }

  // `depth_option`: how this version is told the depth.
  std::vector<std::string> bench_arguments(const BenchModel& model, const Workload& work,
                                           std::string_view depth_option) const {
    const bool together = work.depth > 0 && depth_option == "-gp";
    const std::string generated = std::to_string(work.generated_tokens);
    const std::string depth = std::to_string(work.depth);
    std::vector<std::string> arguments = {"-m", path_of(model),
                                          "-p", std::to_string(work.prompt_tokens),
                                          "-n", together ? "0" : generated,
                                          "-r", std::to_string(repetitions(model, work)),
                                          "-o", "json"};
    if (together) {
      arguments.insert(arguments.end(), {"-gp", depth + "," + generated});
    } else if (work.depth > 0) {
      arguments.insert(arguments.end(), {"-d", depth});
    }
    if (work.cache_type != DataType::kF16) {
      const char* type = data_type_info(work.cache_type).name;
      arguments.insert(arguments.end(), {"-ctk", type, "-ctv", type, "-fa", "1"});
    }
    arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
    return arguments;
  }

  // llama-batched-bench prints one line for each number of sequences, among others.
  Measurement measure_sequences(const BenchModel& model, const Workload& work) const {
    if (!has("llama-batched-bench")) return missing("llama-batched-bench");
    const std::string count = std::to_string(work.sequence_count);
    std::string counts = count;
    for (int i = 1; i < repetitions(model, work); ++i) counts += "," + count;
    const int64_t slots = work.sequence_count * (work.depth + work.generated_tokens);
    const std::vector<std::string> arguments = {"-m",   path_of(model),
                                                "-c",   std::to_string(slots),
                                                "-b",   "2048",
                                                "-ub",  "512",
                                                "-npp", std::to_string(work.depth),
                                                "-ntg", std::to_string(work.generated_tokens),
                                                "-npl", counts};
    std::vector<std::string> with_lines = arguments;
    with_lines.insert(with_lines.end(), {"--output-format", "jsonl"});
    ProcessResult result = run("llama-batched-bench", with_lines);
    std::vector<double> rates = batched_rates(result.output);
    if (rates.empty()) {
      result = run("llama-batched-bench", arguments);
      rates = batched_rates(result.output + result.errors);
    }
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    if (rates.empty()) return {0, "llama-batched-bench printed no result"};
    return {median(rates), ""};
  }

  // Tokens a second of generation, from lines of JSON or from the rows of a table
  // | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | ... |.
  static std::vector<double> batched_rates(const std::string& output) {
    constexpr int kRateColumn = 8;
    std::vector<double> rates;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("{", 0) == 0) {
        const Json document = Json::parse(line, nullptr, false);
        if (document.is_object() && document.contains("speed_tg")) {
          rates.push_back(document["speed_tg"].is_number() ? document["speed_tg"].get<double>()
                                                           : 0);
        }
      } else if (line.rfind("|", 0) == 0) {
        std::istringstream cells(line);
        std::string cell;
        for (int i = 0; i <= kRateColumn; ++i) std::getline(cells, cell, '|');
        const double rate = std::strtod(cell.c_str(), nullptr);
        if (rate > 0) rates.push_back(rate);  // not a heading
      }
    }
    return rates;
  }

  Measurement measure_start(const BenchModel& model) const {
    const char* program = has("llama-completion") ? "llama-completion" : "llama-cli";
    if (!has(program)) return missing("llama-completion");
    const ProcessResult result =
        run(program, {"-m", path_of(model), "-p", start_prompt(), "-n", "1", "-c", "512", "--temp",
                      "0", "-no-cnv", "--no-warmup"});
    if (std::string problem = failure_of(result); !problem.empty()) return {0, problem};
    return {result.seconds * 1e3, ""};
  }

  bool has(const char* program) const { return std::filesystem::exists(folder_ / program); }
  Measurement missing(const char* program) const { return {0, fmt::format("has no {}", program)}; }

  ProcessResult run(const char* program, std::vector<std::string> arguments,
                    bool watch_memory = false) const {
    arguments.insert(arguments.begin(), (folder_ / program).string());
    arguments.insert(arguments.end(), {"-t", std::to_string(options_.threads)});
    return run_process(arguments, {.seconds_max = options_.seconds_max,
                                   .watch_memory = watch_memory,
                                   .folder = scratch_.path().string()});
  }

  static std::string path_of(const BenchModel& model) {
    return std::filesystem::absolute(model.path).string();
  }

  Path folder_;
  EngineOptions options_;
  testing::TemporaryFolder scratch_;  // where they run, because some leave logs there
};

}  // namespace

std::unique_ptr<Engine> make_peer_engine(const std::string& name, const Path& folder,
                                         const EngineOptions& options) {
  return std::make_unique<PeerEngine>(name, folder, options);
}

}  // namespace minim::bench
