// The benchmark of schedulers, for the program of this room's benchmarks (sampler_bench.cc).
#pragma once

#include "tests/support/bench.h"

namespace minim::bench {

// Tokens a second of several sequences beside those of one, and the gap between two tokens while a
// long prompt is read. Uses all processors.
void run_scheduler_benchmarks(const Options& options);

}  // namespace minim::bench
