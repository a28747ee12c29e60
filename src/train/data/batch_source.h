// Where batches come from: an endless or finite sequence of rows, every one of which can be asked
// for at any time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "train/data/batch.h"

namespace minim::train {

// What a checkpoint keeps of the data.
struct StreamPosition {
  uint64_t next_row = 0;     // rows that training has taken so far
  uint64_t fingerprint = 0;  // of everything that decides which row comes when

  bool operator==(const StreamPosition&) const = default;
};

// Immutable and safe to share between threads: which rows come is a function of their number alone,
// so that ranks, a prefetching thread and a resumed run agree without talking to each other.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  virtual int64_t row_tokens() const = 0;
  // Rows until the source ends; nothing where it never does.
  virtual std::optional<uint64_t> row_count() const = 0;
  // Fills `batch` with rows [first_row, first_row + count).
  // REQUIRES: they lie before the end.
  virtual void read(uint64_t first_row, int64_t count, Batch& batch) const = 0;
  // Two sources of one fingerprint give the same rows.
  virtual uint64_t fingerprint() const = 0;
};

// Throws kFormat, saying what to do, where `position` was taken from other data or other settings.
void check_position(const BatchSource& source, const StreamPosition& position);

}  // namespace minim::train
