// Any bytes as a GBNF grammar: compiled or refused within the limits, and what compiles reads its
// own masks' tokens.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/grammar/gbnf.h"
#include "text/grammar/testing/grammar_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  minim::testing::walk_grammar(
      [&](const minim::GrammarLimits& limits) { return minim::parse_gbnf(text, limits); });
  return 0;
}
