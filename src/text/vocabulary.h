// What a tokenizer is made from, whatever file it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace minim {

enum class TokenizerKind {
  kSentencePieceBpe,  // merges by score, byte fallback: "llama" in GGUF
  kUnigram,           // the most probable segmentation: "t5" in GGUF
  kByteBpe,           // merges by rank over bytes: "gpt2" in GGUF
  kWordPiece,         // the longest match first: "bert" in GGUF
};

// The numbers are GGUF's (and SentencePiece's) token types.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct Vocabulary {
  TokenizerKind kind = TokenizerKind::kByteBpe;
  // As stored: byte BPE in GPT-2's printable alphabet; SentencePiece with U+2581 for a space;
  // WordPiece as GGUF ("\u2581word", "ing") or as vocab.txt ("word", "##ing"), told apart by which
  // mark is the more frequent.
  std::vector<std::string> tokens;
  std::vector<TokenType> types;  // as many as tokens, or empty: all kNormal
  std::vector<float> scores;     // as many as tokens, or empty
  // "left right", best first: byte BPE, and SentencePiece BPE that has no scores (tokenizer.json).
  std::vector<std::string> merges;

  // Byte BPE: how text is cut before merging. A GGUF pre-tokenizer name ("gpt-2", "llama-bpe",
  // "qwen2"; "none": not at all) or, if that is empty, the regular expressions of tokenizer.json,
  // applied one after the other, each to the matches and gaps that the one before it left.
  std::string pre_tokenizer;
  std::vector<std::string> pre_patterns;

  std::optional<int32_t> bos, eos, eot, unknown, separator, padding, cls, mask;
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;           // SentencePiece: a space before the text
  bool remove_extra_whitespaces = false;  // SentencePiece
  bool lowercase = true;                  // WordPiece: lower case and no accents
  bool ignore_merges = false;             // byte BPE: a whole word in the vocabulary wins
  std::string normalization;              // byte BPE: "", "nfc", "nfd", "nfkc", "nfkd"
  // Tokens that swallow the white space before or after them in a text (lstrip and rstrip in
  // tokenizer.json; phi3's chat tokens do).
  std::vector<int32_t> strips_left, strips_right;
  std::vector<uint8_t> precompiled_charsmap;  // SentencePiece's normalizer, may be empty
  std::string chat_template;
};

}  // namespace minim
