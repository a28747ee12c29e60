// tokenizer.json, parsed as a stream: the long lists go straight into vectors, everything else,
// which is short, into a JSON tree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace minim {

inline constexpr size_t kTokenizerJsonBytesMax = size_t{256} << 20;
inline constexpr int kTokenizerJsonDepthMax = 32;

struct TokenizerDocument {
  // The document without the lists below; its "model" has the model's other fields.
  Json tree;
  std::vector<std::pair<std::string, int64_t>> vocab;  // model.vocab of BPE and WordPiece
  std::vector<std::pair<std::string, double>> pieces;  // model.vocab of Unigram, by id
  std::vector<std::string> merges;                     // model.merges as "left right"
};

// Throws kFormat for text that is not JSON or not shaped like this, kLimit where it is too deep or
// its tree too large.
TokenizerDocument parse_tokenizer_document(std::string_view text);

}  // namespace minim
