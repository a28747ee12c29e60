// bench_speed: how fast minim is, beside its peers and the limits of the machine, in turns.
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>

#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"
#include "bench/speed/options.h"
#include "bench/speed/report.h"
#include "bench/speed/rows.h"
#include "kernels/registry.h"

namespace minim::bench {
namespace {

// Any text does: programs that read it alike find the same perplexity.
Path write_text(const Path& folder) {
  constexpr std::array<const char*, 16> kWords = {
      "a",      "small", "river", "runs",  "under", "the", "old", "stone",
      "bridge", "near",  "town",  "where", "we",    "met", "and", "sang"};
  Rng rng(1);
  std::string text;
  for (int i = 0; i < 1500; ++i) {
    text += kWords[rng.below(kWords.size())];
    text += i % 12 == 11 ? ".\n" : " ";
  }
  FileWriter writer(folder / "compared.txt");
  writer.write(text);
  writer.commit();
  return folder / "compared.txt";
}

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  std::array<char, 16> text;
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
  return text.data();
}

// As the user would type it again; the folders of programs and models are this machine's affair.
std::string command_line(const Options& options) {
  std::string command = "./dev bench speed";
  const auto add = [&](const char* flag, const std::vector<std::string>& values) {
    command += fmt::format(" {} ", flag);
    for (size_t i = 0; i < values.size(); ++i) command += (i > 0 ? "," : "") + values[i];
  };
  if (options.tiny) return command + " --tiny";
  for (const std::string& file : options.files) {
    add("--file", {Path(file).filename().string()});
  }
  if (options.files.empty()) {
    add("--models", options.models);
    add("--types", options.types);
  }
  add("--workloads", options.workloads);
  command += fmt::format(" --rounds {} --threads {}", options.rounds, options.threads);
  for (const std::string& given : options.peer_arguments) {
    command += fmt::format(" --peer-arguments '{}'", given);
  }
  return command;
}

void write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  FileWriter writer(path);
  writer.write(text);
  writer.commit();
}

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        threads_(options.threads),
        context_{threads_, kernels::select_kernel_table_from_environment(), {}},
        probe_(context_, options.tiny) {
    const EngineOptions ours = {.threads = options.threads, .seconds_max = options.seconds_max};
    engines_.push_back(make_minim_engine(options.minim, ours));
    for (const PeerFolder& peer : parse_peers(options.peers)) {
      EngineOptions theirs = ours;
      theirs.arguments = arguments_of(options, peer.name);
      engines_.push_back(make_peer_engine(peer.name, peer.folder, theirs));
    }
    for (const auto& engine : engines_) setting_.engines.push_back(engine->name());
    setting_.machine = fmt::format("{}, {} threads, {} kernels", cpu_model_name(), options.threads,
                                   instruction_set_name(context_.kernels.set));
    setting_.command = command_line(options);
    setting_.threads = options.threads;
    setting_.date = today();
  }

  // True where minim itself could do all that was asked.
  bool run() {
    fmt::print("{}\n", setting_.machine);
    if (engines_.size() == 1) fmt::print("no peers: MINIM_PEER_BIN names none\n");
    std::filesystem::create_directories(options_.models_folder);
    const Path text = write_text(options_.models_folder);
    for (const std::string& file : options_.files) measure(given_model(file), text);
    for (const std::string& name : options_.models) {
      for (const std::string& type : options_.types) {
        measure(random_model(name, type,
                             {.minim = options_.minim,
                              .folder = options_.models_folder,
                              .threads = options_.threads,
                              .seconds_max = options_.seconds_max}),
                text);
      }
    }
    return complete_;
  }

 private:
  void measure(const BenchModel& model, const Path& text) {
    std::vector<std::string> notes(engines_.size());
    if (options_.compare) notes = compare_outputs(engines_, model, text);
    for (Workload work : choose_workloads(options_.workloads)) {
      if (options_.tiny) work = shortened(work);
      Row row = measure_row(engines_, model, work, options_.rounds, probe_);
      complete_ = complete_ && row.notes[0].empty();
      for (size_t at = 0; at < notes.size(); ++at) {
        if (notes[at].empty()) continue;
        row.notes[at] += (row.notes[at].empty() ? "" : "; ") + notes[at];
      }
      if (row.load > 1) {
        fmt::print(
            "warning: the load of this machine is {:.1f}, and not all programs bear that alike\n",
            row.load);
      }
      fmt::print("{}\n", format_row(row, setting_));
      std::fflush(stdout);
      rows_.push_back(std::move(row));
      // After each row, so that a run that is stopped leaves what it had.
      write_file(options_.markdown, format_markdown(rows_, setting_));
      if (!options_.json.empty()) {
        write_file(options_.json, format_json(rows_, setting_).dump(2) + "\n");
      }
    }
  }

  const Options& options_;
  ThreadPool threads_;
  Context context_;
  LimitsProbe probe_;
  Engines engines_;
  Setting setting_;
  std::vector<Row> rows_;
  bool complete_ = true;
};

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  CLI::App app("How fast minim is, beside its peers and the limits of the machine",
               "./dev bench speed");
  minim::bench::Options options;
  minim::bench::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    minim::bench::complete(options);
    minim::bench::choose_workloads(options.workloads);  // before any time is spent
    return minim::bench::Run(options).run() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_speed: {}\n", error.what());
    return 2;
  }
}
