#include "train/data/batch.h"

#include <numeric>

#include "base/error.h"
#include "base/xxhash64.h"

namespace minim::train {

void Batch::resize(int64_t rows, int64_t tokens_in_row) {
  row_count = rows;
  row_tokens = tokens_in_row;
  const auto count = static_cast<size_t>(token_count());
  inputs.assign(count, 0);
  targets.assign(count, 0);
  weights.assign(count, 0.0f);
  document_starts.assign(count, 0);
  used.assign(static_cast<size_t>(rows), 0);
}

double Batch::weight_sum() const { return std::accumulate(weights.begin(), weights.end(), 0.0); }

uint64_t Batch::row_hash(int64_t row) const {
  const auto begin = static_cast<size_t>(row * row_tokens);
  const auto count = static_cast<size_t>(row_tokens);
  XxHash64 hash;
  hash.update(std::as_bytes(std::span(inputs).subspan(begin, count)));
  hash.update(std::as_bytes(std::span(document_starts).subspan(begin, count)));
  return hash.digest();
}

BatchView view_rows(const Batch& batch, int64_t begin, int64_t end) {
  MINIM_CHECK(begin >= 0 && begin <= end && end <= batch.row_count);
  const auto first = static_cast<size_t>(begin * batch.row_tokens);
  const auto count = static_cast<size_t>((end - begin) * batch.row_tokens);
  return {end - begin,
          batch.row_tokens,
          std::span(batch.inputs).subspan(first, count),
          std::span(batch.targets).subspan(first, count),
          std::span(batch.weights).subspan(first, count),
          std::span(batch.document_starts).subspan(first, count)};
}

}  // namespace minim::train
