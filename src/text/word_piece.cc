#include "text/word_piece.h"

#include <algorithm>

#include "base/error.h"
#include "text/sentencepiece.h"
#include "text/unicode.h"
#include "text/word_cache.h"

namespace minim {
namespace {

constexpr size_t kWordCharactersMax = 100;  // longer words are unknown, as in BERT's own code
constexpr std::string_view kContinuationMark = "##";

// The blocks that BERT calls Chinese: each character is a word.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_bert_punctuation(char32_t c) {
  const uint8_t classes = character_class(c);
  return (classes & kPunctuationClass) || (c < 0x80 && (classes & kSymbolClass));
}

// Of the controls only these three are white space; BERT drops the others, U+0085 too.
bool is_bert_space(char32_t c) {
  return c == '\t' || c == '\n' || c == '\r' ||
         (character_class(c) & (kSpaceClass | kControlClass)) == kSpaceClass;
}

bool is_bert_control(char32_t c) {
  return c == kReplacementCharacter || (character_class(c) & kControlClass);
}

// GGUF marks the beginnings of words with U+2581, vocab.txt the continuations with "##".
bool marks_beginnings(const Vocabulary& vocabulary) {
  const auto count = [&](std::string_view mark) {
    return std::count_if(vocabulary.tokens.begin(), vocabulary.tokens.end(),
                         [&](const std::string& token) { return token.starts_with(mark); });
  };
  return count(kSpaceMark) > count(kContinuationMark);
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(Vocabulary stored) : Tokenizer(std::move(stored)) {
  if (!vocabulary().unknown) {
    throw Error(ErrorCode::kFormat, "vocabulary: a WordPiece vocabulary needs an unknown token");
  }
  prefixes_space_ = true;
  const bool marked = marks_beginnings(vocabulary());
  const std::string_view mark = marked ? kSpaceMark : kContinuationMark;
  std::vector<ByteTrie::Entry> beginnings, continuations;
  const auto plain = [&](TokenId id) {
    const std::string_view token = vocabulary().tokens[static_cast<size_t>(id)];
    return token.starts_with(mark) ? token.substr(mark.size()) : token;
  };
  const auto begins_word = [&](TokenId id) {
    return vocabulary().tokens[static_cast<size_t>(id)].starts_with(mark) == marked;
  };
  set_spellings([&](TokenId id, std::string& out) {
    if (begins_word(id)) out += ' ';
    out += plain(id);
  });
  for (TokenId id = 0; id < size(); ++id) {
    const TokenType type = vocabulary().types[static_cast<size_t>(id)];
    if (type != TokenType::kNormal && type != TokenType::kUnused) continue;
    (begins_word(id) ? beginnings : continuations).push_back({std::string(plain(id)), id});
  }
  beginnings_ = ByteTrie(std::move(beginnings));
  continuations_ = ByteTrie(std::move(continuations));
}

WordPieceTokenizer::Words WordPieceTokenizer::cut_words(std::string_view text) const {
  Words words;
  words.text.reserve(text.size());
  uint32_t begin = 0;
  const auto finish_word = [&] {
    const uint32_t end = static_cast<uint32_t>(words.text.size());
    if (end > begin) words.ends.push_back(begin = end);
  };
  const bool fold = vocabulary().lowercase;
  std::string folded;
  if (fold) {
    folded = normalize(text, NormalForm::kNfd);
    text = folded;
  }
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    i += character.length;
    const char32_t code = character.code;
    if (is_bert_space(code)) {
      finish_word();
      continue;
    }
    if (is_bert_control(code) || (fold && is_nonspacing_mark(code))) continue;
    const bool alone = is_bert_punctuation(code) || is_chinese(code);
    if (alone) finish_word();
    append_utf8(fold ? to_lower(code) : code, words.text);
    if (alone) finish_word();
  }
  finish_word();
  return words;
}

void WordPieceTokenizer::encode_text(std::string_view text, bool, std::vector<TokenId>& out) const {
  const Words words = cut_words(text);
  WordCache cache(words.text);
  uint32_t begin = 0;
  for (const uint32_t end : words.ends) {
    cache.replay_or(std::string_view(words.text).substr(begin, end - begin), out,
                    [&](std::string_view word) { encode_word(word, out); });
    begin = end;
  }
}

void WordPieceTokenizer::encode_word(std::string_view word, std::vector<TokenId>& out) const {
  const size_t out_begin = out.size();
  const auto continuation = [](char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; };
  const size_t characters =
      word.size() - static_cast<size_t>(std::count_if(word.begin(), word.end(), continuation));
  for (size_t at = 0; at < word.size();) {
    const ByteTrie& trie = at == 0 ? beginnings_ : continuations_;
    const auto match = trie.longest_prefix(word.substr(at));
    if (match.length == 0 || characters > kWordCharactersMax) {
      out.resize(out_begin);
      out.push_back(*vocabulary().unknown);
      return;
    }
    out.push_back(match.value);
    at += match.length;
  }
}

}  // namespace minim
