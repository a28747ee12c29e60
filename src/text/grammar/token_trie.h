// The bytes of a vocabulary's tokens as tries, laid out to be walked with an automaton. One for a
// tokenizer, whatever the grammars.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "text/grammar/compiled_grammar.h"
#include "text/tokenizer.h"

namespace minim {

// Nodes in the order of a walk that goes down before it goes on; the root is not one of them.
struct TokenTrie {
  std::vector<uint8_t> bytes;          // the last byte of a node's text
  std::vector<uint16_t> depths;        // its length, from 1
  std::vector<uint32_t> skips;         // the first node that is not below it
  std::vector<uint32_t> token_begins;  // one more than nodes
  std::vector<TokenId> tokens;         // by node: those with exactly its text
  uint32_t size() const { return uint32_t(bytes.size()); }
};

// Immutable, shared between threads.
class TokenTries {
 public:
  // Tokens of ordinary text as strings of JSON hold it: whole characters, no quotes, backslashes
  // or control characters. Most tokens are; many states of grammars allow all of them. Up to
  // kShortCharacters long, then the longer ones, then all other tokens.
  enum { kShort, kLong, kOther, kCount };
  static constexpr int kShortCharacters = 12;

  // Tokens that stand for no text belong to none; those that end a text are listed. `spoken`:
  // control tokens that stand for their names, as the marks of tool calls do.
  static std::shared_ptr<const TokenTries> make(std::shared_ptr<const Tokenizer> tokenizer,
                                                std::span<const TokenId> spoken = {});

  const TokenTrie& operator[](size_t index) const { return tries_[index]; }
  // A trie's tokens as bits.
  std::span<const uint64_t> bits(size_t index) const { return bits_[index]; }
  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  uint32_t depth_max() const { return depth_max_; }
  size_t mask_words() const { return (size_t(tokenizer_->size()) + 63) / 64; }
  // The text of a token; empty for one that is in no trie.
  std::string_view text(TokenId token) const {
    return {texts_.data() + text_begins_[size_t(token)],
            text_begins_[size_t(token) + 1] - text_begins_[size_t(token)]};
  }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  bool has_spoken() const { return has_spoken_; }

  // Bytes that some token contains, and those that are tokens by themselves.
  const ByteSet& bytes() const { return bytes_; }
  const ByteSet& single_bytes() const { return single_bytes_; }

 private:
  TokenTries() = default;
  std::shared_ptr<const Tokenizer> tokenizer_;
  TokenTrie tries_[kCount];
  std::vector<uint64_t> bits_[kCount];
  std::vector<TokenId> end_tokens_;
  std::string texts_;
  std::vector<uint32_t> text_begins_;
  uint32_t depth_max_ = 0;
  bool has_spoken_ = false;
  ByteSet bytes_, single_bytes_;
};

}  // namespace minim
