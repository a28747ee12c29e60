#include "text/partial_json.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace minim {
namespace {

std::string complete(std::string_view text) {
  PartialJson json;
  json.push(text);
  return json.completed();
}

TEST(PartialJson, ClosesWhatIsOpenAndLeavesOutWhatIsNotFinished) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"Here it is:\n", ""},
      {"Here: {", "{}"},
      {R"({"na)", "{}"},
      {R"({"name")", "{}"},
      {R"({"name":)", "{}"},
      {R"({"name": ")", R"({"name": ""})"},
      {R"({"name": "Li)", R"({"name": "Li"})"},
      {R"({"name": "Li\)", R"({"name": "Li"})"},
      {R"({"name": "Li\n)", R"({"name": "Li\n"})"},
      {R"({"name": "\u00e)", R"({"name": ""})"},
      {R"({"name": "\u00e9)", R"({"name": "\u00e9"})"},
      {R"({"name": "Lily", )", R"({"name": "Lily"})"},
      {R"({"name": "Lily", "a)", R"({"name": "Lily"})"},
      {R"({"a": tru)", "{}"},
      {R"({"a": true)", R"({"a": true})"},
      {R"({"a": 1, "b": nul)", R"({"a": 1})"},
      {"[1, [2, {\"x\": [", "[1, [2, {\"x\": []}]]"},
      {"[-", "[]"},
      {"[-0", "[-0]"},
      {"[12.", "[12]"},
      {"[12.5e", "[12.5]"},
      {"[12.5e+", "[12.5]"},
      {"[12.5e+3", "[12.5e+3]"},
      {"[1,", "[1]"},
      {"[\"\xe2\x82\xac", "[\"\xe2\x82\xac\"]"},
      {"[]", "[]"},
      {"[1] and more [2]", "[1]"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(complete(text), expected) << text;
}

TEST(PartialJson, HalfAPairOfSurrogatesIsNoCharacter) {
  EXPECT_EQ(complete(R"(["a\ud83d)"), R"(["a"])");
  EXPECT_EQ(complete(R"(["a\ud83d\ude0)"), R"(["a"])");
  EXPECT_EQ(complete(R"(["a\ud83d\ude00)"), R"(["a\ud83d\ude00"])");
  for (const char* text : {R"(["\ude00"])", R"(["\ud83dx"])", R"(["\ud83d\u0041"])"}) {
    PartialJson json;
    json.push(text);
    EXPECT_TRUE(json.failed()) << text;
    EXPECT_EQ(json.completed(), R"([""])") << text;
  }
}

TEST(PartialJson, IsValidAtEveryByteAndEndsAsTheWhole) {
  const std::string text =
      "{\"s\": \"a\\\\b\\\"c\\u20ac\\ud83d\\ude00\", \"n\": [0, -1.5e-3, 10, 2E+2], \"l\": "
      "[true, false, null], \"o\": {\"\": {}, \"k\": [[], [{}]]} } tail";
  PartialJson json;
  for (size_t i = 0; i < text.size(); ++i) {
    json.push({&text[i], 1});
    ASSERT_FALSE(json.failed()) << i;
    ASSERT_TRUE(Json::accept(json.completed())) << json.completed();
  }
  EXPECT_TRUE(json.done());
  EXPECT_EQ(json.completed(), text.substr(0, text.rfind(' ')));
}

TEST(PartialJson, SaysWhetherItChanged) {
  PartialJson json;
  EXPECT_FALSE(json.push("text "));
  EXPECT_TRUE(json.push("{"));
  EXPECT_FALSE(json.push("\"key\" :"));
  EXPECT_TRUE(json.push("[1"));
  EXPECT_FALSE(json.push(", "));
  EXPECT_TRUE(json.push("2]"));
  EXPECT_TRUE(json.push("}"));
  EXPECT_FALSE(json.push("{}"));
}

TEST(PartialJson, KeepsWhatWasSoundWhereTheTextBreaksTheRules) {
  const std::pair<const char*, const char*> cases[] = {
      {"{a", "{}"},           {"[1 2", "[1]"},      {"[01", "[0]"},
      {"[1,]", "[1]"},        {"{\"a\" 1", "{}"},   {"{\"a\": 1,}", "{\"a\": 1}"},
      {"[\"a\nb", "[\"a\"]"}, {"[\"\\x", "[\"\"]"}, {"[tru]", "[]"},
      {"[1.]", "[1]"},        {"[-]", "[]"},        {"[1}", "[1]"},
      {"[+1", "[]"},
  };
  for (const auto& [text, expected] : cases) {
    PartialJson json;
    json.push(text);
    EXPECT_TRUE(json.failed()) << text;
    json.push("]}");
    EXPECT_EQ(json.completed(), expected) << text;
  }
}

TEST(PartialJson, DepthIsBounded) {
  PartialJson json;
  json.push(std::string(PartialJson::kDepthMax, '['));
  EXPECT_FALSE(json.failed());
  json.push("[");
  EXPECT_TRUE(json.failed());
  EXPECT_TRUE(Json::accept(json.completed()));
}

}  // namespace
}  // namespace minim
