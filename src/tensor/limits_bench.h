// Timing of operations against the limits of the machine, measured in the same run.
#pragma once

#include <functional>
#include <string>

#include "base/context.h"
#include "tests/support/bench.h"

namespace minim::bench {

struct Limits {
  double flops = 0;             // fused products in float, all threads, 2 operations each
  double int8_operations = 0;   // products of bytes, likewise
  double bytes_per_second = 0;  // reads from memory, all threads
};

Limits measure_limits(const Context& context, const Options& options);

struct Work {
  std::string name;
  double flops = 0;  // of one call
  double bytes = 0;  // that one call must read
  std::function<void()> body;
  bool int8 = false;  // the operations are products of bytes
};

// Prints the median time of a call, and what it is of the limits.
void run_work(const Context& context, const Options& options, const Limits& limits,
              const Work& work);

void run_matmul_benchmarks(const Context& context, const Options& options, const Limits& limits);
void run_attention_benchmarks(const Context& context, const Options& options, const Limits& limits);
void run_gemm_benchmarks(const Context& context, const Options& options, const Limits& limits);

}  // namespace minim::bench
