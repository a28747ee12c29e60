// Any bytes as a JSON schema: compiled or refused within the limits, and what compiles reads its
// own masks' tokens.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/grammar/testing/grammar_walk.h"
#include "text/schema/schema_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  minim::testing::walk_grammar([&](const minim::GrammarLimits& limits) {
    return minim::parse_schema_grammar(text, {}, limits);
  });
  return 0;
}
