// Whole texts against compiled grammars, for tests.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "text/grammar/compiled_grammar.h"
#include "text/grammar/reader.h"

namespace minim::testing {

inline bool matches(const CompiledGrammar& grammar, std::string_view text) {
  Reader reader(grammar);
  std::vector<Place> now, next;
  reader.start(now);
  for (const char c : text) {
    next.clear();
    for (const Place& place : now) reader.step(place, uint8_t(c), 0, next);
    now.swap(next);
    if (now.empty()) return false;
  }
  for (const Place& place : now) {
    if (reader.ends(place)) return true;
  }
  return false;
}

}  // namespace minim::testing
