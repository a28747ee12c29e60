// The command line of bench_speed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim::bench {

struct Options {
  std::string minim = "minim";                        // the program
  std::vector<std::string> models = {"15M", "135M"};  // random ones, by name
  std::vector<std::string> types = {"q4_0", "q8_0"};  // of their weights
  std::vector<std::string> files;                     // models that are there already
  std::vector<std::string> workloads = {"prompt", "generation", "depth-4096", "sequences-8"};
  int rounds = 3;                           // of all programs, for each row
  int threads = 0;                          // 0: one for each processor
  std::string models_folder;                // empty: in the temporary folder
  std::string peers;                        // NAME=DIR:...
  std::vector<std::string> peer_arguments;  // NAME=ARGUMENTS
  double seconds_max = 900;                 // of one child process
  bool compare = true;                      // outputs first
  std::string markdown;                     // file to write; empty: none
  std::string json;
  bool all = false;   // every model, type and workload
  bool tiny = false;  // one short run of each workload, no peers unless named
};

void add_options(CLI::App& app, Options& options);

// Fills in what other options imply. Throws kInvalidArgument for names that are unknown.
void complete(Options& options);

// The arguments given for one peer.
std::vector<std::string> arguments_of(const Options& options, const std::string& peer);

}  // namespace minim::bench
