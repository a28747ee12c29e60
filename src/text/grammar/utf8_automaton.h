// The characters of a set as the smallest automaton over their bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "text/grammar/character_set.h"

namespace minim {

// Node 0 is the end, the last one the start; edges lead to nodes before their own.
struct Utf8Automaton {
  struct Edge {
    uint8_t first = 0, last = 0;
    uint32_t target = 0;
    bool operator==(const Edge&) const = default;
  };
  std::vector<Edge> edges;       // by node
  std::vector<uint32_t> begins;  // one more than nodes
  uint32_t node_count() const { return uint32_t(begins.size()) - 1; }
};

// REQUIRES: !set.empty().
Utf8Automaton utf8_automaton(const CharacterSet& set);

}  // namespace minim
