#include "text/schema/schema_grammar.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/testing/grammar_matches.h"

namespace minim {
namespace {

constexpr SchemaOptions kCompact{JsonSpacing::kCompact};

std::shared_ptr<const CompiledGrammar> compile(std::string_view schema,
                                               const SchemaOptions& options = kCompact) {
  return compile_grammar(parse_schema_grammar(schema, options));
}

void expect(std::string_view schema, std::initializer_list<std::string_view> valid,
            std::initializer_list<std::string_view> invalid) {
  SCOPED_TRACE(schema);
  const auto grammar = compile(schema);
  for (const std::string_view text : valid) EXPECT_TRUE(testing::matches(*grammar, text)) << text;
  for (const std::string_view text : invalid)
    EXPECT_FALSE(testing::matches(*grammar, text)) << text;
}

std::string refusal(std::string_view schema, ErrorCode code = ErrorCode::kUnsupported,
                    const GrammarLimits& limits = {}) {
  try {
    compile_grammar(parse_schema_grammar(schema, kCompact, limits));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << schema << " was accepted";
  return {};
}

TEST(Schema, Objects) {
  expect(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},
            "c":{"type":"boolean"}},"required":["b"],"additionalProperties":false})",
         {R"({"a":1,"b":"x","c":true})", R"({"b":""})", R"({"b":"x","c":false})"},
         {R"({})", R"({"a":1})", R"({"b":"x","a":1})", R"({"b":"x","d":1})", R"({"b":"x",})",
          R"({"a":1.5,"b":""})", R"({"b":"x"}})"});
  expect(R"({"type":"object","properties":{"a":{"type":"null"}},
            "additionalProperties":{"type":"integer"}})",
         {R"({})", R"({"a":null,"b":2,"ab":3})", R"({"":1})", R"({"A":1,"\u001f\n":2})"},
         {R"({"b":1,"a":2})", R"({"b":"x"})", R"({"\u0061":1})"});
  expect(R"({"type":"object","patternProperties":{"^x_":{"type":"integer"},"_y$":{"minimum":5}},
            "additionalProperties":false})",
         {R"({"x_a":1,"a_y":7,"x_y":6})", R"({"a_y":"text"})"},
         {R"({"x_y":4})", R"({"x_y":"text"})", R"({"a":1})"});
  expect(R"({"type":"object","required":["id"],"additionalProperties":{"type":"integer"}})",
         {R"({"id":1})", R"({"id":1,"x":2})"}, {R"({})", R"({"x":2})", R"({"id":"a"})"});
  expect(R"({"type":"object","properties":{"a":{},"b":{},"c":{}},"additionalProperties":false,
            "minProperties":2,"maxProperties":2})",
         {R"({"a":1,"b":2})", R"({"b":1,"c":[]})"}, {R"({"a":1})", R"({"a":1,"b":2,"c":3})"});
  expect(R"({"type":"object","propertyNames":{"pattern":"^[a-z]+$","maxLength":3}})",
         {R"({})", R"({"abc":1})"}, {R"({"abcd":1})", R"({"A":1})", R"({"":1})"});
}

TEST(Schema, Arrays) {
  expect(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
         {"[1]", "[1,2,3]"}, {"[]", "[1,2,3,4]", "[1,]", "[\"a\"]", "[1 2]"});
  expect(R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})",
         {"[]", "[1]", "[1,\"a\"]"}, {"[1,2]", "[1,\"a\",1]", "[\"a\"]"});
  expect(R"({"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},
            "minItems":2,"maxItems":3})",
         {"[1,null]", "[1,null,null]"}, {"[1]", "[1,1]", "[1,null,null,null]"});
  expect(R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"});
}

TEST(Schema, Strings) {
  expect(R"({"type":"string"})", {R"("")", R"("a\"\\\/\b\u00e9\ud83d\ude00é😀")"},
         {R"("a)", R"("\ud83d")", R"("\ude00")", R"("\x")", "\"\n\"", "\"\xff\""});
  expect(R"({"type":"string","minLength":2,"maxLength":3})",
         {R"("ab")", R"("😀é\n")", R"("\u001f\"a")"}, {R"("a")", R"("abcd")"});
  expect(R"({"type":"string","pattern":"^a.c$"})", {R"("abc")", R"("a\"c")", R"("a\\c")"},
         {R"("ac")", R"("xabc")", R"("a\nc")"});
  expect(R"({"type":"string","pattern":"b","maxLength":2})", {R"("b")", R"("\tb")", R"("bb")"},
         {R"("aab")", R"("a")"});
  expect(R"({"type":"string","maxLength":5000,"minLength":10})",
         {"\"" + std::string(5000, 'x') + "\"", "\"" + std::string(10, 'x') + "\"",
          "\"" + std::string(2000, 'x') + "\""},
         {"\"" + std::string(5001, 'x') + "\"", "\"" + std::string(9, 'x') + "\""});
  expect(R"({"type":"string","not":{"enum":["a","b"]}})", {R"("c")", R"("aa")"},
         {R"("a")", R"("b")"});
}

