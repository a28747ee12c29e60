// Banned texts against trying every token.
#include "runtime/sampling/text_bans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

bool contains_any(const std::string& text, const std::vector<std::string>& banned) {
  return std::any_of(banned.begin(), banned.end(),
                     [&](const std::string& ban) { return text.find(ban) != std::string::npos; });
}

// The tokens after which `text` would contain what it did not.
std::set<TokenId> spec_bans(const Tokenizer& tokenizer, const std::string& text,
                            const std::vector<std::string>& banned) {
  std::set<TokenId> tokens;
  for (TokenId token = 0; token < tokenizer.size(); ++token) {
    if (tokenizer.is_special(token)) continue;
    if (contains_any(text + tokenizer.token_bytes(token), banned)) tokens.insert(token);
  }
  return tokens;
}

TEST(TextBans, AreExactlyTheTokensThatWouldCompleteOne) {
  const auto tokenizer = Tokenizer::make(testing::byte_bpe_vocabulary());
  const std::vector<std::string> all = {"the",  "a",         "aaaa", "hea",   " t",
                                        "th e", "\xC3\xA9t", "eth",  "aaath", "t"};
  std::vector<TokenId> tokens;
  for (const char* name : {"t", "h", "e", "a", "th", "the", "aa", "aaaa"}) {
    tokens.push_back(*tokenizer->find(name));
  }
  for (const char* text : {" ", " the", "\xC3", "\xA9", "\xC3\xA9", "<|end|>"}) {
    for (const TokenId token : tokenizer->encode(text, {.parse_special = true})) {
      tokens.push_back(token);
    }
  }
  Rng rng(2);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> banned;
    while (banned.empty() || rng.below(3) > 0) banned.push_back(all[rng.below(all.size())]);
    TextBans bans(tokenizer, banned);
    std::string text;
    for (int i = 0; i < 60; ++i) {
      std::vector<TokenId> found;
      bans.find(found);
      const std::set<TokenId> got(found.begin(), found.end());
      ASSERT_EQ(got, spec_bans(*tokenizer, text, banned)) << "after '" << text << "'";
      const TokenId token = tokens[rng.below(tokens.size())];
      if (got.contains(token)) continue;
      bans.append(token);
      text = tokenizer->is_special(token) ? "" : text + tokenizer->token_bytes(token);
    }
    EXPECT_FALSE(contains_any(text, banned));
  }
}

}  // namespace
}  // namespace minim
