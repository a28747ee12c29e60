// Tokenised documents on disk, mapped into memory: docs/formats/token_shard.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim::train {

struct ShardHeader {
  uint64_t key = 0;             // of all that the tokens were made from
  uint32_t index = 0;           // of the shard among those of one key
  int32_t vocabulary_size = 0;  // 1 to 2^24; every token is below
  uint64_t text_bytes = 0;      // that the documents had as text

  bool operator==(const ShardHeader&) const = default;
};

class TokenShardWriter {
 public:
  // `header.text_bytes` is counted while writing. REQUIRES: the bounds of the header.
  TokenShardWriter(const Path& path, const ShardHeader& header);
  ~TokenShardWriter();

  // `learned` is as long as tokens, or empty: all of them. REQUIRES: tokens are in the vocabulary,
  // at least one.
  void add(std::span<const int32_t> tokens, const std::vector<bool>& learned, uint64_t text_hash,
           uint64_t text_bytes);
  uint64_t token_count() const { return token_count_; }
  void commit();

 private:
  FileWriter file_;
  ShardHeader header_;
  bool wide_;
  bool has_unlearned_ = false;
  uint64_t token_count_ = 0;
  std::vector<uint8_t> learned_;  // a bit a token
  std::vector<uint64_t> ends_, hashes_;
  std::vector<std::byte> packed_;
  struct Checksum;
  std::unique_ptr<Checksum> checksum_;
};

// Immutable and safe to share between threads.
class TokenShard {
 public:
  // Maps the file and checks all of it. Throws kNotFound, kIo, and kFormat for a file that is
  // damaged or is none.
  static std::shared_ptr<const TokenShard> open(const Path& path);
  // The same for bytes that outlive the result.
  static std::shared_ptr<const TokenShard> parse(std::span<const std::byte> bytes,
                                                 const std::string& name);

  const ShardHeader& header() const { return header_; }
  uint64_t document_count() const { return document_count_; }
  uint64_t token_count() const { return token_count_; }
  // Documents follow each other: [begin(i), end(i)) are the tokens of document i.
  uint64_t begin(uint64_t document) const { return document == 0 ? 0 : end(document - 1); }
  uint64_t end(uint64_t document) const;
  uint64_t text_hash(uint64_t document) const;
  void copy_tokens(uint64_t begin, std::span<int32_t> out) const;
  bool learned(uint64_t token) const;

 private:
  TokenShard(std::span<const std::byte> bytes, const std::string& name);
  void find_sections(const std::string& name);
  void check_documents(const std::string& name) const;

  std::shared_ptr<const MappedFile> file_;
  std::span<const std::byte> bytes_;
  ShardHeader header_;
  size_t token_bytes_ = 2;
  uint64_t document_count_ = 0;
  uint64_t token_count_ = 0;
  const std::byte* tokens_ = nullptr;
  const std::byte* learned_ = nullptr;  // null: all are
  const std::byte* ends_ = nullptr;
  const std::byte* hashes_ = nullptr;
};

// The checksum that bytes 8 to 64 and everything after them should have.
uint64_t shard_checksum(std::span<const std::byte> bytes);

}  // namespace minim::train