TEST(Schema, Formats) {
  expect(R"({"type":"string","format":"date"})", {R"("2024-02-29")", R"("2023-12-31")"},
         {R"("2023-02-29")", R"("2024-13-01")", R"("1900-02-29")"});
  expect(R"({"type":"string","format":"date-time"})", {R"("2024-02-29T23:59:59.5+01:30")"},
         {R"("2024-02-29 23:59:59Z")", R"("2024-02-29T24:00:00Z")"});
  expect(R"({"type":"string","format":"uuid"})", {R"("2eb8aa08-aa98-11ea-b4aa-73b441d16380")"},
         {R"("2eb8aa08aa9811eab4aa73b441d16380")"});
  expect(R"({"type":"string","format":"email"})", {R"("joe.bloggs@example.com")"},
         {R"("joe..bloggs@example.com")", R"("@x")"});
  expect(R"({"type":"string","format":"ipv6"})",
         {R"("::1")", R"("1:2::3:4")", R"("::ffff:1.2.3.4")"},
         {R"("1::2::3")", R"("12345::")", R"(":")"});
  EXPECT_NE(refusal(R"({"format":"idn-email"})").find("idn-email"), std::string::npos);
}

TEST(Schema, Combinations) {
  expect(R"({"anyOf":[{"type":"integer","minimum":3},{"type":"string"}]})", {"3", "\"a\""},
         {"2", "null"});
  expect(R"({"allOf":[{"type":"integer"},{"minimum":3},{"maximum":5}]})", {"3", "5"}, {"2", "6"});
  expect(R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
            {"properties":{"b":{"type":"null"},"a":{"maximum":4}}}],"type":"object"})",
         {R"({"a":4,"b":null})", R"({"a":1,"c":[1]})"}, {R"({"a":5})", R"({"b":null})"});
  expect(R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},
            "required":["k"],"additionalProperties":false},{"type":"object","properties":{
            "k":{"const":"b"},"y":{"type":"null"}},"required":["k"],
            "additionalProperties":false}]})",
         {R"({"k":"a","x":1})", R"({"k":"b","y":null})"},
         {R"({"k":"a","y":null})", R"({"k":"c"})"});
  EXPECT_NE(refusal(R"({"properties":{"a":{"oneOf":[{"minimum":2},{"maximum":4}]}}})")
                .find("'oneOf' at #/properties/a"),
            std::string::npos);
  expect(R"({"enum":["a",1,null,[1,{"x":"é"}]]})", {"\"a\"", "1", "null", R"([1,{"x":"é"}])"},
         {"\"b\"", "2", "[1]"});
  expect(R"({"enum":[1,2,3,"a"],"minimum":2,"type":"integer"})", {"2", "3"}, {"1", "\"a\""});
  expect(R"({"type":"string","nullable":true})", {"null", "\"\""}, {"1"});
}

TEST(Schema, References) {
  expect(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{
            "v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},
            "required":["v","next"],"additionalProperties":false}}})",
         {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
         {R"({"v":1})", R"({"v":1,"next":{"v":2}})"});
  expect(R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]", "[[]"});
  EXPECT_NE(refusal(R"({"$ref":"http://example.com/x"})").find("http://example.com/x"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"$ref":"#/$defs/x"})", ErrorCode::kFormat).find("not there"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},
                       "$ref":"#/$defs/a"})")
                .find("leads back to itself"),
            std::string::npos);
}

// An optional part that nothing fits is left out; a required one leaves nothing.
TEST(Schema, WhatNothingFitsIsNamed) {
  expect(R"({"type":"object","properties":{"a":{"type":"array","enum":["x"]},"b":{"type":"null"}},
            "additionalProperties":false})",
         {"{}", R"({"b":null})"}, {R"({"a":"x"})", R"({"a":[]})"});
  const char* const required = R"({"type":"object","properties":{
      "c":{"type":"integer","enum":["y"]},
      "a":{"type":"object","properties":{"b":{"type":"array","enum":["x"]}},"required":["b"]}},
      "required":["a"]})";
  EXPECT_NE(refusal(required, ErrorCode::kFormat).find("nothing fits #/properties/a/properties/b"),
            std::string::npos);
  EXPECT_NE(refusal("false", ErrorCode::kFormat).find("contradict"), std::string::npos);
  EXPECT_NE(refusal(R"({"type":"array","items":false,"minItems":1})", ErrorCode::kFormat)
                .find("no value is valid"),
            std::string::npos);
}

