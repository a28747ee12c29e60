// Rows of tokens that are made up on the spot: patterns that a model can learn.
#pragma once

#include <optional>

#include "base/rng.h"
#include "train/data/batch_source.h"

namespace minim::train::testing {

// Each row counts up from a random token in steps of 1 or 3, modulo the vocabulary; the second half
// is a document of its own, and the first token of each is not predicted.
class CountingSource final : public BatchSource {
 public:
  CountingSource(int64_t row_tokens, int32_t vocabulary, uint64_t seed = 1,
                 std::optional<uint64_t> rows = std::nullopt)
      : row_tokens_(row_tokens), vocabulary_(vocabulary), seed_(seed), rows_(rows) {}

  int64_t row_tokens() const override { return row_tokens_; }
  std::optional<uint64_t> row_count() const override { return rows_; }
  uint64_t fingerprint() const override { return mix_bits(seed_); }

  void read(uint64_t first_row, int64_t count, Batch& batch) const override {
    batch.resize(count, row_tokens_);
    for (int64_t row = 0; row < count; ++row) {
      Rng rng(mix_bits(seed_) + first_row + static_cast<uint64_t>(row));
      const int64_t half = row_tokens_ / 2;
      batch.used[static_cast<size_t>(row)] = static_cast<int32_t>(row_tokens_);
      for (const int64_t begin : {int64_t{0}, half}) {
        const int64_t end = begin == 0 ? half : row_tokens_;
        auto token = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary_)));
        const int32_t by = rng.below(2) == 0 ? 1 : 3;
        for (int64_t i = begin; i < end; ++i) {
          const auto at = static_cast<size_t>(row * row_tokens_ + i);
          batch.inputs[at] = token;
          token = (token + by) % vocabulary_;
          batch.targets[at] = token;
          batch.weights[at] = i == begin ? 0.0f : 1.0f;
          batch.document_starts[at] = static_cast<int32_t>(begin);
        }
      }
    }
  }

 private:
  int64_t row_tokens_;
  int32_t vocabulary_;
  uint64_t seed_;
  std::optional<uint64_t> rows_;
};

// A chain of tokens, each of which has four followers of its own: one is as likely as the three
// others together. What comes next can be known no better than that.
class ChanceSource final : public BatchSource {
 public:
  ChanceSource(int64_t row_tokens, int32_t vocabulary, uint64_t seed)
      : row_tokens_(row_tokens), vocabulary_(vocabulary), seed_(seed) {}

  int64_t row_tokens() const override { return row_tokens_; }
  std::optional<uint64_t> row_count() const override { return std::nullopt; }
  uint64_t fingerprint() const override { return mix_bits(seed_); }

  void read(uint64_t first_row, int64_t count, Batch& batch) const override {
    batch.resize(count, row_tokens_);
    for (int64_t row = 0; row < count; ++row) {
      Rng rng(mix_bits(seed_) + first_row + static_cast<uint64_t>(row));
      auto token = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary_)));
      batch.used[static_cast<size_t>(row)] = static_cast<int32_t>(row_tokens_);
      for (int64_t i = 0; i < row_tokens_; ++i) {
        const auto at = static_cast<size_t>(row * row_tokens_ + i);
        batch.inputs[at] = token;
        const uint64_t choice = rng.below(6) / 3 == 0 ? 0 : 1 + rng.below(3);
        token = static_cast<int32_t>(mix_bits(static_cast<uint64_t>(token) * 4 + choice) %
                                     static_cast<uint64_t>(vocabulary_));
        batch.targets[at] = token;
        batch.weights[at] = 1.0f;
        batch.document_starts[at] = 0;
      }
    }
  }

 private:
  int64_t row_tokens_;
  int32_t vocabulary_;
  uint64_t seed_;
};

}  // namespace minim::train::testing
