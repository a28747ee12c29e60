// Text to tokens and back. Immutable and safe to share between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace minim {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_special = true;     // the BOS, EOS, CLS, SEP that the vocabulary asks for
  bool parse_special = false;  // recognise special tokens written in the text: only for our own text
};

struct DecodeOptions {
  bool skip_special = false;   // leave control tokens out instead of writing their names
  bool strip_leading_space = true;  // undo the space prefix that encode() added
};

class Tokenizer {
 public:
  // Checks the vocabulary and builds the tables. Throws kFormat or kUnsupported.
  static std::shared_ptr<const Tokenizer> make(Vocabulary vocabulary);
  virtual ~Tokenizer() = default;

  // Any bytes are accepted. Time is O(n log n) in the text for every input.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  // Ids outside the vocabulary throw kInvalidArgument.
  std::string decode(std::span<const TokenId> tokens, const DecodeOptions& options = {}) const;
  // The bytes that one token adds in the middle of a text.
  std::string token_bytes(TokenId token) const;
  std::optional<TokenId> find(std::string_view token) const;  // by its stored form
  bool is_special(TokenId token) const;
  bool ends_generation(TokenId token) const;  // EOS, EOT and their like

  const Vocabulary& vocabulary() const { return vocabulary_; }
  int32_t size() const { return static_cast<int32_t>(vocabulary_.tokens.size()); }
};

// Turns a stream of tokens into text without ever splitting a UTF-8 character.
class StreamDecoder;

}  // namespace minim
