// tensor_bench: products and attention at the shapes of decode and prefill, one line each with the
// share of the machine's limits. MINIM_CPU chooses the kernels, MINIM_THREADS the threads.
#include "tensor/limits_bench.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/cpu.h"
#include "kernels/registry.h"

namespace minim::bench {
namespace {

double now(clockid_t clock) {
  timespec time;
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Median seconds of a call, over 7 runs of at least 30 ms. With one thread it is processor time, so
// that what else the machine does counts less.
double median_seconds(const Context& context, const Options& options,
                      const std::function<void()>& body) {
  const clockid_t clock =
      context.threads.thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const auto seconds_of = [clock](const auto& timed) {
    const double start = now(clock);
    timed();
    return now(clock) - start;
  };
  const double once = std::max(seconds_of(body), 1e-9);
  if (options.tiny) return once;
  const int calls = std::clamp(static_cast<int>(0.03 / once), 1, 100000);
  std::vector<double> seconds;
  for (int run = 0; run < 7; ++run) {
    seconds.push_back(seconds_of([&] {
                        for (int call = 0; call < calls; ++call) body();
                      }) /
                      calls);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

Limits measure_limits(const Context& context, const Options& options) {
  const int threads = context.threads.thread_count();
  const int64_t steps = options.tiny ? 1000 : 1000000;
  const auto rate = [&](auto probe) {
    const double operations = static_cast<double>(probe(steps)) * threads;
    return operations / median_seconds(context, options, [&] {
             context.threads.run(threads, [&](int64_t) { probe(steps); });
           });
  };
  Limits limits;
  limits.flops = rate(context.kernels.probe_products);
  limits.int8_operations = rate(context.kernels.int8.probe_products);
  const int64_t count = options.tiny ? 1 << 16 : int64_t{1} << 26;  // 256 MiB: no cache holds it
  const std::vector<float> memory(static_cast<size_t>(count), 1.0f);
  volatile float sink = 0;
  limits.bytes_per_second =
      static_cast<double>(count) * sizeof(float) / median_seconds(context, options, [&] {
        context.threads.run_ranges(count, 1 << 16, [&](int64_t begin, int64_t end) {
          sink = context.kernels.probe_reads(memory.data() + begin, end - begin);
        });
      });
  return limits;
}

void run_work(const Context& context, const Options& options, const Limits& limits,
              const Work& work) {
  if (work.name.find(options.filter) == std::string::npos) return;
  const double seconds = median_seconds(context, options, work.body);
  const double flops = work.flops / seconds;
  const double bytes = work.bytes / seconds;
  const double flops_limit = work.int8 ? limits.int8_operations : limits.flops;
  std::printf("%-44s %10.1f us %8.1f GOP/s (%3.0f %%) %7.2f GB/s (%3.0f %%)\n", work.name.c_str(),
              seconds * 1e6, flops * 1e-9, 100 * flops / flops_limit, bytes * 1e-9,
              100 * bytes / limits.bytes_per_second);
  std::fflush(stdout);
}

}  // namespace minim::bench

int main(int argc, char** argv) {
  const auto options = minim::bench::parse_options(argc, argv);
  const char* threads = std::getenv("MINIM_THREADS");
  minim::ThreadPool pool(threads != nullptr ? std::max(1, std::atoi(threads)) : minim::cpu_count());
  const minim::Context context{pool, minim::kernels::select_kernel_table_from_environment(), {}};
  const auto limits = minim::bench::measure_limits(context, options);
  std::printf("%s kernels, %d threads: %.0f GFLOP/s in float, %.0f GOP/s in bytes, %.1f GB/s\n",
              minim::instruction_set_name(context.kernels.set), pool.thread_count(),
              limits.flops * 1e-9, limits.int8_operations * 1e-9, limits.bytes_per_second * 1e-9);
  minim::bench::run_matmul_benchmarks(context, options, limits);
  minim::bench::run_attention_benchmarks(context, options, limits);
  minim::bench::run_gemm_benchmarks(context, options, limits);
  return 0;
}
