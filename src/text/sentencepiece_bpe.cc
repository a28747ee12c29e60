#include "text/sentencepiece_bpe.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "text/word_cache.h"

namespace minim {
namespace {

// Ways to split tokens in two that a vocabulary may have; published ones have about five a token.
constexpr size_t kSplitsPerToken = 64;
constexpr size_t kSplitsMore = 1 << 20;

bool merges_to(TokenType type) { return type == TokenType::kNormal || type == TokenType::kUnused; }

}  // namespace

SentencePieceBpeTokenizer::SentencePieceBpeTokenizer(Vocabulary stored)
    : Tokenizer(std::move(stored)), pieces_(vocabulary()) {
  prefixes_space_ = vocabulary().add_space_prefix;
  splits_user_defined_ = false;  // the normalizer and append_symbols() see to them
  set_spellings([this](TokenId id) { return SentencePieces::spell(vocabulary(), id); });
  name_characters();
  if (!vocabulary().scores.empty()) {
    merges_from_scores();
  } else if (!vocabulary().merges.empty()) {
    merges_from_list();
  } else {
    throw Error(
        ErrorCode::kFormat,
        "vocabulary: a SentencePiece BPE vocabulary needs scores or merges and has neither");
  }
}

// Gives every character of every piece a symbol.
void SentencePieceBpeTokenizer::name_characters() {
  const std::vector<std::string>& tokens = vocabulary().tokens;
  by_text_ = TokenTable(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (merges_to(vocabulary().types[i]) && !tokens[i].empty()) {
      by_text_.insert(tokens[i], static_cast<int32_t>(i));
    }
  }
  std::vector<std::string_view> missing;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!merges_to(vocabulary().types[i])) continue;
    for (size_t at = 0; at < tokens[i].size();) {
      const size_t length = utf8_at(tokens[i], at).length;
      const auto character = std::string_view(tokens[i]).substr(at, length);
      if (by_text_.find(character) == TokenTable::kAbsent) missing.push_back(character);
      at += length;
    }
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  characters_.assign(missing.begin(), missing.end());

  if (!characters_.empty()) {
    TokenTable larger(tokens.size() + characters_.size());
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (merges_to(vocabulary().types[i]) && !tokens[i].empty()) {
        larger.insert(tokens[i], static_cast<int32_t>(i));
      }
    }
    for (size_t i = 0; i < characters_.size(); ++i) {
      larger.insert(characters_[i], static_cast<int32_t>(tokens.size() + i));
    }
    by_text_ = std::move(larger);
  }
  for (size_t c = 0; c < ascii_symbols_.size(); ++c) {
    const char character = static_cast<char>(c);
    ascii_symbols_[c] = by_text_.find({&character, 1});
  }
  space_symbol_ = by_text_.find(kSpaceMark);
}

// Any two symbols whose texts together are a token merge to it, the token of the higher score
// first.
void SentencePieceBpeTokenizer::merges_from_scores() {
  const std::vector<float>& scores = vocabulary().scores;
  std::vector<float> order;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (merges_to(vocabulary().types[i])) order.push_back(scores[i]);
  }
  std::sort(order.begin(), order.end(), std::greater<float>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  const auto rank_of = [&](int32_t id) {
    const auto place = std::lower_bound(order.begin(), order.end(), scores[static_cast<size_t>(id)],
                                        std::greater<float>());
    return static_cast<int32_t>(place - order.begin());
  };

  merges_ = MergeTable(vocabulary().tokens.size() * 3);
  const size_t splits_max = vocabulary().tokens.size() * kSplitsPerToken + kSplitsMore;
  for (TokenId id = 0; id < size(); ++id) {
    const std::string_view token = vocabulary().tokens[static_cast<size_t>(id)];
    if (token.empty() || by_text_.find(token) != id) continue;
    const int32_t rank = rank_of(id);
    int32_t best_part = MergeTable::kNoRank;
    Split best = {-1, -1};
    for (size_t at = utf8_at(token, 0).length; at < token.size(); at += utf8_at(token, at).length) {
      const int32_t left = by_text_.find(token.substr(0, at));
      const int32_t right = left == -1 ? -1 : by_text_.find(token.substr(at));
      if (right == -1) continue;
      merges_.add(left, right, rank, id);
      const int32_t part =
          std::max(left < size() ? rank_of(left) : 0, right < size() ? rank_of(right) : 0);
      if (part < best_part) {
        best_part = part;
        best = {left, right};
      }
    }
    if (merges_.size() > splits_max) {
      throw Error(ErrorCode::kLimit, "vocabulary: its tokens can be split in too many ways");
    }
    const bool unused = vocabulary().types[static_cast<size_t>(id)] == TokenType::kUnused;
    if (unused && best.left != -1) unused_splits_.push_back({id, best});
  }
}

