// bench_counts: instructions of the hot loops for each product, counted by valgrind. Counts do not
// depend on what else the machine does, so a loop that got longer shows on any machine. Valgrind
// knows no AVX-512: the kernels are those for AVX2, which the others share their source with.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "bench/counts/work.h"
#include "bench/speed/process.h"
#include "kernels/registry.h"

namespace minim::bench {
namespace {

constexpr int kExitSkipped = 77;  // as ctest is told

struct Options {
  std::string work;  // set in the processes that valgrind watches
  int calls = 1;
  std::string filter;
  std::string file = MINIM_COUNTS_FILE;
  double tolerance_percent = 3;
  bool record = false;
};

struct Record {
  std::string set;                       // whose kernels were counted
  std::map<std::string, double> counts;  // instructions a product, by the work's name
};

void run_calls(const Options& options) {
  ThreadPool threads(1);
  const Context context{threads, kernels::select_kernel_table_from_environment(), {}};
  for (const CountedWork& work : counted_works()) {
    if (work.name != options.work) continue;
    const std::function<void()> call = work.prepare(context);
    for (int i = 0; i < options.calls; ++i) call();
  }
}

double instructions_of(const std::string& program, const std::string& work, int calls) {
  const ProcessResult result =
      run_process({"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program,
                   "--work", work, "--calls", std::to_string(calls)});
  if (const std::string problem = failure_of(result); !problem.empty()) {
    throw Error(ErrorCode::kIo, fmt::format("counts: valgrind on {}: {}", work, problem));
  }
  const std::string mark = "Collected : ";
  const size_t at = result.errors.find(mark);
  if (at == std::string::npos) {
    throw Error(ErrorCode::kIo, fmt::format("counts: valgrind printed no count for {}", work));
  }
  return std::strtod(result.errors.c_str() + at + mark.size(), nullptr);
}

// What is done once cancels out between one call and three.
double count(const std::string& program, const CountedWork& work) {
  const double once = instructions_of(program, work.name, 1);
  const double thrice = instructions_of(program, work.name, 3);
  return (thrice - once) / 2 / work.operations;
}

Record read_record(const std::string& path) {
  Record record;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "kernels" && words >> record.set) continue;
    double value = 0;
    if (!(words >> value) || value <= 0) {
      throw Error(ErrorCode::kFormat, fmt::format("counts: '{}' in {} is no count", line, path));
    }
    record.counts[name] = value;
  }
  if (record.set.empty()) {
    throw Error(ErrorCode::kFormat, fmt::format("counts: {} does not say: kernels NAME", path));
  }
  return record;
}

void write_record(const std::string& path, const Record& record) {
  std::string text = fmt::format(
      "# Instructions for each product (of norms and activations: for each value), g++ 12.\n"
      "# Written by: ./dev bench counts --record\n{:<20} {}\n",
      "kernels", record.set);
  for (const auto& [name, value] : record.counts) {
    text += fmt::format("{:<20} {:.4f}\n", name, value);
  }
  FileWriter writer(path);
  writer.write(text);
  writer.commit();
}

// Prints a row; whether the count is within the tolerance of what is recorded.
bool compare(const std::string& name, double value, const Record& recorded, double percent) {
  const auto found = recorded.counts.find(name);
  if (found == recorded.counts.end()) {
    fmt::print("{:<20} {:>9.4f}   not recorded\n", name, value);
    return false;
  }
  const double change = 100 * (value / found->second - 1);
  const bool same = std::abs(change) <= percent;
  fmt::print("{:<20} {:>9.4f}   {:>9.4f}   {:+.1f} %{}\n", name, value, found->second, change,
             same         ? ""
             : change > 0 ? "   MORE: find out why"
                          : "   fewer: ./dev bench counts --record keeps it");
  return same;
}

int run(const Options& options, const std::string& program) {
  if (!options.work.empty()) {
    run_calls(options);
    return 0;
  }
  if (std::system("valgrind --version >/dev/null 2>&1") != 0) {
    fmt::print("skipped: valgrind is not installed (Debian package valgrind)\n");
    return kExitSkipped;
  }
  const Record recorded = read_record(options.file);
  const auto set = parse_instruction_set(recorded.set);
  if (!set || !cpu_supports(*set)) {
    fmt::print("skipped: this machine does not run the kernels for {}\n", recorded.set);
    return kExitSkipped;
  }
  ::setenv("MINIM_CPU", recorded.set.c_str(), 1);  // for the processes that are watched
  Record now = {recorded.set, {}};
  bool all_same = true;
  fmt::print("{:<20} {:>9}   {:>9}\n", "instructions each", "now", "recorded");
  for (const CountedWork& work : counted_works()) {
    if (work.name.find(options.filter) == std::string::npos) continue;
    const double value = count(program, work);
    now.counts[work.name] = value;
    if (options.record) {
      fmt::print("{:<20} {:>9.4f}\n", work.name, value);
    } else {
      all_same &= compare(work.name, value, recorded, options.tolerance_percent);
    }
    std::fflush(stdout);
  }
  if (options.record) write_record(options.file, now);
  return all_same ? 0 : 1;
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  minim::bench::Options options;
  CLI::App app("Instructions of the hot loops, counted by valgrind and compared with a record.");
  app.add_option("--filter", options.filter, "Only work whose name contains this");
  app.add_option("--file", options.file, "The record")->capture_default_str();
  app.add_option("--tolerance", options.tolerance_percent, "Per cent that a count may differ")
      ->capture_default_str();
  CLI::Option* record = app.add_flag("--record", options.record, "Write the record anew");
  record->excludes("--filter");
  app.add_option("--work", options.work, "Only run this work, uncounted")->group("");
  app.add_option("--calls", options.calls, "So many times")->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    return minim::bench::run(options, argv[0]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
