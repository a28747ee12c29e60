// Several sources of rows as one: in which order their rows come, and how often each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "train/data/batch_source.h"
#include "train/data/packing.h"
#include "train/data/permutation.h"

namespace minim::train {

struct MixturePart {
  std::shared_ptr<const PackedRows> rows;
  // One of these, or neither: as if epochs were 1.
  std::optional<double> weight;  // share of the rows, among all weights
  std::optional<double> epochs;  // weight = epochs x rows of the source
  double epochs_max = 0;         // a run that would read the source more often is refused; 0: none
};

struct MixtureOptions {
  int64_t row_tokens = 512;
  // Weights are raised to 1 / temperature: above 1 small sources come more often.
  double temperature = 1;
  uint64_t seed = 1;  // of the order of rows
};

// The endless stream of training rows. Row i belongs to the source that a pattern of 65,536 places
// names: for every n the first n places hold each source's share of n, to within the number of
// sources. Within a source, rows come in an order of their own for each epoch, which is computed,
// not stored, so that any row can be asked for at any time.
class Mixture : public BatchSource {
 public:
  // Throws kInvalidArgument, naming the source, for weights that make no sense or are too small for
  // the pattern, and for a source without rows.
  Mixture(std::vector<MixturePart> parts, const MixtureOptions& options);

  int64_t row_tokens() const override { return options_.row_tokens; }
  std::optional<uint64_t> row_count() const override { return std::nullopt; }
  void read(uint64_t first_row, int64_t count, Batch& batch) const override;
  uint64_t fingerprint() const override { return fingerprint_; }

  // Where row i comes from.
  struct Place {
    size_t part = 0;
    uint64_t epoch = 0;
    uint64_t row = 0;  // of the source
  };
  Place place(uint64_t row) const;

  // The share of all rows that each part has.
  const std::vector<double>& shares() const { return shares_; }
  // How often part `i` is read in the first `row_count` rows.
  double epochs(size_t part, uint64_t row_count) const;
  // The rows that the epochs of all parts together ask for.
  uint64_t rows_of_epochs() const;
  // Throws kInvalidArgument where a run of `row_count` rows reads a source more often than it may.
  void check_epochs(uint64_t row_count) const;

 private:
  void set_shares();
  void make_pattern();

  std::vector<MixturePart> parts_;
  MixtureOptions options_;
  std::vector<double> shares_;
  std::vector<uint16_t> pattern_;  // the part of each place
  std::vector<uint32_t> ranks_;    // how many places before it have the same part
  std::vector<uint32_t> counts_;   // places of each part
  uint64_t fingerprint_ = 0;
};

// Held-out rows of several sources, each row once, in a fixed shuffled order: the first rows are a
// fair sample of all sources.
class HeldOutRows : public BatchSource {
 public:
  explicit HeldOutRows(std::vector<std::shared_ptr<const PackedRows>> parts, int64_t row_tokens);

  int64_t row_tokens() const override { return row_tokens_; }
  std::optional<uint64_t> row_count() const override { return firsts_.back(); }
  void read(uint64_t first_row, int64_t count, Batch& batch) const override;
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  std::vector<std::shared_ptr<const PackedRows>> parts_;
  int64_t row_tokens_;
  std::vector<uint64_t> firsts_ = {0};  // first row of each part, one more than parts
  std::optional<Permutation> order_;    // where there are any rows
  uint64_t fingerprint_ = 0;
};

}  // namespace minim::train
