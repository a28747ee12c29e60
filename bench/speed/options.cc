#include "bench/speed/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/cpu.h"
#include "base/error.h"
#include "bench/speed/models.h"
#include "bench/speed/workload.h"
#include "kernels/data_type.h"

namespace minim::bench {
namespace {

template <typename Names>
std::string joined(const Names& names) {
  std::string text;
  for (const auto& name : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  return text;
}

std::vector<std::string> workload_names() {
  std::vector<std::string> names;
  for (const Workload& work : workloads()) names.push_back(work.name);
  return names;
}

void check_names(const Options& options) {
  for (const std::string& type : options.types) {
    const DataTypeInfo* info = find_data_type(type);
    if (info == nullptr || !info->is_weight) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("bench: no weights are '{}'", type));
    }
  }
  for (const std::string& given : options.peer_arguments) {
    if (given.find('=') != std::string::npos) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("bench: --peer-arguments takes NAME=ARGUMENTS, not '{}'", given));
  }
}

}  // namespace

void add_options(CLI::App& app, Options& options) {
  app.add_option("--minim", options.minim, "The program to measure")->capture_default_str();
  app.add_option("--models", options.models, "Models with random weights: " + joined(model_names()))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--types", options.types, "Types of their weights, as minim init takes them")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--file", options.files, "A GGUF file instead of random models; may be repeated");
  app.add_option("--workloads", options.workloads,
                 "Names or their beginnings: " + joined(workload_names()))
      ->delimiter(',')
      ->capture_default_str();
  app.add_flag("--all", options.all, "Every model, type and workload; takes hours");
  app.add_option("--rounds", options.rounds, "Rounds of all programs for each row")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("-t,--threads", options.threads, "Threads (default: one for each processor)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--models-dir", options.models_folder,
                 "Where random models are kept (default: minim-bench in the temporary folder)");
  app.add_option("--peers", options.peers, "NAME=DIR:...: folders with llama.cpp's tools")
      ->envname("MINIM_PEER_BIN");
  app.add_option("--peer-arguments", options.peer_arguments,
                 "NAME=ARGUMENTS, split at spaces, for a peer's llama-bench; may be repeated");
  app.add_option("--timeout", options.seconds_max, "Seconds that one run of a program may take")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("!--no-compare", options.compare, "Do not compare the outputs first");
  app.add_option("--markdown", options.markdown, "Write the tables to this file");
  app.add_option("--json", options.json, "Write every figure to this file");
  app.add_flag("--tiny", options.tiny, "Short runs that only show that everything works");
  app.footer(
      "Programs take turns, and the limits of the machine are read before each turn.\n"
      "  ./dev bench speed --models 15M --types q4_0 --workloads prompt --rounds 1\n"
      "  MINIM_PEER_BIN=llama=$HOME/llama.cpp/build/bin ./dev bench speed --markdown speed.md");
}

void complete(Options& options) {
  if (options.all) {
    options.models.assign(model_names().begin(), model_names().end());
    options.types = {"q4_0", "q4_k", "q8_0", "nf4", "f16", "bf16"};
    options.workloads = workload_names();
  }
  if (options.tiny) {
    options.models = {"15M"};
    options.types = {"q4_0"};
    options.workloads = {"prompt", "generation", "depth-4096", "sequences-4", "memory", "start"};
    options.rounds = 1;
  }
  if (!options.files.empty()) options.models.clear();
  if (options.threads == 0) options.threads = cpu_count();
  if (options.models_folder.empty()) {
    options.models_folder = (std::filesystem::temp_directory_path() / "minim-bench").string();
  }
  check_names(options);
}

std::vector<std::string> arguments_of(const Options& options, const std::string& peer) {
  std::vector<std::string> arguments;
  for (const std::string& given : options.peer_arguments) {
    const size_t equals = given.find('=');
    if (given.substr(0, equals) != peer) continue;
    std::istringstream words(given.substr(equals + 1));
    for (std::string word; words >> word;) arguments.push_back(word);
  }
  return arguments;
}

}  // namespace minim::bench
