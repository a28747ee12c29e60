// A compiled grammar and a vocabulary: which tokens may follow.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/grammar/compiled_grammar.h"
#include "text/grammar/reader.h"
#include "text/grammar/token_trie.h"

namespace minim {

// Tokens as bits or, where they are few, as a list.
class TokenSet {
 public:
  TokenSet() = default;
  explicit TokenSet(std::span<const uint64_t> bits);
  void add_to(std::span<uint64_t> bits) const;
  size_t memory_bytes() const;

 private:
  std::vector<uint64_t> bits_;
  std::vector<TokenId> tokens_;
};

// Shared by all texts that follow the grammar, on any thread. What may follow depends on the state
// of an automaton and, for tokens that go on past its end, on the stack of callers as far down as
// they go; sets are kept by just that.
class TokenGrammar {
 public:
  // Kept sets take at most about `mask_bytes_max`. A grammar that needs bytes which the vocabulary
  // spells only within longer tokens throws kUnsupported where it cannot be told which tokens lead
  // to an end.
  static std::shared_ptr<TokenGrammar> make(Grammar grammar,
                                            std::shared_ptr<const TokenTries> tries,
                                            size_t mask_bytes_max = size_t{8} << 20);

  const CompiledGrammar& grammar() const { return *grammar_; }
  const TokenTries& tries() const { return *tries_; }

  // Sets the bits of all tokens that may follow at the places, but not of those that end the text.
  // REQUIRES: bits: [tries().mask_words()], zero.
  void allow(Reader& reader, std::span<const Place> places, std::span<uint64_t> bits);

  // Whether an end can be reached by whole tokens.
  bool is_live(const Place& place) const { return live_.empty() || live_[place.state]; }

  // The grammar and the sets that are kept now.
  size_t memory_bytes() const;

 private:
  struct Exit {
    uint32_t trie, node;
  };
  // What follows in the state's own automaton and those that it calls; where tokens go on past its
  // end.
  struct Local {
    TokenSet tokens;
    std::vector<Exit> exits;
  };
  struct Entry {
    std::shared_ptr<const Local> local;      // of the state alone
    std::shared_ptr<const TokenSet> tokens;  // null: it depends on the next caller
  };
  class Walk;

  TokenGrammar(std::shared_ptr<const CompiledGrammar> grammar,
               std::shared_ptr<const TokenTries> tries, size_t mask_bytes_max);
  void find_live_states(Budget& budget);
  // How many characters of ordinary text may follow, up to kShortCharacters; INT32_MAX: any number.
  int ordinary_run(CompiledGrammar::State state) const;
  bool after_ordinary(CompiledGrammar::State state, std::vector<CompiledGrammar::State>& out) const;

  void allow(Reader& reader, const Place& place, std::span<uint64_t> bits);
  std::shared_ptr<const Local> find_local(CompiledGrammar::State state);
  std::shared_ptr<const TokenSet> find_tokens(const Reader& reader, const Place& place);
  void keep_tokens(const Reader& reader, const Place& place, uint32_t lowest,
                   std::shared_ptr<const TokenSet> tokens);
  Entry& entry(uint32_t parent, uint32_t symbol, uint32_t* index);
  void make_room(size_t bytes);

  std::shared_ptr<const CompiledGrammar> grammar_;
  std::shared_ptr<const TokenTries> tries_;
  std::vector<bool> live_;  // by state; empty: all are

  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<uint64_t, uint32_t> children_;
  std::vector<Entry> entries_;
  size_t mask_bytes_ = 0;
  const size_t mask_bytes_max_;
};

}  // namespace minim
