// Sources of made-up documents, for the tests of packing and mixtures.
#pragma once

#include <string>
#include <vector>

#include "tests/support/test_data.h"
#include "train/data/token_source.h"

namespace minim::train::testing {

struct TokenDocument {
  std::vector<int32_t> tokens;
  std::vector<bool> learned;  // empty: all
  uint64_t text_hash = 0;
};

// A source of one shard below `folder`.
inline std::shared_ptr<const TokenSource> write_source(const Path& folder, const std::string& name,
                                                       const std::vector<TokenDocument>& documents,
                                                       uint64_t key = 1) {
  const Path path = folder / (name + ".tokens");
  TokenShardWriter writer(path, {.key = key, .vocabulary_size = 1 << 20});
  for (const TokenDocument& document : documents) {
    writer.add(document.tokens, document.learned, document.text_hash, document.tokens.size());
  }
  writer.commit();
  return std::make_shared<const TokenSource>(name, std::vector{TokenShard::open(path)},
                                             SourceReport{.documents = documents.size()});
}

// Document i has the tokens 1000 i, 1000 i + 1, ...: every token says where it is from.
inline std::vector<TokenDocument> numbered_documents(const std::vector<int>& lengths) {
  std::vector<TokenDocument> documents;
  for (size_t i = 0; i < lengths.size(); ++i) {
    TokenDocument document;
    for (int at = 0; at < lengths[i]; ++at) {
      document.tokens.push_back(static_cast<int32_t>(1000 * i) + at);
    }
    document.text_hash = 77 + i;
    documents.push_back(document);
  }
  return documents;
}

}  // namespace minim::train::testing
