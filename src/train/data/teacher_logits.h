// A teacher's predictions, computed once and kept: docs/formats/teacher_logits.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/file.h"

namespace minim::train {

struct TeacherLogitsHeader {
  int32_t vocabulary_size = 0;   // 2 to 2^24
  int32_t top_k = 0;             // tokens kept of each position, 1 to vocabulary_size - 1, at most
                                 // 65,535; all others are one bucket, the tail
  int64_t row_tokens = 0;        // positions in a row, 1 to 2^24
  float temperature = 1;         // that the logits were divided by
  uint64_t vocabulary_hash = 0;  // hash_vocabulary()
  uint64_t teacher = 0;          // a fingerprint of the model

  bool operator==(const TeacherLogitsHeader&) const = default;
};

// The predictions of one row. The probabilities of a position, tail included, sum to 1.
struct TeacherRow {
  std::vector<int32_t> tokens;           // [row_tokens, top_k], the most likely first
  std::vector<float> log_probabilities;  // [row_tokens, top_k]
  std::vector<float> tails;              // [row_tokens], log-probability of all other tokens
};

// A log-probability in 8 bits: code c is -kTeacherRange (c / 254)^2, and 255 stands for
// probability 0. Likely tokens, whose share in a divergence is large, are kept finely: the error is
// at most 0.009 at 1/2, 0.027 at 1/100, and 0.06 at e^-18.
constexpr float kTeacherRange = 18.0f;
uint8_t encode_log_probability(float log_probability);
float decode_log_probability(uint8_t code);  // -infinity for 255

// Memory for one row and 8 bytes for every row written.
class TeacherLogitsWriter {
 public:
  // Throws kInvalidArgument for a header out of bounds.
  TeacherLogitsWriter(const Path& path, const TeacherLogitsHeader& header);

  // Whether a row with this hash (Batch::row_hash()) was written.
  bool contains(uint64_t row_hash) const { return seen_.count(row_hash) > 0; }
  // The next position of the row being written: log-probabilities of the whole vocabulary.
  void add_position(std::span<const float> log_probabilities);
  // A position that no loss is computed for.
  void add_empty_position();
  // Ends a row. REQUIRES: row_tokens positions; !contains(row_hash).
  void end_row(uint64_t row_hash);
  uint64_t row_count() const { return hashes_.size(); }
  // REQUIRES: no row is half written.
  void commit();

 private:
  void add_pair(int32_t token, uint8_t code);

  FileWriter file_;
  TeacherLogitsHeader header_;
  std::vector<std::byte> row_;
  int64_t positions_ = 0;
  std::vector<uint64_t> hashes_;
  std::unordered_set<uint64_t> seen_;
  std::vector<int32_t> order_;
};

// Immutable and safe to share between threads.
class TeacherLogitsReader {
 public:
  // Checks header, size and index; each row is checked when it is read. Throws kNotFound, kIo,
  // kFormat.
  static std::shared_ptr<const TeacherLogitsReader> open(const Path& path);
  // The same for bytes that outlive the result.
  static std::shared_ptr<const TeacherLogitsReader> parse(std::span<const std::byte> bytes,
                                                          const std::string& name);

  const TeacherLogitsHeader& header() const { return header_; }
  uint64_t row_count() const { return row_count_; }
  // False where the file has no row of this hash. Throws kFormat for a damaged row.
  bool read(uint64_t row_hash, TeacherRow& row) const;
  uint64_t row_hash(uint64_t index) const;
  // Throws kInvalidArgument, saying what differs, where the predictions are not those that a run
  // needs: another vocabulary, teacher, temperature, length of rows, or fewer tokens.
  void check(const TeacherLogitsHeader& wanted) const;

 private:
  TeacherLogitsReader(std::span<const std::byte> bytes, std::string name);
  [[noreturn]] void throw_damaged(const char* what) const;

  std::shared_ptr<const MappedFile> file_;
  std::span<const std::byte> bytes_;
  std::string name_;
  TeacherLogitsHeader header_;
  uint64_t row_count_ = 0;
  size_t row_bytes_ = 0;
  std::vector<uint32_t> order_;  // rows by hash
};

}  // namespace minim::train