void SentencePieceBpeTokenizer::merges_from_list() {
  const std::vector<std::string>& merges = vocabulary().merges;
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
    const int32_t left = by_text_.find(merge.substr(0, space));
    const int32_t right = by_text_.find(merge.substr(space + 1));
    const int32_t whole = by_text_.find(joined);
    if (left == -1 || right == -1 || whole == -1) {
      refuse("names or makes a token that the vocabulary lacks");
    }
    merges_.add(left, right, static_cast<int32_t>(rank), whole);
  }
}

void SentencePieceBpeTokenizer::encode_text(std::string_view text, bool begins,
                                            std::vector<TokenId>& out) const {
  const std::string normalized = pieces_.normalize(text, begins);
  const size_t out_begin = out.size();
  SymbolMerger merger(merges_);
  WordCache cache(normalized);
  std::vector<int32_t> symbols, merged;
  for (size_t begin = 0; begin < normalized.size();) {
    const size_t end = pieces_.word_end(normalized, begin);
    const auto word = std::string_view(normalized).substr(begin, end - begin);
    cache.replay_or(word, out, [&](std::string_view fresh) {
      symbols.clear();
      merged.clear();
      append_symbols(fresh, symbols);
      merger.merge(symbols, merged);
      for (const int32_t symbol : merged) append_tokens(symbol, out);
    });
    begin = end;
  }
  pieces_.fuse_unknown(out_begin, out);
}

int32_t SentencePieceBpeTokenizer::character_symbol(std::string_view character) const {
  if (character.size() == 1 && static_cast<uint8_t>(character[0]) < 128) {
    return ascii_symbols_[static_cast<uint8_t>(character[0])];
  }
  return character == kSpaceMark ? space_symbol_ : by_text_.find(character);
}

void SentencePieceBpeTokenizer::append_symbols(std::string_view word,
                                               std::vector<int32_t>& symbols) const {
  const ByteTrie& user_defined = pieces_.user_defined();
  for (size_t at = 0; at < word.size();) {
    if (!user_defined.empty()) {
      if (const auto match = user_defined.longest_prefix(word.substr(at)); match.length > 0) {
        symbols.push_back(match.value);
        at += match.length;
        continue;
      }
    }
    const auto character = word.substr(at, utf8_at(word, at).length);
    const int32_t symbol = character_symbol(character);
    if (symbol != -1) {
      symbols.push_back(symbol);
    } else {
      pieces_.append_unknown(character, symbols);
    }
    at += character.size();
  }
}

void SentencePieceBpeTokenizer::append_tokens(int32_t symbol, std::vector<TokenId>& out) const {
  if (symbol >= size()) {
    pieces_.append_unknown(characters_[static_cast<size_t>(symbol - size())], out);
    return;
  }
  if (vocabulary().types[static_cast<size_t>(symbol)] != TokenType::kUnused) {
    out.push_back(symbol);
    return;
  }
  // Parts are shorter than their whole, so this ends; a long chain must not use the stack.
  std::deque<int32_t> left_to_do = {symbol};
  while (!left_to_do.empty()) {
    const int32_t next = left_to_do.front();
    left_to_do.pop_front();
    const bool unused =
        next < size() && vocabulary().types[static_cast<size_t>(next)] == TokenType::kUnused;
    const auto split =
        std::lower_bound(unused_splits_.begin(), unused_splits_.end(), next,
                         [](const auto& entry, int32_t id) { return entry.first < id; });
    if (unused && split != unused_splits_.end() && split->first == next) {
      left_to_do.push_front(split->second.right);
      left_to_do.push_front(split->second.left);
    } else if (next >= size()) {
      pieces_.append_unknown(characters_[static_cast<size_t>(next - size())], out);
    } else {
      out.push_back(next);
    }
  }
}

}  // namespace minim
