// A source of documents as tokens: made once from its files, kept as shards, mapped from then on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "text/tokenizer.h"
#include "train/data/document_encoder.h"
#include "train/data/document_reader.h"
#include "train/data/token_shard.h"

namespace minim::train {

// What happens to a document that is binary, not UTF-8, no JSON, ... Empty documents are always
// passed over and counted.
enum class BadDocuments {
  kRefuse,  // an error that names the first one
  kSkip,    // counted, and reported
};

struct SourceOptions {
  std::string name;  // letters, digits, '-' and '_': begins the name of the folder of shards
  std::vector<Path> files;
  DocumentReaderOptions reader;
  DocumentEncoderOptions encoder;  // its format is the reader's
  BadDocuments bad_documents = BadDocuments::kRefuse;
};

// Documents of one kind that were passed over.
struct SkippedDocuments {
  uint64_t count = 0;
  std::string first;  // "notes.txt:12: not UTF-8"
};

struct SourceReport {
  uint64_t documents = 0;
  uint64_t tokens = 0;
  uint64_t text_bytes = 0;
  uint64_t documents_cut = 0;                          // into several, for their length
  std::array<SkippedDocuments, kDefectCount> skipped;  // by Defect
  bool made = false;                                   // rather than found
};

// Immutable and safe to share between threads. Documents are numbered over all shards.
class TokenSource {
 public:
  TokenSource(std::string name, std::vector<std::shared_ptr<const TokenShard>> shards,
              SourceReport report);

  const std::string& name() const { return name_; }
  const SourceReport& report() const { return report_; }
  uint64_t key() const { return key_; }
  int32_t vocabulary_size() const { return vocabulary_size_; }
  uint64_t document_count() const { return first_documents_.back(); }
  uint64_t length(uint64_t document) const;  // in tokens
  uint64_t text_hash(uint64_t document) const;
  // Tokens [begin, begin + out.size()) of a document.
  void copy_tokens(uint64_t document, uint64_t begin, std::span<int32_t> out) const;
  bool learned(uint64_t document, uint64_t token) const;

 private:
  struct Place {
    const TokenShard* shard;
    uint64_t document;
  };
  Place find(uint64_t document) const;

  std::string name_;
  std::vector<std::shared_ptr<const TokenShard>> shards_;
  std::vector<uint64_t> first_documents_;  // one more than shards
  SourceReport report_;
  uint64_t key_ = 0;
  int32_t vocabulary_size_ = 0;
};

struct MakeSourceOptions {
  Path cache;                                 // the folder for the folders of sources
  uint64_t shard_tokens = uint64_t{1} << 28;  // after which a new shard begins
  ProgressSink
      progress;  // stages "reading NAME" (to see what changed) and "tokenising NAME", bytes
};

// The hash of everything that decides which tokens a source has; reads all files.
uint64_t source_key(const SourceOptions& source, const Vocabulary& vocabulary,
                    const ProgressSink& progress = {});

// Opens the shards of a source, or makes them where there are none of its key. The tokens do not
// depend on the number of threads. Throws what the parts throw; kFormat for a bad document where
// those are refused, and for a source without any document.
std::shared_ptr<const TokenSource> make_source(const Context& context, const SourceOptions& source,
                                               std::shared_ptr<const Tokenizer> tokenizer,
                                               const MakeSourceOptions& options);

// "left out 3 documents, the first notes.txt:12: not UTF-8", for each kind of defect.
std::vector<std::string> describe_skipped(const SourceReport& report);

}  // namespace minim::train
