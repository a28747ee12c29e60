// Stored predictions of a base model: docs/formats/base_logits.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"

namespace minim {

struct BaseLogitsHeader {
  int32_t vocabulary_size = 0;
  int64_t context_tokens = 0;
  int64_t window_count = 0;
  int64_t scored_per_window = 0;
  uint64_t tokens_hash = 0;  // of every token of every window: the two texts must be the same

  bool operator==(const BaseLogitsHeader&) const = default;
};

// Log-probabilities of a whole vocabulary in 16 bits each: steps of 1/65535 of the row's range, the
// least probable below kLogProbabilityFloor raised to it.
constexpr float kLogProbabilityFloor = -24.0f;

class BaseLogitsWriter {
 public:
  BaseLogitsWriter(const Path& path, const BaseLogitsHeader& header);
  // One scored position; `log_probabilities` has vocabulary_size values, none above 0. That of
  // `target`, the token that followed, is also kept exactly.
  void write_row(std::span<const float> log_probabilities, int32_t target);
  // REQUIRES: window_count * scored_per_window rows were written.
  void commit();

 private:
  FileWriter file_;
  BaseLogitsHeader header_;
  int64_t rows_left_;
  std::vector<std::byte> row_;
};

class BaseLogitsReader {
 public:
  // Throws kFormat for a damaged file.
  explicit BaseLogitsReader(const Path& path);
  const BaseLogitsHeader& header() const { return header_; }
  // Row `index` as log-probabilities; returns that of the token that followed.
  float read_row(int64_t index, std::span<float> log_probabilities) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  BaseLogitsHeader header_;
  size_t row_bytes_ = 0;
};

uint64_t hash_tokens(std::span<const int32_t> tokens);

}  // namespace minim
