// bench_serve: minim serve beside llama.cpp's servers under the same clients, in turns.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/cpu.h"
#include "base/error.h"
#include "bench/serve/engine.h"
#include "bench/serve/report.h"
#include "bench/speed/engine.h"
#include "bench/speed/options.h"

namespace minim::bench {
namespace {

struct ServeBenchOptions {
  Options shared;  // of these: minim, files, models_folder, peers, peer_arguments, threads
  std::string model = "135M";
  std::string type = "q4_0";
  ServeWork work;
  int rounds = 5;
  bool tiny = false;
};

void add_serve_options(CLI::App& app, ServeBenchOptions& options) {
  Options& shared = options.shared;
  app.add_option("--minim", shared.minim, "The program to measure")->capture_default_str();
  app.add_option("--model", options.model, "A model with random weights")->capture_default_str();
  app.add_option("--type", options.type, "The type of its weights")->capture_default_str();
  app.add_option("--file", shared.files, "A GGUF file instead")->expected(1);
  app.add_option("--streams", options.work.streams, "Numbers of streams side by side")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--prompt", options.work.prompt_tokens, "Tokens of a prompt")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--generated", options.work.generated_tokens, "Tokens of an answer")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds of all programs")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("-t,--threads", shared.threads, "Threads (default: one for each processor)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--models-dir", shared.models_folder,
                 "Where random models are kept (default: minim-bench in the temporary folder)");
  app.add_option("--peers", shared.peers, "NAME=DIR:...: folders with llama-server")
      ->envname("MINIM_PEER_BIN");
  app.add_option("--peer-arguments", shared.peer_arguments,
                 "NAME=ARGUMENTS, split at spaces, for a peer's llama-server; may be repeated");
  app.add_option("--markdown", shared.markdown, "Write the table to this file");
  app.add_option("--json", shared.json, "Write every figure to this file");
  app.add_flag("--tiny", options.tiny, "A short run that only shows that everything works");
  app.footer(
      "Programs take turns; each round starts each of them anew. Prompts are random tokens that "
      "no\n"
      "round has seen before, and answers are sampled.\n"
      "  MINIM_PEER_BIN=llama=$HOME/llama.cpp/build/bin ./dev bench serve --markdown serve.md");
}

std::string command_line(const ServeBenchOptions& options) {
  if (options.tiny) return "./dev bench serve --tiny";
  std::string streams;
  for (const int count : options.work.streams) {
    streams += fmt::format("{}{}", streams.empty() ? "" : ",", count);
  }
  const std::string model = options.shared.files.empty()
                                ? fmt::format("--model {} --type {}", options.model, options.type)
                                : "--file " + Path(options.shared.files[0]).filename().string();
  std::string command =
      fmt::format("./dev bench serve {} --streams {} --prompt {} --generated {} --rounds {} -t {}",
                  model, streams, options.work.prompt_tokens, options.work.generated_tokens,
                  options.rounds, options.shared.threads);
  for (const std::string& given : options.shared.peer_arguments) {
    command += fmt::format(" --peer-arguments '{}'", given);
  }
  return command;
}

std::vector<ServeEngine> engines_of(const Options& options) {
  std::vector<ServeEngine> engines = {
      {.name = "minim", .program = options.minim, .is_minim = true, .arguments = {}}};
  for (const PeerFolder& peer : parse_peers(options.peers)) {
    const Path program = peer.folder / "llama-server";
    if (!std::filesystem::exists(program)) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("bench: peer '{}': there is no llama-server", peer.name));
    }
    engines.push_back({.name = peer.name,
                       .program = program.string(),
                       .is_minim = false,
                       .arguments = arguments_of(options, peer.name)});
  }
  return engines;
}

BenchModel model_of(const ServeBenchOptions& options) {
  const Options& shared = options.shared;
  if (!shared.files.empty()) return given_model(shared.files[0]);
  std::filesystem::create_directories(shared.models_folder);
  return random_model(options.model, options.type,
                      {.minim = shared.minim,
                       .folder = shared.models_folder,
                       .threads = shared.threads,
                       .seconds_max = shared.seconds_max});
}

void write_text(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  FileWriter writer(path);
  writer.write(text);
  writer.commit();
}

// True where minim could do all that was asked.
bool run(const ServeBenchOptions& options) {
  const std::vector<ServeEngine> engines = engines_of(options.shared);
  const BenchModel model = model_of(options);
  const std::vector<Figure> figures = figures_of(options.work);
  const ServeSetting setting = {
      .machine = fmt::format("{}, {} threads", cpu_model_name(), options.shared.threads),
      .command = command_line(options),
      .model = fmt::format("{} {}", model.name, model.type)};
  const ServeOptions serve = {.threads = options.shared.threads,
                              .seconds_max = 300,
                              .folder = std::filesystem::temp_directory_path()};
  if (engines.size() == 1) fmt::print("no peers: MINIM_PEER_BIN names none\n");
  std::vector<ServeSamples> samples;
  for (const ServeEngine& engine : engines) samples.push_back({.engine = engine.name});
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < engines.size(); ++i) {
      if (!samples[i].problem.empty()) continue;
      try {
        const auto seed = static_cast<uint64_t>(1 + round);
        for (const auto& [name, value] :
             measure_round(engines[i], model, options.work, serve, seed)) {
          samples[i].values[name].push_back(value);
        }
      } catch (const Error& error) {
        samples[i].problem = error.what();
      }
    }
    // After each round, so that a run that is stopped leaves what it had.
    write_text(options.shared.markdown, format_serve_markdown(figures, samples, setting));
    write_text(options.shared.json, format_serve_json(figures, samples, setting).dump(2) + "\n");
  }
  fmt::print("{}", format_serve_markdown(figures, samples, setting));
  return samples[0].problem.empty();
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  CLI::App app("minim serve beside llama.cpp's servers, under the same clients");
  minim::bench::ServeBenchOptions options;
  minim::bench::add_serve_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.tiny) {
      options.model = "15M";
      options.rounds = 1;
      options.work = {.prompt_tokens = 8,
                      .generated_tokens = 8,
                      .streams = {2, 4},
                      .turn_tokens = 64,
                      .asked = 5};
    }
    minim::bench::complete(options.shared);
    return minim::bench::run(options) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
