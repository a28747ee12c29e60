// Which stretches of which documents fill which row.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "train/data/batch.h"
#include "train/data/token_source.h"

namespace minim::train {

enum class Packing {
  kStream,  // documents one after the other, in shuffled order, cut where a row is full
  // As few documents as possible are cut: only those longer than a row, into rows of their own and
  // a rest. Every piece goes where the least room is left over (best fit, the longest first: Ding
  // et al., 2024, "Fewer truncations improve language modeling").
  kWhole,
};

// Which documents: chosen by a hash of their text alone, so that equal texts are on one side
// whatever source they are in, and a text stays on its side when others come or go.
enum class Part { kTraining, kHeldOut };
bool is_held_out(uint64_t text_hash, double held_out);

struct PackingOptions {
  int64_t row_tokens = 512;
  Packing packing = Packing::kStream;
  Part part = Part::kTraining;
  double held_out = 0;       // share of the documents that is held out, 0 to 0.5
  bool drop_copies = false;  // of documents with one text, only the first counts
  uint64_t seed = 1;         // of the order of documents
  float loss_weight = 1;     // of every prediction that is learned
};

// The rows of one source. Immutable and safe to share between threads; takes 16 bytes for each
// piece of a document and 8 for each row.
class PackedRows {
 public:
  // A document of n tokens takes n - 1 positions: the last token is only ever a target. Documents
  // of one token are left out. Throws kInvalidArgument for options that make no sense, kLimit for
  // documents of 2^32 tokens.
  PackedRows(std::shared_ptr<const TokenSource> source, const PackingOptions& options);

  const TokenSource& source() const { return *source_; }
  uint64_t row_count() const { return rows_.size() - 1; }
  uint64_t document_count() const { return document_count_; }
  uint64_t copies_dropped() const { return copies_dropped_; }
  uint64_t positions() const { return positions_; }  // that are no padding
  // Of everything that decides what the rows hold.
  uint64_t fingerprint() const { return fingerprint_; }

  // Writes row `index` over row `to` of a batch, which is padding so far.
  void fill(uint64_t index, Batch& batch, int64_t to) const;

  // The pieces of a row: `length` positions of `document`, from `begin`.
  struct Piece {
    uint64_t document;
    uint32_t begin;
    uint32_t length;
  };
  std::span<const Piece> pieces(uint64_t row) const;

 private:
  std::vector<uint64_t> choose_documents();
  void pack_stream(const std::vector<uint64_t>& documents);
  void pack_whole(const std::vector<uint64_t>& documents);

  std::shared_ptr<const TokenSource> source_;
  PackingOptions options_;
  std::vector<Piece> pieces_;
  std::vector<uint64_t> rows_ = {0};  // where the pieces of each row begin, one more than rows
  uint64_t document_count_ = 0;
  uint64_t copies_dropped_ = 0;
  uint64_t positions_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace minim::train
