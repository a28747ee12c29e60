#include "tests/support/bench.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace minim::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Amount per second of one measurement of at least `seconds_min`.
double measure(const Case& test, double seconds_min) {
  const auto start = Clock::now();
  int calls = 0;
  double elapsed = 0;
  do {
    test.body();
    ++calls;
    elapsed = seconds_since(start);
  } while (elapsed < seconds_min);
  return test.amount * calls / elapsed;
}

double thread_seconds() {
  timespec time = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--tiny") {
      options.tiny = true;
    } else if (argument == "--filter" && i + 1 < argc) {
      options.filter = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--tiny] [--filter TEXT]\n", argv[0]);
      std::exit(2);
    }
  }
  return options;
}

void run_cases(const Options& options, const std::vector<Case>& cases, int repeats) {
  for (const Case& test : cases) {
    if (test.name.find(options.filter) == std::string::npos) continue;
    std::vector<double> rates;
    if (!options.tiny) measure(test, 0);  // warms caches and pages
    for (int i = 0; i < (options.tiny ? 1 : repeats); ++i) {
      rates.push_back(measure(test, options.tiny ? 0 : 0.1));
    }
    std::sort(rates.begin(), rates.end());
    std::printf("%-44s %10.2f %s/s  (%.2f - %.2f)\n", test.name.c_str(), rates[rates.size() / 2],
                test.unit.c_str(), rates.front(), rates.back());
  }
}

double seconds_per_call(const Options& options, const std::function<void()>& body) {
  const double seconds_min = options.tiny ? 0 : 0.03;
  if (!options.tiny) body();
  std::vector<double> seconds;
  for (int run = 0; run < (options.tiny ? 1 : 7); ++run) {
    const double start = thread_seconds();
    int calls = 0;
    double elapsed = 0;
    do {
      body();
      ++calls;
      elapsed = thread_seconds() - start;
    } while (elapsed < seconds_min);
    seconds.push_back(elapsed / calls);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace minim::bench
