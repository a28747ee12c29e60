#include "text/schema/number_language.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/testing/grammar_matches.h"

namespace minim {
namespace {

Decimal decimal(std::string_view text) { return *Decimal::parse(text); }

bool matches(const NumberBounds& bounds, std::string_view text) {
  Grammar grammar;
  grammar.set_start(number_language(grammar, bounds));
  return testing::matches(*compile_grammar(std::move(grammar)), text);
}

TEST(Decimal, ParsesAndCompares) {
  EXPECT_EQ(decimal("-12.50").integer, "12");
  EXPECT_EQ(decimal("-12.50").fraction, "5");
  EXPECT_EQ(decimal("1.5e-3").fraction, "0015");
  EXPECT_EQ(decimal("1.25e+4").integer, "12500");
  EXPECT_FALSE(decimal("-0.0").negative);
  EXPECT_FALSE(Decimal::parse("1e999"));
  EXPECT_LT(Decimal::compare(decimal("-2"), decimal("-1.5")), 0);
  EXPECT_LT(Decimal::compare(decimal("9.99"), decimal("10")), 0);
  EXPECT_EQ(Decimal::compare(decimal("1.50"), decimal("1.5")), 0);
}

// Random bounds against comparing numbers.
TEST(NumberLanguage, HoldsExactlyTheNumbersWithinBounds) {
  Rng rng(11);
  for (int round = 0; round < 150; ++round) {
    const auto random_number = [&](int scale) {
      const int64_t value = int64_t(rng.below(4001)) - 2000;
      return fmt::format("{}{}.{:0{}}", value < 0 ? "-" : "",
                         std::abs(value) / (scale == 1 ? 10 : 100),
                         std::abs(value) % (scale == 1 ? 10 : 100), scale);
    };
    NumberBounds bounds;
    bounds.fractions = rng.below(3) != 0;
    if (rng.below(3) != 0) bounds.set_min(decimal(random_number(1)), rng.below(2) == 0);
    if (rng.below(3) != 0) bounds.set_max(decimal(random_number(2)), rng.below(2) == 0);
    if (rng.below(3) == 0) bounds.multiples_of.push_back(decimal(rng.below(2) == 0 ? "3" : "0.25"));
    if (!bounds.bounded()) continue;
    Grammar grammar;
    grammar.set_start(number_language(grammar, bounds));
    std::shared_ptr<const CompiledGrammar> compiled;
    if (grammar.start() != Grammar::kNothing) compiled = compile_grammar(std::move(grammar));
    for (int k = 0; k < 100; ++k) {
      std::string text = random_number(int(1 + rng.below(2)));
      const Decimal value = decimal(text);
      if (value.is_integer()) text = (value.negative ? "-" : "") + value.integer;
      EXPECT_EQ(compiled && testing::matches(*compiled, text), bounds.contains(value)) << text;
    }
  }
}

TEST(NumberLanguage, IsWellFormed) {
  NumberBounds free;
  for (const char* good : {"0", "-1", "10.25", "1e5", "-2.5E-10"}) EXPECT_TRUE(matches(free, good));
  for (const char* bad : {"01", "+1", ".5", "1.", "1e", "--1", ""})
    EXPECT_FALSE(matches(free, bad));
  NumberBounds bounds;
  bounds.set_min(decimal("-5"), false);
  bounds.set_max(decimal("5"), false);
  for (const char* bad : {"01", "-0", "5.1", "1e0", "1.", "-5.01"})
    EXPECT_FALSE(matches(bounds, bad)) << bad;
  for (const char* good : {"0", "5.000", "-5", "-0.5", "4.99"})
    EXPECT_TRUE(matches(bounds, good)) << good;
  NumberBounds no_integers;
  no_integers.integers = false;
  EXPECT_TRUE(matches(no_integers, "-1.50"));
  EXPECT_FALSE(matches(no_integers, "1.0"));
}

}  // namespace
}  // namespace minim
