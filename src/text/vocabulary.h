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
  kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6,
};

struct Vocabulary {
  TokenizerKind kind = TokenizerKind::kByteBpe;
  std::vector<std::string> tokens;  // as stored: byte BPE in GPT-2's printable alphabet
  std::vector<TokenType> types;     // as many as tokens
  std::vector<float> scores;        // as many as tokens, or empty
  std::vector<std::string> merges;  // "left right", best first; byte BPE only

  // How text is cut before merging: a GGUF pre-tokenizer name ("gpt-2", "llama-bpe", "qwen2") or,
  // if that is empty, the regular expressions of tokenizer.json, applied one after the other.
  std::string pre_tokenizer;
  std::vector<std::string> pre_patterns;

  std::optional<int32_t> bos, eos, eot, unknown, separator, padding, cls, mask;
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;           // SentencePiece: a space before the text
  bool remove_extra_whitespaces = false;  // SentencePiece
  bool lowercase = true;                  // WordPiece: lower case and no accents
  bool ignore_merges = false;             // byte BPE: a whole word in the vocabulary wins
  std::string normalization;              // "", "nfc", "nfd", "nfkc", "nfkd"
  std::vector<uint8_t> precompiled_charsmap;  // SentencePiece's normalizer, may be empty
  std::string chat_template;
};

}  // namespace minim
