// Text to tokens and back. Immutable and safe to share between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/special_tokens.h"
#include "text/token_table.h"
#include "text/vocabulary.h"

namespace minim {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_special = true;  // the BOS, EOS, CLS, SEP that the vocabulary asks for
  bool parse_special =
      false;  // recognise special tokens written in the text: only for our own text
};

struct DecodeOptions {
  bool skip_special = false;        // leave control tokens out instead of writing their names
  bool strip_leading_space = true;  // undo the space prefix that encode() added
  bool clean_spaces = true;  // WordPiece: no space before punctuation and inside contractions
};

class Tokenizer {
 public:
  // Checks the vocabulary and builds the tables. Throws kFormat, kUnsupported or kLimit.
  static std::shared_ptr<const Tokenizer> make(Vocabulary vocabulary);
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Any bytes are accepted. Time is O(n log n) in the text for every input. Control tokens are
  // found in the text with `parse_special` only; user-defined tokens, which stand for ordinary text
  // (runs of spaces, say), always. Throws kLimit past 512 MiB. A byte for which a byte BPE
  // vocabulary has neither a token nor an unknown token is left out, as by the models' own programs
  // (Falcon lacks some controls).
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  // The inverse. For byte BPE, and SentencePiece with byte tokens and no normalizer, the very bytes
  // that encode() was given, but that SentencePiece reads U+2581 as a space. Ids outside the
  // vocabulary throw kInvalidArgument.
  std::string decode(std::span<const TokenId> tokens, const DecodeOptions& options = {}) const;
  // One step of decode() without clean_spaces. `begins` is true for the first token and is updated.
  void decode_step(TokenId token, const DecodeOptions& options, bool& begins,
                   std::string& out) const;

  // The bytes that one token adds in the middle of a text.
  std::string token_bytes(TokenId token) const { return std::string(spelling(token)); }
  std::optional<TokenId> find(std::string_view token) const;  // by its stored form
  bool is_special(TokenId token) const;
  bool ends_generation(TokenId token) const;  // EOS, EOT and their like

  // With `types` filled in, and kControl for every token that has the name of a chat marker.
  const Vocabulary& vocabulary() const { return vocabulary_; }
  int32_t size() const { return static_cast<int32_t>(vocabulary_.tokens.size()); }

 protected:
  // `vocabulary` has passed check_vocabulary().
  explicit Tokenizer(Vocabulary vocabulary);

  // Appends the tokens of plain text. `begins`: it is the first, or follows a control token.
  virtual void encode_text(std::string_view text, bool begins, std::vector<TokenId>& out) const = 0;

  // Stores what each token spells, as `spell` appends it. Called by each kind's constructor.
  void set_spellings(const std::function<void(TokenId, std::string&)>& spell);
  std::string_view spelling(TokenId token) const;

  // Whether encode_text() puts a space before text that begins.
  bool prefixes_space_ = false;
  // Whether encode() finds user-defined tokens, so that encode_text() need not.
  bool splits_user_defined_ = true;

 private:
  void check_token(TokenId token) const;
  void find_special_tokens();
  void name_tokens() const;
  void encode_segments(std::string_view text, const SpecialTokenMatcher& matcher,
                       std::vector<TokenId>& out) const;
  bool is_control(TokenId token) const;

  Vocabulary vocabulary_;
  // Made when the first token is looked for, which most programs never do.
  mutable std::once_flag named_;
  mutable TokenTable by_name_;
  SpecialTokenMatcher user_defined_;  // found always
  SpecialTokenMatcher special_;       // found with parse_special: those, control and unknown tokens
  std::vector<bool> strips_left_, strips_right_, ends_generation_;
  std::string spellings_;
  std::vector<uint32_t> spelling_begins_;  // one more than tokens
};

}  // namespace minim
