#include "text/unigram.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "text/word_cache.h"

namespace minim {
namespace {

// SentencePiece's penalty for a character that no piece covers, below the worst piece.
constexpr double kUnknownPenalty = 10.0;

}  // namespace

UnigramTokenizer::UnigramTokenizer(Vocabulary stored)
    : Tokenizer(std::move(stored)), pieces_(vocabulary()) {
  if (vocabulary().scores.empty()) {
    throw Error(ErrorCode::kFormat, "vocabulary: a unigram vocabulary needs scores and has none");
  }
  prefixes_space_ = vocabulary().add_space_prefix;
  splits_user_defined_ = false;  // the normalizer keeps them, and their score makes them win
  set_spellings([this](TokenId id, std::string& out) { pieces_.spell(id, out); });

  double score_min = std::numeric_limits<double>::max();
  score_max_ = std::numeric_limits<double>::lowest();
  std::vector<ByteTrie::Entry> entries;
  for (TokenId id = 0; id < size(); ++id) {
    const size_t i = static_cast<size_t>(id);
    const TokenType type = vocabulary().types[i];
    if (type == TokenType::kNormal) {
      const double score = vocabulary().scores[i];
      score_min = std::min(score_min, score);
      score_max_ = std::max(score_max_, score);
      entries.push_back({vocabulary().tokens[i], id});
    } else if (type == TokenType::kUserDefined) {
      std::string marked;
      for (const char c : vocabulary().tokens[i]) {
        if (c == ' ') {
          marked += kSpaceMark;
        } else {
          marked += c;
        }
      }
      entries.push_back({std::move(marked), id});
    }
  }
  if (score_min > score_max_) score_min = score_max_ = 0;  // no normal piece at all
  unknown_score_ = score_min - kUnknownPenalty;
  trie_ = ByteTrie(std::move(entries));
}

void UnigramTokenizer::encode_text(std::string_view text, bool begins,
                                   std::vector<TokenId>& out) const {
  const std::string normalized = pieces_.normalize(text, begins);
  const size_t out_begin = out.size();
  WordCache cache(normalized);
  std::vector<Best> best;
  for (size_t begin = 0; begin < normalized.size();) {
    const size_t end = pieces_.word_end(normalized, begin);
    const auto word = std::string_view(normalized).substr(begin, end - begin);
    cache.replay_or(word, out, [&](std::string_view fresh) { encode_word(fresh, best, out); });
    begin = end;
  }
  pieces_.fuse_unknown(out_begin, out);
}

void UnigramTokenizer::encode_word(std::string_view word, std::vector<Best>& best,
                                   std::vector<TokenId>& out) const {
  best.assign(word.size() + 1, {});
  const auto offer = [&](size_t from, size_t to, double score, TokenId token) {
    const double sum = best[from].score + score;
    if (best[to].length == 0 || sum > best[to].score) {
      best[to] = {sum, static_cast<int32_t>(to - from), token};
    }
  };
  for (size_t at = 0; at < word.size();) {
    const size_t character_length = utf8_at(word, at).length;
    bool covered = false;
    int32_t node = ByteTrie::kRoot;
    for (size_t end = at; end < word.size();) {
      node = trie_.step(node, static_cast<uint8_t>(word[end++]));
      if (node == ByteTrie::kAbsent) break;
      const TokenId token = trie_.value(node);
      if (token == ByteTrie::kAbsent) continue;
      const size_t i = static_cast<size_t>(token);
      // A user-defined token gets a bonus that makes it win.
      const double score = vocabulary().types[i] == TokenType::kUserDefined
                               ? static_cast<double>(end - at) * score_max_ - 0.1
                               : static_cast<double>(vocabulary().scores[i]);
      offer(at, end, score, token);
      covered |= end - at == character_length;
    }
    if (!covered) offer(at, at + character_length, unknown_score_, -1);
    at += character_length;
  }

  // Walk back from the end, turning each place's length into that of the token that starts there.
  size_t end = word.size();
  for (int32_t next = 0; end > 0;) {
    const int32_t length = best[end].length;
    best[end].length = next;
    next = length;
    end -= static_cast<size_t>(length);
    best[end].score = 0;
    if (end == 0) best[0].length = next;
  }
  for (size_t at = 0; at < word.size();) {
    const size_t length = static_cast<size_t>(best[at].length);
    const TokenId token = best[at + length].token;
    if (token == -1) {
      pieces_.append_unknown(word.substr(at, length), out);
    } else {
      out.push_back(token);
    }
    at += length;
  }
}

}  // namespace minim
