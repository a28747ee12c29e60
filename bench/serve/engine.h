// The servers that are compared, and what is measured of one of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "bench/speed/models.h"

namespace minim::bench {

struct ServeWork {
  int prompt_tokens = 64;
  int generated_tokens = 64;
  std::vector<int> streams = {8, 32};  // side by side
  int turn_tokens = 1024;              // of a conversation that goes on
  int turn_more = 16;                  // tokens of its next turn
  int asked = 200;                     // requests for the overhead of one
};

// A figure that is measured: "8 streams: tokens/s".
struct Figure {
  std::string name;
  std::string unit;
  bool more_is_better = false;
};

// In the order of the tables.
std::vector<Figure> figures_of(const ServeWork& work);

struct ServeEngine {
  std::string name;
  std::string program;  // minim, or llama-server
  bool is_minim = false;
  std::vector<std::string> arguments;  // more of them
};

struct ServeOptions {
  int threads = 1;
  double seconds_max = 300;  // for a server to get ready
  Path folder;               // for logs
};

// One round: a figure's value by its name. `seed` chooses the prompts, so that nobody knows them
// from the round before. Throws kIo, with what the server says, where it fails.
std::map<std::string, double> measure_round(const ServeEngine& engine, const BenchModel& model,
                                            const ServeWork& work, const ServeOptions& options,
                                            uint64_t seed);

// The value below which a share `q` of them lies. REQUIRES: there is one.
double quantile(std::vector<double> values, double q);

}  // namespace minim::bench
