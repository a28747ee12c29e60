// A grammar put to use, for fuzzing: what it allows it accepts, and nothing else.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <vector>

#include "base/error.h"
#include "text/grammar/constraint.h"
#include "text/tokenizer_test_support.h"

namespace minim::testing {

inline void walk_grammar(const std::function<Grammar(const GrammarLimits&)>& parse) {
  static const std::shared_ptr<const TokenTries> tries =
      TokenTries::make(Tokenizer::make(byte_bpe_vocabulary()));
  GrammarLimits limits;
  limits.steps_max = 1'000'000;
  limits.states_max = 20'000;
  try {
    Constraint constraint(TokenGrammar::make(parse(limits), tries, 1 << 18));
    std::vector<uint64_t> bits(constraint.mask_words());
    uint64_t choice = 1;
    for (int step = 0; step < 12 && !constraint.is_finished(); ++step) {
      constraint.allowed(bits);
      std::vector<TokenId> allowed;
      for (TokenId token = 0; token < tries->tokenizer().size(); ++token) {
        const bool may = (bits[size_t(token) / 64] >> (token % 64) & 1) != 0;
        if (may) allowed.push_back(token);
        if (step == 0 && Constraint(constraint).accept(token) != may) std::abort();
      }
      // Every state leads to an end.
      if (allowed.empty()) std::abort();
      choice = choice * 6364136223846793005u + 1442695040888963407u;
      if (!constraint.accept(allowed[(choice >> 33) % allowed.size()])) std::abort();
      const std::string forced = constraint.forced_text();
      if (!forced.empty() && !Constraint(constraint).accept_text(forced)) std::abort();
    }
  } catch (const Error&) {
  }
}

}  // namespace minim::testing