TEST(Schema, Spacing) {
  const char* const schema = R"({"type":"object","properties":{"a":{"type":"array",
      "items":{"type":"integer"}}},"required":["a"],"additionalProperties":false})";
  const auto flexible = compile(schema, {JsonSpacing::kFlexible});
  for (const char* text :
       {R"({"a":[1,2]})", R"({"a": [1, 2]})", "{\n  \"a\": [\n    1,\n    2\n  ]\n}"}) {
    EXPECT_TRUE(testing::matches(*flexible, text)) << text;
  }
  EXPECT_FALSE(testing::matches(*flexible, "{  \"a\":[]}"));
  const auto spaced = compile(schema, {JsonSpacing::kSpaced});
  EXPECT_TRUE(testing::matches(*spaced, R"({"a": [1, 2]})"));
  EXPECT_FALSE(testing::matches(*spaced, R"({"a":[1,2]})"));
}

TEST(Schema, AnyObject) {
  const auto grammar = compile_grammar(json_object_grammar(kCompact));
  EXPECT_TRUE(testing::matches(*grammar, R"({"a":[{},null,-1.5e3],"b":{"a":"x"}})"));
  EXPECT_FALSE(testing::matches(*grammar, "[]"));
}

TEST(Schema, RefusesByNameAndPath) {
  EXPECT_NE(refusal(R"({"properties":{"a":{"items":{"uniqueItems":true}}}})")
                .find("'uniqueItems' at #/properties/a/items"),
            std::string::npos);
  for (const char* schema : {R"({"contains":{}})", R"({"if":{}})", R"({"dependentRequired":{}})",
                             R"({"not":{"minimum":1}})", R"({"unevaluatedProperties":false})",
                             R"({"pattern":"(?<=x)*"})", R"({"minProperties":3})"}) {
    refusal(schema);
  }
  for (const char* schema :
       {R"({"type":"text"})", R"({"minLength":-1})", R"({"properties":[]})", "[]", "{",
        R"({"anyOf":[]})", R"({"type":"string","minLength":3,"maxLength":2})"}) {
    refusal(schema, ErrorCode::kFormat);
  }
}

std::string repeated(std::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

// A list of `count` of these, each with its own number for %.
std::string numbered(int count, const std::string& item) {
  std::string result;
  for (int i = 0; i < count; ++i) {
    const size_t at = item.find('%');
    result += i > 0 ? "," : "";
    result += at == std::string::npos
                  ? item
                  : item.substr(0, at) + std::to_string(i) + item.substr(at + 1);
  }
  return result;
}

// What grows with the square of a list would pass no bound on its length.
TEST(Schema, LongListsTakeLinearlyManySteps) {
  for (const char* item : {R"("value %")", "%", R"({"a":%})"}) {
    const auto steps = [&](int count) {
      return double(compile(R"({"enum":[)" + numbered(count, item) + "]}")->compile_steps());
    };
    EXPECT_LT(steps(6'000), 2.5 * steps(3'000)) << item;
  }
}

// With a tenth of the steps: it is their number that is bounded.
void refuse_within_limits(std::string_view schema) {
  refusal(schema, ErrorCode::kLimit, {.steps_max = 300'000, .states_max = 10'000});
}

TEST(Schema, HostileSchemasAreBounded) {
  std::string deep = "{}";
  for (int i = 0; i < 150; ++i) deep = R"({"items":)" + deep + "}";
  refuse_within_limits(deep);
  refuse_within_limits(std::string(100'000, '['));
  refuse_within_limits(R"({"type":"string","pattern":"^(a?){5000}.*b.{30}$"})");
  refuse_within_limits(R"({"type":"string","pattern":"(\\p{L}{1,500}x){500}"})");
  refuse_within_limits(R"({"type":"string","pattern":"a.{20}b"})");
  refuse_within_limits(R"({"type":"string","minLength":20,"format":"uri","pattern":"a.{12}b"})");
  refuse_within_limits(R"({"propertyNames":{"pattern":"^\\p{L}{1,200}$"},"maxProperties":50})");
  refuse_within_limits(R"({"items":{"items":{},"maxItems":100000},"maxItems":100000})");
  refuse_within_limits(R"({"$id":"http://a/)" + repeated("./", 100'000) + R"("})");
  refuse_within_limits(R"({"properties":{)" + numbered(12'000, R"("%":{})") + "}}");
  refuse_within_limits(R"({"enum":[)" + numbered(10'000, "%") + R"(],"anyOf":[)" +
                       numbered(250, R"({"minimum":%})") + "]}");
  refuse_within_limits(R"({"allOf":[)" + numbered(10'000, "{}") + R"(],"anyOf":[)" +
                       numbered(1'000, "{}") + "]}");
  compile(R"({"type":"string","maxLength":1000000})");
  std::string doubling = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 40; ++i) {
    const std::string next = R"({"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"}";
    doubling += "\"d" + std::to_string(i) + R"(":{"anyOf":[{"minimum":)" + std::to_string(i) + "," +
                next.substr(1) + "," + next + "]},";
  }
  refuse_within_limits(doubling + R"("d40":{}}})");
}

}  // namespace
}  // namespace minim
