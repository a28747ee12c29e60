#include "bench/speed/limits.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <new>

#include "base/cpu.h"
#include "kernels/registry.h"

namespace minim::bench {
namespace {

constexpr size_t kAlignment = size_t{2} << 20;  // a huge page, as weights lie on
constexpr int kReadings = 5;

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

LimitsProbe::LimitsProbe(int thread_count, bool tiny)
    : threads_(thread_count),
      kernels_(kernels::select_kernel_table_from_environment()),
      value_count_((tiny ? size_t{2} << 20 : size_t{256} << 20) / sizeof(float)),
      steps_(tiny ? 1000 : 3'000'000),
      memory_(static_cast<float*>(std::aligned_alloc(kAlignment, value_count_ * sizeof(float)))) {
  if (memory_ == nullptr) throw std::bad_alloc();
  ::madvise(memory_.get(), value_count_ * sizeof(float), MADV_HUGEPAGE);  // best effort
  std::fill_n(memory_.get(), value_count_, 1.0f);
}

Limits LimitsProbe::read() {
  const int count = threads_.thread_count();
  const auto operations = [&](auto probe) {
    const double done = static_cast<double>(probe(1)) * static_cast<double>(steps_) * count;
    return done / median_seconds([&] { threads_.run(count, [&](int64_t) { probe(steps_); }); });
  };
  Limits limits;
  limits.float_operations = operations(kernels_.probe_products);
  limits.int8_operations = operations(kernels_.int8.probe_products);
  limits.bfloat16_operations = kernels_.bfloat16.probe_products == nullptr
                                   ? limits.float_operations
                                   : operations(kernels_.bfloat16.probe_products);
  volatile float sink = 0;
  const double seconds = median_seconds([&] {
    threads_.run_ranges(static_cast<int64_t>(value_count_), 1 << 16, [&](int64_t from, int64_t to) {
      sink = kernels_.probe_reads(memory_.get() + from, to - from);
    });
  });
  limits.bytes_per_second = static_cast<double>(value_count_ * sizeof(float)) / seconds;
  return limits;
}

const char* LimitsProbe::kernels() const { return instruction_set_name(kernels_.set); }

}  // namespace minim::bench
