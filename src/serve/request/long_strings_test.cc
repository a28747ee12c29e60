#include "serve/request/long_strings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "serve/request/refusal.h"
#include "serve/request/request_json.h"

namespace minim::serve {
namespace {

std::string random_text(Rng& rng, size_t pieces) {
  static const std::vector<std::string> kPieces = {
      "plain text ", "\\\"", "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "é", "日本", "\\/", "7"};
  std::string text;
  for (size_t i = 0; i < pieces; ++i) text += kPieces[rng.next() % kPieces.size()];
  return text;
}

TEST(LongStrings, AreWhatTheParserReads) {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    std::string text = "{";
    for (int i = 0; i < 6; ++i) {
      text += "\"k" + std::to_string(i) + random_text(rng, rng.next() % 9) + "\": [\"" +
              random_text(rng, rng.next() % 40) + "\", \"\", {\"x\": \"" +
              random_text(rng, rng.next() % 9) + "\"}],";
    }
    text.back() = '}';
    const OrderedJson expected = OrderedJson::parse(text);
    for (const size_t longer_than : {0, 5, 50, 5000}) {
      EXPECT_EQ(parse_request_json(text, {.long_string = longer_than}), expected) << text;
    }
  }
}

// What is wrong is found in the same place, whether strings are taken out or not.
TEST(LongStrings, AreWrongWhereTheParserFindsThem) {
  const std::string good(40, 'a');
  for (const std::string& wrong :
       {"[\"" + good + "\\x" + good + "\"]", "[\"" + good + "\xff" + good + "\"]",
        "[\"" + good + "\n\"]", "[\"" + good + "\\ud800\"]", "[\"" + good + "\\udc00\"]",
        "[\"" + good + "\\u12g4\"]", "[\"" + good, "[\"" + good + "\\", "[\"" + good + "\\\"]",
        "[\"" + good + "\", x]", "{\"" + good + "\": \"" + good + "\", }",
        "[\"" + good + "\xe2\x82\", \"" + good + "\"]", "[x\"" + good + "\xff\"]"}) {
    std::string messages[2];
    for (const bool whole : {true, false}) {
      try {
        parse_request_json(wrong, {.long_string = whole ? size_t{5000} : size_t{8}});
        FAIL() << wrong;
      } catch (const Refusal& refusal) {
        const std::string message = refusal.what();
        messages[whole ? 0 : 1] = message.substr(0, message.find(": ", message.find(" byte ")));
        EXPECT_EQ(refusal.status(), 400);
      }
    }
    EXPECT_EQ(messages[0], messages[1]) << wrong;
  }
}

TEST(LongStrings, LeaveShortOnesAlone) {
  EXPECT_FALSE(shorten_strings(R"(["abc", "defg"])", 4).has_value());
  const auto shortened = shorten_strings(R"(["abc", "defg", "hijkl"])", 3);
  ASSERT_TRUE(shortened.has_value());
  EXPECT_EQ(shortened->text, R"(["abc", "", ""])");
  EXPECT_EQ(shortened->strings.at(1), "defg");
  EXPECT_EQ(shortened->strings.at(2), "hijkl");
  EXPECT_EQ(shortened->original_position(shortened->text.size()), 24u);
}

}  // namespace
}  // namespace minim::serve
