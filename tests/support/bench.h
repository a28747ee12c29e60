// A small benchmark harness: named cases, medians of several runs, a --tiny mode for the tests.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace minim::bench {

struct Options {
  bool tiny = false;   // one short run of each case: shows that it works, not how fast
  std::string filter;  // only cases whose name contains this
};

// Reads --tiny and --filter TEXT; anything else ends the program with a usage message.
Options parse_options(int argc, char** argv);

struct Case {
  std::string name;
  double amount = 0;  // of `unit` that one call of `body` works through
  std::string unit;   // "MB", "token", "GB", "GFLOP"
  std::function<void()> body;
};

// Runs each case `repeats` times (each at least 100 ms) and prints median, minimum and maximum of
// amount per second, one line a case.
void run_cases(const Options& options, const std::vector<Case>& cases, int repeats = 5);

// Processor seconds of this thread for one call: the median of several runs, or of one with --tiny.
// What else the machine does counts less than in time that passes.
double seconds_per_call(const Options& options, const std::function<void()>& body);

}  // namespace minim::bench
