#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/xxhash64.h"
#include "model/adapter/adapter.h"
#include "tensor/ops.h"

namespace minim {
namespace {

// `values` as a matrix of that shape, grown where it is too small.
MatrixView view(std::vector<float>& values, int64_t rows, int64_t cols) {
  const auto count = static_cast<size_t>(rows * cols);
  if (values.size() < count) values.resize(count);
  return {values.data(), rows, cols, cols};
}

// change: s B (A x) -> weight * ((gain - 1) * (W x) + gain * s B (A x))
void rescale(ConstMatrixView product, const std::vector<float>& gain, float weight,
             MatrixView change) {
  for (int64_t t = 0; t < change.rows; ++t) {
    const float* const from = product.row(t);
    float* const to = change.row(t);
    for (size_t i = 0; i < gain.size(); ++i) {
      to[i] = weight * ((gain[i] - 1.0f) * from[i] + gain[i] * to[i]);
    }
  }
}

}  // namespace

AdapterSet::AdapterSet(std::vector<Use> uses) : uses_(std::move(uses)) {
  MINIM_CHECK(!uses_.empty());
  XxHash64 hash;
  for (const Use& use : uses_) {
    if (&use.adapter->model() != &model()) {
      throw Error(ErrorCode::kInvalidArgument, "adapter: two of one set are of different models");
    }
    if (!std::isfinite(use.weight)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("adapter '{}': a weight of {}; it must be a finite number",
                              use.adapter->path().string(), use.weight));
    }
    hash.update_value(use.adapter->fingerprint());
    hash.update_value(use.weight);
  }
  fingerprint_ = std::max<uint64_t>(hash.digest(), 1);
}

void AdapterSet::apply(const Context& context, const WeightMatrix& weights, ConstMatrixView x,
                       MatrixView to, AdapterScratch& scratch) const {
  // Every change is of the product alone: they are added when all are known.
  const MatrixView sum = view(scratch.sum, to.rows, to.cols);
  bool changes = false;
  for (const Use& use : uses_) {
    const LowRank* const part = use.adapter->find(weights);
    if (part == nullptr) continue;
    const MatrixView inner = view(scratch.inner, x.rows, part->a.rows());
    matmul(context, part->a, x, inner);
    const bool rescales = !part->gain.empty();
    scale(context, part->scale * (rescales ? 1.0f : use.weight), inner);
    const MatrixView outer = changes ? view(scratch.outer, to.rows, to.cols) : sum;
    matmul(context, part->b, inner, outer);
    if (rescales) rescale(to, part->gain, use.weight, outer);
    if (changes) add(context, outer, sum);
    changes = true;
  }
  if (changes) add(context, sum, to);
}

}  // namespace minim
