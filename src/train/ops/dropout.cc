#include <cmath>

#include "base/rng.h"
#include "tensor/shape_check.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kRowsPerTask = 32;
constexpr int kNumbersPerHash = 4;  // of 16 bits

struct Mask {
  uint64_t stream;     // of the step and the site
  uint32_t threshold;  // of 65536: numbers below it are dropped
  float scale;
};

Mask make_mask(const Tape& tape, float rate, uint64_t site) {
  return {mix_bits(tape.options().seed ^ mix_bits(site)),
          static_cast<uint32_t>(std::lround(rate * 65536.0f)), 1.0f / (1.0f - rate)};
}

void drop(const Mask& mask, uint64_t first, const float* x, float* out, int64_t count) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t at = first + static_cast<uint64_t>(i);
    if (i == 0 || at % kNumbersPerHash == 0) {
      bits = mix_bits(mask.stream + at / kNumbersPerHash) >> 16 * (at % kNumbersPerHash);
    }
    out[i] = (bits & 0xffff) < mask.threshold ? 0.0f : x[i] * mask.scale;
    bits >>= 16;
  }
}

void drop_all(Tape& tape, const Mask& mask, ConstMatrixView x, MatrixView out) {
  tape.compute([&] {
    tape.context().threads.run_ranges(x.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * x.cols;
      drop(mask, static_cast<uint64_t>(first), x.data + first, out.data + first,
           (end - begin) * x.cols);
    });
  });
}

}  // namespace

Variable dropout(Tape& tape, const Variable& x, float rate, uint64_t site) {
  require_shape(rate >= 0.0f && rate < 1.0f, "train: dropout of {}; must be at least 0, below 1",
                rate);
  if (rate == 0.0f || !tape.options().dropping) return x;
  const Mask mask = make_mask(tape, rate, site);
  const Variable out = tape.make(x.rows, x.cols);
  drop_all(tape, mask, x.view(), out.view());
  tape.record([from = x.gradient, mask, gradient = out.gradient](Tape& back) {
    if (gradient->empty() || from == nullptr) return;
    const MatrixView own = gradient->own(back);
    drop_all(back, mask, own, own);
    from->add(back, gradient->take());
  });
  return out;
}

}  // namespace minim::train
