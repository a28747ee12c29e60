#include "text/grammar/constraint.h"

#include <algorithm>

#include "base/error.h"

namespace minim {

Constraint::Constraint(std::shared_ptr<TokenGrammar> grammar)
    : grammar_(std::move(grammar)), reader_(grammar_->grammar()) {
  reader_.start(places_);
  ends_.push_back(places_.size());
}

void Constraint::allowed(std::span<uint64_t> bits) {
  MINIM_CHECK(bits.size() == mask_words());
  std::fill(bits.begin(), bits.end(), 0);
  if (!ended_) grammar_->allow(reader_, places(), bits);
  if (ended_ || is_complete()) {
    for (const TokenId token : grammar_->tries().end_tokens()) {
      bits[size_t(token) / 64] |= uint64_t{1} << (token % 64);
    }
  }
}

bool Constraint::accept(TokenId token) {
  const TokenTries& tries = grammar_->tries();
  const auto& ends = tries.end_tokens();
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
    if (!ended_ && !is_complete()) return false;
    // Places stay, so that rollback() finds them.
    const std::vector<Place> now(places().begin(), places().end());
    places_.insert(places_.end(), now.begin(), now.end());
    ends_.push_back(places_.size());
    ended_ = true;
    return true;
  }
  if (token < 0 || token >= tries.tokenizer().size()) return false;
  const std::string_view text = tries.text(token);
  return !text.empty() && accept_text(text);
}

bool Constraint::accept_text(std::string_view text) { return !ended_ && advance(text); }

bool Constraint::advance(std::string_view text) {
  std::vector<Place> now(places().begin(), places().end()), next;
  for (const char c : text) {
    next.clear();
    for (const Place& place : now) reader_.step(place, uint8_t(c), 0, next);
    now.swap(next);
    if (now.empty()) return false;
  }
  const bool live = std::any_of(now.begin(), now.end(),
                                [&](const Place& place) { return grammar_->is_live(place); });
  if (!live) return false;
  places_.insert(places_.end(), now.begin(), now.end());
  ends_.push_back(places_.size());
  if (ends_.size() > 2 * kHistory) forget();
  return true;
}

void Constraint::forget() {
  const size_t tokens = ends_.size() - kHistory, begin = ends_[tokens - 1];
  places_.erase(places_.begin(), places_.begin() + std::ptrdiff_t(begin));
  ends_.erase(ends_.begin(), ends_.begin() + std::ptrdiff_t(tokens));
  for (size_t& end : ends_) end -= begin;
}

void Constraint::rollback(size_t count) {
  MINIM_CHECK(count <= rollback_max());
  if (count == 0) return;
  ends_.resize(ends_.size() - count);
  places_.resize(ends_.back());
  ended_ = false;
}

bool Constraint::is_complete() const {
  const auto now = places();
  return std::any_of(now.begin(), now.end(),
                     [&](const Place& place) { return reader_.ends(place); });
}

bool Constraint::is_finished() const {
  const auto now = places();
  return ended_ || std::none_of(now.begin(), now.end(), [&](const Place& place) {
           return (grammar_->grammar().flags(place.state) & CompiledGrammar::kReads) != 0;
         });
}

std::string Constraint::forced_text() const {
  constexpr size_t kBytesMax = 4096;
  std::string text;
  if (ended_) return text;
  Reader reader = reader_;
  std::vector<Place> now(places().begin(), places().end()), next;
  while (text.size() < kBytesMax) {
    int only = -1;
    for (const Place& place : now) {
      if (reader.ends(place)) return text;
      for (int byte = 0; byte < 256; ++byte) {
        const bool reads =
            reader.grammar().step(place.state, uint8_t(byte)) != CompiledGrammar::kDead;
        if (!reads || byte == only) continue;
        if (only >= 0) return text;
        only = byte;
      }
    }
    if (only < 0) return text;
    next.clear();
    for (const Place& place : now) reader.step(place, uint8_t(only), 0, next);
    now.swap(next);
    text += char(only);
  }
  return text;
}

std::vector<TokenId> Constraint::forced_tokens() const {
  const std::string text = forced_text();
  if (text.empty()) return {};
  const TokenTries& tries = grammar_->tries();
  // A tokenizer may put a space before a text, or deal with its beginning otherwise; a line before
  // it then takes that. What is wanted are the tokens that spell `text`.
  std::vector<TokenId> tokens;
  for (const char* before : {"", "\n"}) {
    tokens = tries.tokenizer().encode(before + text,
                                      {.add_special = false, .parse_special = tries.has_spoken()});
    size_t size = 0, begin = tokens.size();
    while (begin > 0 && size < text.size()) size += tries.text(tokens[--begin]).size();
    std::string spelled;
    for (size_t i = begin; i < tokens.size(); ++i) spelled += tries.text(tokens[i]);
    tokens.erase(tokens.begin(), tokens.begin() + std::ptrdiff_t(begin));
    if (spelled == text) break;
    tokens.clear();
  }
  Constraint at = *this;
  size_t done = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (at.could_be_longer(std::string_view(text).substr(done)) || !at.accept(tokens[i])) {
      tokens.resize(i);
      break;
    }
    done += tries.text(tokens[i]).size();
  }
  return tokens;
}

// Whether a token that begins with `rest` and goes on may follow.
bool Constraint::could_be_longer(std::string_view rest) const {
  const TokenTries& tries = grammar_->tries();
  if (rest.size() >= tries.depth_max()) return false;
  Constraint after = *this;
  bool computed = false;
  std::vector<uint64_t> bits;
  for (size_t k = 0; k < TokenTries::kCount; ++k) {
    const TokenTrie& trie = tries[k];
    uint32_t node = 0, past = trie.size();
    size_t matched = 0;
    while (node < past && matched < rest.size()) {
      if (trie.bytes[node] != uint8_t(rest[matched])) {
        node = trie.skips[node];
        continue;
      }
      if (++matched == rest.size()) break;
      past = trie.skips[node++];
    }
    if (matched < rest.size() || node >= past) continue;
    const uint32_t begin = trie.token_begins[node + 1], end = trie.token_begins[trie.skips[node]];
    if (begin == end) continue;
    if (!computed) {
      bits.resize(mask_words());
      after.allowed(bits);
      computed = true;
    }
    for (uint32_t i = begin; i < end; ++i) {
      const auto token = size_t(trie.tokens[i]);
      if ((bits[token / 64] >> (token % 64) & 1) != 0) return true;
    }
  }
  return false;
}

}  // namespace minim
