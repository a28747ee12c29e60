// A grammar made ready to read text: a network of minimal automata in one table.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "text/grammar/grammar.h"

namespace minim {

using ByteSet = std::bitset<256>;

// Immutable, shared between threads. Where an automaton calls another, a reader goes on in both
// places, with the place to return to on a stack.
class CompiledGrammar {
 public:
  using State = uint32_t;
  static constexpr State kDead = 0;
  static constexpr State kStart = 1;
  // As the place to return to: the caller's own.
  static constexpr State kCallersOwn = 0;

  enum Flag : uint8_t {
    kReads = 1,  // some byte may follow
    kEnds = 2,   // its automaton may end here
    kCalls = 4,
    kPlain = 8,  // where a place is: it is the only one that comes of entering it
  };
  struct Call {
    State start = kDead;
    State target = kCallersOwn;
  };

  State step(State state, uint8_t byte) const {
    return table_[size_t{state} * class_count_ + class_of_[byte]];
  }
  uint8_t flags(State state) const { return flags_[state]; }
  std::span<const Call> calls(State state) const {
    return {calls_.data() + call_begins_[state], call_begins_[state + 1] - call_begins_[state]};
  }
  // Whether it belongs to the automaton that nobody calls.
  bool is_outermost(State state) const { return state <= outermost_count_; }
  bool has_calls() const { return !calls_.empty(); }

  uint32_t state_count() const { return uint32_t(flags_.size()); }
  // What may be read at all.
  const ByteSet& bytes() const { return bytes_; }
  size_t memory_bytes() const;
  int64_t compile_steps() const { return compile_steps_; }

 private:
  friend class GrammarCompiler;
  uint32_t class_count_ = 0;
  uint8_t class_of_[256] = {};
  std::vector<State> table_;  // [states, classes]
  std::vector<uint8_t> flags_;
  std::vector<uint32_t> call_begins_;
  std::vector<Call> calls_;
  uint32_t outermost_count_ = 0;
  ByteSet bytes_;
  int64_t compile_steps_ = 0;
};

// Bytes outside `alphabet` are never read. Throws kFormat where a rule is missing or no text at all
// matches, kUnsupported for rules that begin with themselves in a roundabout way, and kLimit.
std::shared_ptr<const CompiledGrammar> compile_grammar(Grammar grammar,
                                                       const ByteSet& alphabet = ~ByteSet());

}  // namespace minim
