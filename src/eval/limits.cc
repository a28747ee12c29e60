#include "eval/limits.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <new>

#include "kernels/kernel_table.h"

namespace minim {
namespace {

constexpr size_t kAlignment = size_t{2} << 20;  // a huge page, as weights lie on
constexpr int kReadings = 5;
constexpr int64_t kStepsMin = 1000;

template <typename Body>
double median_seconds(const Body& body) {
  std::array<double, kReadings> seconds;
  for (double& one : seconds) {
    const auto start = std::chrono::steady_clock::now();
    body();
    one = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  std::sort(seconds.begin(), seconds.end());
  return std::max(seconds[kReadings / 2], 1e-9);
}

}  // namespace

void LimitsProbe::Release::operator()(float* memory) const { std::free(memory); }

LimitsProbe::LimitsProbe(const Context& context, bool tiny)
    : context_(context),
      value_count_((tiny ? size_t{2} << 20 : size_t{256} << 20) / sizeof(float)),
      steps_max_(tiny ? kStepsMin : 3'000'000),
      memory_(static_cast<float*>(std::aligned_alloc(kAlignment, value_count_ * sizeof(float)))) {
  if (memory_ == nullptr) throw std::bad_alloc();
  ::madvise(memory_.get(), value_count_ * sizeof(float), MADV_HUGEPAGE);  // best effort
  std::fill_n(memory_.get(), value_count_, 1.0f);
}

Limits LimitsProbe::read() {
  const int count = context_.threads.thread_count();
  const auto operations = [&](auto probe) {
    // As many steps as take 10 ms: emulated and scalar processors need a thousand times longer.
    const double once = median_seconds([&] { probe(kStepsMin); });
    const auto steps =
        std::clamp(static_cast<int64_t>(0.01 / once) * kStepsMin, kStepsMin, steps_max_);
    const double done = static_cast<double>(probe(1)) * static_cast<double>(steps) * count;
    return done /
           median_seconds([&] { context_.threads.run(count, [&](int64_t) { probe(steps); }); });
  };
  Limits limits;
  limits.float_operations = operations(context_.kernels.probe_products);
  limits.int8_operations = operations(context_.kernels.int8.probe_products);
  limits.bfloat16_operations = context_.kernels.bfloat16.probe_products == nullptr
                                   ? limits.float_operations
                                   : operations(context_.kernels.bfloat16.probe_products);
  limits.bytes_per_second = read_bytes_per_second();
  return limits;
}

double LimitsProbe::read_bytes_per_second() {
  volatile float sink = 0;
  const double seconds = median_seconds([&] {
    context_.threads.run_ranges(
        static_cast<int64_t>(value_count_), 1 << 16, [&](int64_t from, int64_t to) {
          sink = context_.kernels.probe_reads(memory_.get() + from, to - from);
        });
  });
  return static_cast<double>(value_count_ * sizeof(float)) / seconds;
}

}  // namespace minim
