// Reads text by a compiled grammar, byte by byte, in all places where it may be at once.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "text/grammar/compiled_grammar.h"

namespace minim {

// Stacks of places to return to. Equal stacks are one, and share what is below.
class Stacks {
 public:
  using Id = uint32_t;
  static constexpr Id kBottom = 0;
  static constexpr uint32_t kDepthMax = 10'000;

  Stacks();

  // Throws kLimit past kDepthMax.
  Id push(CompiledGrammar::State target, Id below);
  CompiledGrammar::State target(Id stack) const { return nodes_[stack].target; }
  Id below(Id stack) const { return nodes_[stack].below; }
  uint32_t depth(Id stack) const { return nodes_[stack].depth; }
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    CompiledGrammar::State target;
    Id below;
    uint32_t depth;
  };
  void grow();
  std::vector<Node> nodes_;
  std::vector<Id> slots_;  // a hash table; kBottom: free
};

struct Place {
  CompiledGrammar::State state = CompiledGrammar::kDead;
  Stacks::Id stack = Stacks::kBottom;
  bool operator==(const Place&) const = default;
};

// The places are those that read something or end the text, never twice the same. REQUIRES: the
// grammar outlives it.
class Reader {
 public:
  // More places at once would make reading slow.
  static constexpr size_t kPlacesMax = 256;

  explicit Reader(const CompiledGrammar& grammar) : grammar_(&grammar) {}

  // Appends the places before any text.
  void start(std::vector<Place>& out) { enter({CompiledGrammar::kStart, Stacks::kBottom}, 0, out); }

  // Appends the places after `byte`, where out[begin] and the following are those after the same
  // text. Throws kLimit for more than kPlacesMax, and for stacks too deep. `place` may lie in
  // `out`.
  void step(Place place, uint8_t byte, size_t begin, std::vector<Place>& out) {
    const CompiledGrammar::State state = grammar_->step(place.state, byte);
    if (state != CompiledGrammar::kDead) enter({state, place.stack}, begin, out);
  }
  // The same for a place that is known.
  void enter(Place place, size_t begin, std::vector<Place>& out);

  bool ends(const Place& place) const {
    return place.stack == Stacks::kBottom &&
           (grammar_->flags(place.state) & CompiledGrammar::kEnds) != 0;
  }

  // Reading below this stack is noted, not done; kBottom: there is none.
  void set_floor(Stacks::Id floor) { floor_ = floor; }
  bool take_floor_reached() { return std::exchange(floor_reached_, false); }

  // The smallest depth of a stack whose top was used since it was reset.
  void reset_lowest() { lowest_ = UINT32_MAX; }
  uint32_t lowest() const { return lowest_; }

  Stacks& stacks() { return stacks_; }
  const Stacks& stacks() const { return stacks_; }
  const CompiledGrammar& grammar() const { return *grammar_; }

 private:
  const CompiledGrammar* grammar_;
  Stacks stacks_;
  Stacks::Id floor_ = Stacks::kBottom;
  bool floor_reached_ = false;
  uint32_t lowest_ = UINT32_MAX;
  std::vector<Place> work_;
};

}  // namespace minim
