#include "text/schema/constraint_factory.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

std::shared_ptr<const Tokenizer> tokenizer() {
  return Tokenizer::make(testing::byte_bpe_vocabulary());
}

TEST(ConstraintFactory, MakesEveryKind) {
  ConstraintFactory factory(tokenizer());
  const auto accepts = [&](const ConstraintSource& source, std::string_view text) {
    Constraint constraint = factory.make(source);
    return constraint.accept_text(text) && constraint.is_complete();
  };
  EXPECT_TRUE(accepts({ConstraintKind::kSchema, R"({"type":"integer"})"}, "12"));
  EXPECT_TRUE(accepts({ConstraintKind::kJsonObject}, R"({"a": 1})"));
  EXPECT_TRUE(accepts({ConstraintKind::kRegex, "a+"}, "aa"));
  EXPECT_TRUE(accepts({ConstraintKind::kGbnf, "root ::= \"b\""}, "b"));
  EXPECT_FALSE(accepts({ConstraintKind::kGbnf, "root ::= \"b\""}, "a"));
  EXPECT_EQ(factory.kept_count(), 4u);
  factory.make({ConstraintKind::kRegex, "a+"});
  EXPECT_EQ(factory.kept_count(), 4u);
  EXPECT_THROW(factory.make({ConstraintKind::kRegex, "(a"}), Error);
  EXPECT_EQ(factory.kept_count(), 4u);
}

// CVE-2025-29770: schemas that are all different filled a cache without end.
TEST(ConstraintFactory, ManyGrammarsStayBounded) {
  ConstraintFactory factory(tokenizer(), {.grammars_max = 8, .bytes_max = 200'000});
  for (int i = 0; i < 200; ++i) {
    Constraint constraint =
        factory.make({ConstraintKind::kSchema, R"({"const":"value )" + std::to_string(i) + "\"}"});
    std::vector<uint64_t> bits(constraint.mask_words());
    constraint.allowed(bits);
    EXPECT_LE(factory.kept_count(), 8u);
  }
  for (int i = 0; i < 20; ++i) {
    factory.make({ConstraintKind::kRegex, "[a-z]{" + std::to_string(100 + i) + "}"});
    EXPECT_LE(factory.kept_bytes(), 210'000u);
  }
}

}  // namespace
}  // namespace minim
