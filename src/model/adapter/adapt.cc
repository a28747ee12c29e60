#include "model/adapter/adapt.h"

#include <algorithm>

#include "model/adapter/adapter.h"

namespace minim {

bool is_adapted(const Batch& batch) {
  return std::any_of(batch.chunks.begin(), batch.chunks.end(),
                     [](const SequenceChunk& chunk) { return chunk.adapters != nullptr; });
}

void adapt(const Pass& pass, const WeightMatrix& weights, ConstMatrixView from, MatrixView to) {
  if (!pass.adapted) return;
  const auto& outputs = pass.batch.outputs;
  const bool all_rows = to.rows == pass.batch.rows();
  int64_t next = 0;  // of the outputs
  for (const SequenceChunk& chunk : pass.batch.chunks) {
    int64_t begin = chunk.begin;
    int64_t count = chunk.count;
    if (!all_rows) {
      begin = next;
      while (next < to.rows && outputs[static_cast<size_t>(next)] < chunk.begin + chunk.count) {
        ++next;
      }
      count = next - begin;
    }
    if (chunk.adapters == nullptr || count == 0) continue;
    chunk.adapters->apply(pass.context, weights, from.row_range(begin, count),
                          to.row_range(begin, count), pass.a.adapter);
  }
}

}  // namespace minim
