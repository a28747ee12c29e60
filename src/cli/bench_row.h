// What `minim bench` tells about one test of one model, and the ways to print it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/model_summary.h"
#include "eval/speed.h"

namespace minim::cli {

// One test of one model that is to be run.
struct BenchPlan {
  std::string path;
  ModelSummary model;
  int threads = 1;
  SpeedTest test;
};

struct BenchRow {
  BenchPlan plan;
  std::string backend;  // the instruction set of the kernels
  SpeedResult result;
  size_t weight_bytes = 0;                        // resident
  double token_weight_bytes = 0;                  // read for one generated token
  std::optional<uint64_t> peak_resident_bytes;    // loading included
  std::optional<double> memory_bytes_per_second;  // that the machine reads, just before

  // Read from memory while only tokens are generated; nothing for other tests.
  std::optional<double> bytes_per_second() const;
  std::optional<double> bandwidth_share() const;
};

enum class BenchFormat { kText, kMarkdown, kCsv, kJson, kJsonLines };
// "text", "markdown", "csv", "json", "jsonl"
std::span<const char* const> bench_format_names();
std::optional<BenchFormat> parse_bench_format(const std::string& name);

// Prints to standard output: each row as soon as it is there, JSON as one document in the end.
class BenchPrinter {
 public:
  virtual ~BenchPrinter() = default;
  // `plans`: all that are to come, for the widths of columns.
  virtual void begin(std::span<const BenchPlan> plans) = 0;
  virtual void print(const BenchRow& row) = 0;
  // `complete`: whether all of them were printed.
  virtual void end(bool complete) = 0;
};

std::unique_ptr<BenchPrinter> make_bench_printer(BenchFormat format);

}  // namespace minim::cli
