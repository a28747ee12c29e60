#include "text/byte_bpe.h"

#include <fmt/core.h>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/vocabulary_check.h"
#include "text/word_cache.h"

namespace minim {
namespace {

// Added tokens (user-defined, control) are stored as plain text, all others in the alphabet.
std::string spell_token(const Vocabulary& vocabulary, TokenId id) {
  const std::string& token = vocabulary.tokens[static_cast<size_t>(id)];
  const TokenType type = vocabulary.types[static_cast<size_t>(id)];
  if (type == TokenType::kUserDefined) return token;
  if (type == TokenType::kByte) return std::string(1, static_cast<char>(*parse_byte_token(token)));
  return decode_letters(token).value_or(token);
}

}  // namespace

ByteBpeTokenizer::ByteBpeTokenizer(Vocabulary stored)
    : Tokenizer(std::move(stored)), pre_tokenizer_(vocabulary()) {
  const auto form = parse_normal_form(vocabulary().normalization);
  if (!form) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("vocabulary: the normalization '{}' is not known; nfc, nfd, nfkc and "
                            "nfkd are",
                            vocabulary().normalization));
  }
  normal_form_ = *form;
  set_spellings([this](TokenId id, std::string& out) { out += spell_token(vocabulary(), id); });

  byte_tokens_.fill(-1);
  for (int byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_utf8(byte_to_letter(static_cast<uint8_t>(byte)), letter);
    const auto id = find(letter);
    if (id && !is_special(*id)) byte_tokens_[static_cast<size_t>(byte)] = *id;
  }
  for (TokenId id = 0; id < size(); ++id) {
    if (vocabulary().types[static_cast<size_t>(id)] != TokenType::kByte) continue;
    TokenId& slot = byte_tokens_[static_cast<uint8_t>(spelling(id)[0])];
    if (slot == -1) slot = id;
  }
  read_merges();
  if (vocabulary().ignore_merges || pre_tokenizer_facts(vocabulary().pre_tokenizer).ignore_merges) {
    words_ = TokenTable(vocabulary().tokens.size());
    for (TokenId id = 0; id < size(); ++id) {
      if (vocabulary().types[static_cast<size_t>(id)] != TokenType::kNormal) continue;
      if (!spelling(id).empty()) words_.insert(spelling(id), id);
    }
  }
}

void ByteBpeTokenizer::read_merges() {
  const std::vector<std::string>& merges = vocabulary().merges;
  if (merges.empty()) {
    for (TokenId id = 0; id < size(); ++id) {
      const bool normal = vocabulary().types[static_cast<size_t>(id)] == TokenType::kNormal;
      if (!normal || spelling(id).size() < 2) continue;
      throw Error(ErrorCode::kFormat,
                  fmt::format("vocabulary: it has no merges, so that token {} '{}' can never be "
                              "made; convert the model again with its merges",
                              id, vocabulary().tokens[static_cast<size_t>(id)].substr(0, 40)));
    }
  }
  merges_ = MergeTable(merges.size());
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const size_t space = merge.find(' ', 1);
    const auto refuse = [&](const char* what) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("vocabulary: merge {} '{}' {}", rank, merge.substr(0, 80), what));
    };
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      refuse("is not two tokens with a space between");
    }
    joined.assign(merge, 0, space).append(merge, space + 1);
    const auto left = find(merge.substr(0, space)), right = find(merge.substr(space + 1));
    const auto whole = find(joined);
    if (!left || !right || !whole) refuse("names or makes a token that the vocabulary lacks");
    merges_.add(*left, *right, static_cast<int32_t>(rank), *whole);
  }
}

void ByteBpeTokenizer::encode_text(std::string_view text, bool, std::vector<TokenId>& out) const {
  std::string normalized;
  if (normal_form_ != NormalForm::kNone) {
    normalized = normalize(text, normal_form_);
    text = normalized;
  }
  SymbolMerger merger(merges_);
  WordCache cache(text);
  std::vector<TokenId> symbols;
  uint32_t begin = 0;
  for (const uint32_t end : pre_tokenizer_.split(text)) {
    cache.replay_or(text.substr(begin, end - begin), out,
                    [&](std::string_view word) { encode_word(word, merger, symbols, out); });
    begin = end;
  }
}

void ByteBpeTokenizer::encode_word(std::string_view word, SymbolMerger& merger,
                                   std::vector<TokenId>& symbols, std::vector<TokenId>& out) const {
  const int32_t whole = words_.find(word);
  if (whole != TokenTable::kAbsent) {
    out.push_back(whole);
    return;
  }
  symbols.clear();
  for (const char byte : word) {
    TokenId token = byte_tokens_[static_cast<uint8_t>(byte)];
    if (token == -1) {
      if (!vocabulary().unknown) continue;
      token = *vocabulary().unknown;
    }
    symbols.push_back(token);
  }
  merger.merge(symbols, out);
}

}  // namespace minim
