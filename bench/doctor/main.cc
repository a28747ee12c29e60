// bench_doctor: how far the forecasts of `minim doctor` are from what `minim bench` measures, the
// two in turns, because what the machine can do changes from minute to minute.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/json.h"
#include "bench/speed/engine.h"
#include "bench/speed/models.h"
#include "bench/speed/process.h"

namespace minim::bench {
namespace {

constexpr int64_t kPromptTokens = 512;
constexpr int64_t kGeneratedTokens = 128;

struct DoctorOptions {
  std::string minim = "minim";
  std::string models_folder;
  std::vector<std::string> models = {"15M:q4_0", "135M:q8_0", "135M:q4_0", "1.2B:q4_0",
                                     "1.2B:q8_0"};
  int rounds = 5;
  int threads = 0;
  double seconds_max = 600;  // of one child process
  double deviation_max = 0;  // in percent; 0: any will do
  bool tiny = false;
};

// What is foretold and then measured.
struct Figure {
  const char* name;
  std::vector<double> forecasts = {};
  std::vector<double> measurements = {};
  std::vector<double> ratios = {};  // forecast over measurement, of one round

  void add(double forecast, double measurement) {
    forecasts.push_back(forecast);
    measurements.push_back(measurement);
    ratios.push_back(forecast / measurement);
  }
  double deviation() const { return median(ratios) - 1; }
};

using Figures = std::array<Figure, 3>;

Json run_minim(const DoctorOptions& options, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), options.minim);
  for (const char* flag : {"--json", "--quiet", "--threads"}) arguments.emplace_back(flag);
  arguments.push_back(std::to_string(options.threads));
  const ProcessResult result = run_process(arguments, {.seconds_max = options.seconds_max});
  if (const std::string problem = failure_of(result); !problem.empty()) {
    throw Error(ErrorCode::kIo, fmt::format("bench: minim {}: {}", arguments[1], problem));
  }
  return parse_json(result.output, fmt::format("minim {}", arguments[1]));
}

const Json& row_of(const Json& document, const char* measured) {
  for (const Json& row : document.at("rows")) {
    if (row.at(measured).get<int64_t>() > 0) return row;
  }
  throw Error(ErrorCode::kFormat, fmt::format("bench: minim bench tells no row of {}", measured));
}

void measure_round(const BenchModel& model, const DoctorOptions& options, Figures& figures) {
  const int64_t prompt = options.tiny ? 32 : kPromptTokens;
  const int64_t generated = options.tiny ? 8 : kGeneratedTokens;
  const Json doctor = run_minim(
      options, {"doctor", model.path.string(), "--context", std::to_string(kPromptTokens)});
  const Json bench = run_minim(
      options, {"bench", model.path.string(), "--no-bandwidth", "-p", std::to_string(prompt), "-n",
                std::to_string(generated), "-r", options.tiny ? "1" : "3"});
  const Json& told = doctor.at("model");
  const Json& prompts = row_of(bench, "prompt_tokens");
  const Json& generations = row_of(bench, "generated_tokens");
  const auto rate = [](const Json& row) {
    return row.at("tokens_per_second").at("mean").get<double>();
  };
  figures[0].add(told.at("generated_tokens_per_second").get<double>(), rate(generations));
  figures[1].add(told.at("prompt_tokens_per_second").get<double>(), rate(prompts));
  figures[2].add(told.at("total_bytes").get<double>() * 1e-6,
                 prompts.at("peak_resident_bytes").get<double>() * 1e-6);
}

// "15M:q4_0"
BenchModel find_model(const std::string& text, const DoctorOptions& options) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("bench: '{}' is not NAME:TYPE, such as 15M:q4_0", text));
  }
  return random_model(text.substr(0, colon), text.substr(colon + 1),
                      {.minim = options.minim,
                       .folder = options.models_folder,
                       .threads = options.threads,
                       .seconds_max = options.seconds_max});
}

// True where every deviation is within the bound.
bool run(const DoctorOptions& options) {
  fmt::print(
      "{}, {} threads; medians of {} rounds, forecast and measurement"
      " in turns\n\n",
      cpu_model_name(), options.threads, options.rounds);
  fmt::print("| model | figure | forecast | measured | deviation |\n|---|---|---:|---:|---:|\n");
  bool within = true;
  for (const std::string& name : options.models) {
    const BenchModel model = find_model(name, options);
    Figures figures = {{{"generation, tokens/s"}, {"prompt of 512, tokens/s"}, {"memory, MB"}}};
    for (int round = 0; round < options.rounds; ++round) measure_round(model, options, figures);
    for (const Figure& figure : figures) {
      fmt::print("| {} {} | {} | {:.1f} | {:.1f} | {:+.0f} % |\n", model.name, model.type,
                 figure.name, median(figure.forecasts), median(figure.measurements),
                 figure.deviation() * 100);
      within = within && (options.deviation_max <= 0 ||
                          std::abs(figure.deviation()) * 100 <= options.deviation_max);
    }
    std::fflush(stdout);
  }
  return within;
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  CLI::App app("What minim doctor foretells beside what minim bench measures",
               "./dev bench doctor");
  minim::bench::DoctorOptions options;
  app.add_option("--minim", options.minim, "The program");
  app.add_option("--models", options.models, "Random models, NAME:TYPE")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--models-dir", options.models_folder,
                 "Folder for them (default: minim-bench in the temporary folder)");
  app.add_option("--rounds", options.rounds, "Of both programs, for each model")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("-t,--threads", options.threads, "Threads (default: one for each processor)");
  app.add_option("--deviation-max", options.deviation_max,
                 "Fail where a forecast is further away than this, in percent; 0: never")
      ->capture_default_str();
  app.add_flag("--tiny", options.tiny, "One short round with one small model");
  CLI11_PARSE(app, argc, argv);
  if (options.threads <= 0) options.threads = minim::cpu_count();
  if (options.models_folder.empty()) {
    options.models_folder = (std::filesystem::temp_directory_path() / "minim-bench").string();
  }
  if (options.tiny) {
    options.models = {"15M:q4_0"};
    options.rounds = 1;
  }
  try {
    return minim::bench::run(options) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_doctor: {}\n", error.what());
    return 2;
  }
}
