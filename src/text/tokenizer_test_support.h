// Small vocabularies of each kind, for tests and the fuzz target.
#pragma once

#include <string>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/vocabulary.h"

namespace minim::testing {

inline int32_t add_token(Vocabulary& vocabulary, std::string text, float score = 0,
                         TokenType type = TokenType::kNormal) {
  vocabulary.tokens.push_back(std::move(text));
  vocabulary.types.push_back(type);
  vocabulary.scores.push_back(score);
  return static_cast<int32_t>(vocabulary.tokens.size()) - 1;
}

// All bytes, some merges, "<|end|>" (control, EOS) and "    " (user-defined).
inline Vocabulary byte_bpe_vocabulary(std::string pre_tokenizer = "gpt-2") {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteBpe;
  vocabulary.pre_tokenizer = std::move(pre_tokenizer);
  for (int byte = 0; byte < 256; ++byte) {
    add_token(vocabulary, encode_letters(std::string(1, static_cast<char>(byte))));
  }
  const auto merge = [&](const char* left, const char* right) {
    const std::string first = encode_letters(left), second = encode_letters(right);
    vocabulary.merges.push_back(first + " " + second);
    add_token(vocabulary, first + second);
  };
  merge("t", "h");
  merge("th", "e");
  merge(" ", "the");
  merge("a", "a");
  merge("aa", "aa");
  merge("e", " ");  // never within a GPT-2 word
  merge("\xC3", "\xA9");
  merge(" ", " ");
  vocabulary.eos = add_token(vocabulary, "<|end|>", 0, TokenType::kControl);
  vocabulary.bos = add_token(vocabulary, "<|start|>", 0, TokenType::kControl);
  add_token(vocabulary, "    ", 0, TokenType::kUserDefined);
  vocabulary.scores.clear();
  return vocabulary;
}

inline void add_byte_tokens(Vocabulary& vocabulary) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string name = {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
    add_token(vocabulary, name, 0, TokenType::kByte);
  }
}

// <unk> <s> </s>, all bytes, and pieces that make " the cat".
inline Vocabulary sentencepiece_bpe_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kSentencePieceBpe;
  vocabulary.unknown = add_token(vocabulary, "<unk>", 0, TokenType::kUnknown);
  vocabulary.bos = add_token(vocabulary, "<s>", 0, TokenType::kControl);
  vocabulary.eos = add_token(vocabulary, "</s>", 0, TokenType::kControl);
  add_byte_tokens(vocabulary);
  add_token(vocabulary, "<tool>", 0, TokenType::kUserDefined);
  float score = -1;
  for (const char* piece : {"▁t", "he", "▁the", "ca", "cat", "▁cat", "aa", "aaaa", "▁▁"}) {
    add_token(vocabulary, piece, score--);
  }
  for (const char* piece : {"▁", "t", "h", "e", "c", "a", "é", "<", "s", ">"}) {
    add_token(vocabulary, piece, score--);
  }
  vocabulary.add_bos = true;
  return vocabulary;
}

// The same pieces with log probabilities; without bytes, unknown characters are <unk>.
inline Vocabulary unigram_vocabulary(bool with_bytes) {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kUnigram;
  vocabulary.unknown = add_token(vocabulary, "<unk>", 0, TokenType::kUnknown);
  vocabulary.eos = add_token(vocabulary, "</s>", 0, TokenType::kControl);
  if (with_bytes) add_byte_tokens(vocabulary);
  add_token(vocabulary, "<tool>", 0, TokenType::kUserDefined);
  for (const char* piece : {"▁", "t", "h", "e", "c", "a"}) add_token(vocabulary, piece, -5);
  for (const char* piece : {"▁the", "▁cat", "at", "aaaa"}) add_token(vocabulary, piece, -6);
  vocabulary.add_eos = true;
  vocabulary.remove_extra_whitespaces = !with_bytes;
  return vocabulary;
}

inline Vocabulary word_piece_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kWordPiece;
  vocabulary.unknown = add_token(vocabulary, "[UNK]", 0, TokenType::kUnknown);
  vocabulary.cls = add_token(vocabulary, "[CLS]", 0, TokenType::kControl);
  vocabulary.separator = add_token(vocabulary, "[SEP]", 0, TokenType::kControl);
  for (const char* piece : {"the", "cat", "run", "##ning", "##n", "##s", ",", ".", "'", "cafe",
                            "中", "[", "]", "a", "##a"}) {
    add_token(vocabulary, piece);
  }
  vocabulary.scores.clear();
  return vocabulary;
}

}  // namespace minim::testing
