// Any bytes as a regular expression: compiled or refused within the limits, and what compiles reads
// its own masks' tokens.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/grammar/regex_grammar.h"
#include "text/grammar/testing/grammar_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view pattern(reinterpret_cast<const char*>(data), size);
  minim::testing::walk_grammar([&](const minim::GrammarLimits& limits) {
    return minim::regex_grammar(pattern, {}, limits);
  });
  minim::testing::walk_grammar([&](const minim::GrammarLimits& limits) {
    return minim::regex_grammar(pattern, {.dialect = minim::RegexDialect::kEcma, .search = true},
                                limits);
  });
  return 0;
}
