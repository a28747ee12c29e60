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

// Texts of up to so many bytes get merges of their own, which costs a few thousand instructions a
// word, until so many bytes of them have come; all merges of 32,000 tokens cost 40 million.
constexpr size_t kShortBytes = 1024;
constexpr size_t kShortBytesTotal = 16 << 10;

bool merges_to(TokenType type) { return type == TokenType::kNormal || type == TokenType::kUnused; }

}  // namespace

SentencePieceBpeTokenizer::SentencePieceBpeTokenizer(Vocabulary stored)
    : Tokenizer(std::move(stored)), pieces_(vocabulary()) {
  prefixes_space_ = vocabulary().add_space_prefix;
  splits_user_defined_ = false;  // the normalizer and append_symbols() see to them
  set_spellings([this](TokenId id, std::string& out) { pieces_.spell(id, out); });
  name_characters();
  if (!vocabulary().scores.empty()) {
    rank_by_scores();
    find_unused_splits();
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
  const auto name_ascii = [this] {
    for (size_t c = 0; c < ascii_symbols_.size(); ++c) {
      const char character = static_cast<char>(c);
      ascii_symbols_[c] = by_text_.find({&character, 1});
    }
    space_symbol_ = by_text_.find(kSpaceMark);
  };
  name_ascii();
  std::vector<std::string_view> missing;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!merges_to(vocabulary().types[i])) continue;
    for (size_t at = 0; at < tokens[i].size();) {
      const size_t length = utf8_at(tokens[i], at).length;
      const auto character = std::string_view(tokens[i]).substr(at, length);
      if (character_symbol(character) == TokenTable::kAbsent) missing.push_back(character);
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
    name_ascii();
  }
}

void SentencePieceBpeTokenizer::rank_by_scores() {
  const std::vector<float>& scores = vocabulary().scores;
  std::vector<float> order;
  order.reserve(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    if (merges_to(vocabulary().types[i])) order.push_back(scores[i]);
  }
  const auto better = std::greater<float>();
  // As published vocabularies have them.
  if (!std::is_sorted(order.begin(), order.end(), better)) {
    std::sort(order.begin(), order.end(), better);
  }
  order.erase(std::unique(order.begin(), order.end()), order.end());
  ranks_.assign(scores.size(), 0);
  size_t place = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!merges_to(vocabulary().types[i])) continue;
    if (place == order.size() || order[place] != scores[i]) {
      place = static_cast<size_t>(std::lower_bound(order.begin(), order.end(), scores[i], better) -
                                  order.begin());
    }
    ranks_[i] = static_cast<int32_t>(place);
    ++place;  // where the next one is likely to be
    token_bytes_max_ = std::max(token_bytes_max_, vocabulary().tokens[i].size());
  }
  // A text with an unknown token that merges may need merges of more than its own characters.
  const auto unknown = vocabulary().unknown;
  if (unknown && merges_to(vocabulary().types[static_cast<size_t>(*unknown)])) {
    short_bytes_ = kShortBytesTotal;
  }
}

// Any two symbols whose texts together are token `id` merge to it, the token of the higher score
// first. Returns the split whose worse part has the best score.
SentencePieceBpeTokenizer::Split SentencePieceBpeTokenizer::add_splits(TokenId id,
                                                                       MergeTable& merges) const {
  const std::string_view token = vocabulary().tokens[static_cast<size_t>(id)];
  const auto rank_of = [this](int32_t symbol) {
    return symbol < size() ? ranks_[static_cast<size_t>(symbol)] : 0;
  };
  int32_t best_part = MergeTable::kNoRank;
  Split best = {-1, -1};
  for (size_t at = utf8_at(token, 0).length; at < token.size(); at += utf8_at(token, at).length) {
    const int32_t left = by_text_.find(token.substr(0, at));
    const int32_t right = left == -1 ? -1 : by_text_.find(token.substr(at));
    if (right == -1) continue;
    merges.add(left, right, rank_of(id), id);
    const int32_t part = std::max(rank_of(left), rank_of(right));
    if (part < best_part) {
      best_part = part;
      best = {left, right};
    }
  }
  return best;
}

void SentencePieceBpeTokenizer::find_unused_splits() {
  MergeTable merges;
  for (TokenId id = 0; id < size(); ++id) {
    const std::string_view token = vocabulary().tokens[static_cast<size_t>(id)];
    if (vocabulary().types[static_cast<size_t>(id)] != TokenType::kUnused) continue;
    if (token.empty() || by_text_.find(token) != id) continue;
    const Split best = add_splits(id, merges);
    if (best.left != -1) unused_splits_.push_back({id, best});
  }
}

MergeTable SentencePieceBpeTokenizer::all_merges() const {
  MergeTable merges(vocabulary().tokens.size() * 3);
  const size_t splits_max = vocabulary().tokens.size() * kSplitsPerToken + kSplitsMore;
  for (TokenId id = 0; id < size(); ++id) {
    const std::string_view token = vocabulary().tokens[static_cast<size_t>(id)];
    if (token.empty() || by_text_.find(token) != id) continue;
    add_splits(id, merges);
    if (merges.size() > splits_max) {
      throw Error(ErrorCode::kLimit, "vocabulary: its tokens can be split in too many ways");
    }
  }
  return merges;
}

// Those that make tokens which occur in a word of the text: merging uses no others.
MergeTable SentencePieceBpeTokenizer::merges_within(std::string_view normalized) const {
  MergeTable merges(normalized.size());
  for (size_t begin = 0; begin < normalized.size();) {
    const size_t end = pieces_.word_end(normalized, begin);
    for (; begin < end; begin += utf8_at(normalized, begin).length) {
      const size_t last = std::min(end, begin + token_bytes_max_);
      for (size_t to = begin; to < last;) {
        to += utf8_at(normalized, to).length;
        const int32_t id = by_text_.find(normalized.substr(begin, to - begin));
        if (id != TokenTable::kAbsent && id < size()) add_splits(id, merges);
      }
    }
  }
  return merges;
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
  if (ranks_.empty()) {
    merge_words(normalized, merges_, out);
  } else if (normalized.size() <= kShortBytes &&
             short_bytes_.fetch_add(normalized.size(), std::memory_order_relaxed) <
                 kShortBytesTotal) {
    merge_words(normalized, merges_within(normalized), out);
  } else {
    std::call_once(merges_made_, [this] {
      merges_ = all_merges();
      short_bytes_ = kShortBytesTotal;
    });
    merge_words(normalized, merges_, out);
  }
  pieces_.fuse_unknown(out_begin, out);
}

void SentencePieceBpeTokenizer::merge_words(std::string_view normalized, const MergeTable& merges,
                                            std::vector<TokenId>& out) const {
  SymbolMerger merger(merges);
  WordCache cache(normalized);
  std::vector<int32_t> symbols, merged;
  for (size_t begin = 0; begin < normalized.size();) {
    const size_t end = pieces_.word_end(normalized, begin);
    const auto word = normalized.substr(begin, end - begin);
    cache.replay_or(word, out, [&](std::string_view fresh) {
      symbols.clear();
      merged.clear();
      append_symbols(fresh, symbols);
      merger.merge(symbols, merged);
      for (const int32_t symbol : merged) append_tokens(symbol, out);
    });
    begin = end;
  }
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
