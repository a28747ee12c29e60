#include "text/grammar/token_trie.h"

#include <algorithm>
#include <string>
#include <utility>

#include "text/utf8.h"

namespace minim {
namespace {

using Entry = std::pair<std::string_view, TokenId>;

// REQUIRES: sorted.
TokenTrie build(const std::vector<Entry>& entries) {
  TokenTrie trie;
  std::vector<uint32_t> path;  // the nodes of the text before
  std::string_view before;
  const auto close = [&](size_t length) {
    for (; path.size() > length; path.pop_back()) trie.skips[path.back()] = trie.size();
  };
  for (const auto& [text, token] : entries) {
    size_t shared = 0;
    while (shared < text.size() && shared < before.size() && text[shared] == before[shared]) {
      ++shared;
    }
    close(shared);
    for (size_t i = shared; i < text.size(); ++i) {
      path.push_back(trie.size());
      trie.bytes.push_back(uint8_t(text[i]));
      trie.depths.push_back(uint16_t(i + 1));
      trie.skips.push_back(0);
      trie.token_begins.push_back(uint32_t(trie.tokens.size()));
    }
    trie.tokens.push_back(token);
    before = text;
  }
  close(0);
  trie.token_begins.push_back(uint32_t(trie.tokens.size()));
  return trie;
}

// The number of characters of ordinary text; -1 for any other.
int ordinary_characters(std::string_view text) {
  int count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    const Utf8Character character = utf8_at(text, i);
    if (!character.valid || character.code < 0x20 || character.code == '"' ||
        character.code == '\\') {
      return -1;
    }
    i += character.length;
  }
  return count;
}

}  // namespace

std::shared_ptr<const TokenTries> TokenTries::make(std::shared_ptr<const Tokenizer> tokenizer,
                                                   std::span<const TokenId> spoken) {
  // Longer tokens are no words of any language; depths have 16 bits.
  constexpr size_t kTokenBytesMax = 1024;
  std::shared_ptr<TokenTries> tries(new TokenTries);
  tries->tokenizer_ = tokenizer;
  tries->has_spoken_ = !spoken.empty();
  const auto has_text = [&](TokenId token) {
    return !tokenizer->is_special(token) ||
           std::find(spoken.begin(), spoken.end(), token) != spoken.end();
  };
  tries->text_begins_.push_back(0);
  for (TokenId token = 0; token < tokenizer->size(); ++token) {
    if (tokenizer->ends_generation(token)) {
      tries->end_tokens_.push_back(token);
    } else if (has_text(token)) {
      const std::string text = tokenizer->token_bytes(token);
      if (text.size() <= kTokenBytesMax) tries->texts_ += text;
    }
    tries->text_begins_.push_back(uint32_t(tries->texts_.size()));
  }
  std::vector<Entry> entries[kCount];
  for (TokenId token = 0; token < tokenizer->size(); ++token) {
    const std::string_view text = tries->text(token);
    if (text.empty()) continue;
    const int characters = ordinary_characters(text);
    entries[characters < 0                   ? kOther
            : characters <= kShortCharacters ? kShort
                                             : kLong]
        .emplace_back(text, token);
    for (const char byte : text) tries->bytes_.set(uint8_t(byte));
    if (text.size() == 1) tries->single_bytes_.set(uint8_t(text[0]));
    tries->depth_max_ = std::max(tries->depth_max_, uint32_t(text.size()));
  }
  for (size_t i = 0; i < kCount; ++i) {
    std::sort(entries[i].begin(), entries[i].end());
    tries->tries_[i] = build(entries[i]);
    tries->bits_[i].resize(tries->mask_words());
    for (const auto& [text, token] : entries[i]) {
      tries->bits_[i][size_t(token) / 64] |= uint64_t{1} << (token % 64);
    }
  }
  return tries;
}

}  // namespace minim
