// JSON behind limits: what is refused, and with which error.
#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace minim {
namespace {

ErrorCode code_of(std::string_view text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, "test.json", limits);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind("test.json", 0), 0u) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "parsed: " << text.substr(0, 80);
  return ErrorCode::kCancelled;
}

template <typename T>
ErrorCode get_code(const Json& object, std::string_view key) {
  try {
    json_get<T>(object, key, "test.json");
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.rfind("test.json", 0), 0u) << message;
    EXPECT_NE(message.find(key), std::string::npos) << message;
    return error.code();
  }
  ADD_FAILURE() << "no error for " << key;
  return ErrorCode::kCancelled;
}

std::string nested(char open, char close, int depth) {
  return std::string(static_cast<size_t>(depth), open) +
         std::string(static_cast<size_t>(depth), close);
}

TEST(Json, ParsesWhatIsValid) {
  const Json value = parse_json(R"({"a": [1, -2.5, true, null, "é€\u00e9"]})", "test.json");
  EXPECT_EQ(value["a"].size(), 5u);
  EXPECT_EQ(value["a"][4], "é€é");
  EXPECT_EQ(parse_json(" 3 ", "test.json"), 3);
}

TEST(Json, RefusesWhatIsNot) {
  for (const char* text :
       {"",       " ",       "{",        "[1,]",      "{\"a\":1,}", "{'a':1}", "[1] 2",
        "nul",    "NaN",     "Infinity", "01",        "1.",         "+1",      "\"\\x\"",
        "\"\n\"", "// c\n1", "\"abc",    "{\"a\" 1}", "{1:2}",      "[1 2]",   "\xef\xbb"}) {
    EXPECT_EQ(code_of(text), ErrorCode::kFormat) << text;
  }
}

TEST(Json, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                           "\"\xe2\x82\"", "{\"\x80\":1}", "\"\\ud800\"", "\"\\udc00\\ud800\""}) {
    EXPECT_EQ(code_of(text), ErrorCode::kFormat);
  }
  EXPECT_EQ(code_of(std::string_view("\"a\0b\"", 5)), ErrorCode::kFormat);
}

TEST(Json, NumbersThatNoDoubleHoldsAreErrors) {
  EXPECT_EQ(code_of("1e400"), ErrorCode::kFormat);
  EXPECT_EQ(code_of("[-1e999]"), ErrorCode::kFormat);
  EXPECT_EQ(parse_json("1e-400", "test.json"), 0.0);
}

TEST(Json, RefusesDeepNesting) {
  JsonLimits limits;
  limits.depth_max = 20;
  EXPECT_NO_THROW(parse_json(nested('[', ']', 20), "test.json", limits));
  EXPECT_EQ(code_of(nested('[', ']', 22), limits), ErrorCode::kLimit);
  EXPECT_EQ(code_of(nested('[', ']', 100'000)), ErrorCode::kLimit);
  EXPECT_EQ(code_of(std::string(1'000'000, '[')), ErrorCode::kLimit);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(code_of(objects), ErrorCode::kLimit);
}

TEST(Json, RefusesTextsThatAreTooLong) {
  JsonLimits limits;
  limits.bytes_max = 10;
  EXPECT_NO_THROW(parse_json("[1,2,3,45]", "test.json", limits));
  EXPECT_EQ(code_of("[1,2,3,456]", limits), ErrorCode::kLimit);
}

TEST(Json, RefusesKeysThatStandTwice) {
  EXPECT_EQ(code_of(R"({"a":1,"a":2})"), ErrorCode::kFormat);
  EXPECT_EQ(code_of(R"({"a":1,"\u0061":2})"), ErrorCode::kFormat);
  EXPECT_EQ(code_of(R"([{"b":{"c":1,"d":{},"c":1}}])"), ErrorCode::kFormat);
  EXPECT_NO_THROW(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})", "test.json"));
  JsonLimits limits;
  limits.allow_duplicate_keys = true;
  EXPECT_EQ(parse_json(R"({"a":1,"a":2})", "test.json", limits)["a"], 2);
}

TEST(Json, KeepsTheOrderOfKeysWhereAsked) {
  const OrderedJson value = parse_ordered_json(R"({"z":1,"a":2,"m":3})", "test.json");
  std::string keys;
  for (const auto& item : value.items()) keys += item.key();
  EXPECT_EQ(keys, "zam");
  EXPECT_THROW(parse_ordered_json(R"({"z":1,"z":2})", "test.json"), Error);
}

TEST(JsonGet, GivesValuesAndNothing) {
  const Json object = parse_json(R"({"yes": true, "whole": -3, "real": 2.5, "text": "t",
                                     "none": null})",
                                 "test.json");
  EXPECT_EQ(json_get<bool>(object, "yes", "test.json"), true);
  EXPECT_EQ(json_get<int64_t>(object, "whole", "test.json"), -3);
  EXPECT_EQ(json_get<double>(object, "real", "test.json"), 2.5);
  EXPECT_EQ(json_get<double>(object, "whole", "test.json"), -3.0);
  EXPECT_EQ(json_get<std::string>(object, "text", "test.json"), "t");
  EXPECT_EQ(json_get<int64_t>(object, "absent", "test.json"), std::nullopt);
  EXPECT_EQ(json_get<int64_t>(object, "none", "test.json"), std::nullopt);
}

TEST(JsonGet, RefusesOtherTypes) {
  const Json object =
      parse_json(R"({"yes": true, "real": 2.5, "text": "1", "list": [1]})", "test.json");
  EXPECT_EQ(get_code<int64_t>(object, "yes"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<int64_t>(object, "real"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<int64_t>(object, "text"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<bool>(object, "real"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<double>(object, "text"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<double>(object, "yes"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<std::string>(object, "list"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<bool>(Json::array(), "key"), ErrorCode::kFormat);
}

TEST(JsonGet, WholeNumbersKeepTheirRange) {
  const Json object = parse_json(R"({"largest": 9223372036854775807, "past": 9223372036854775808,
                                     "smallest": -9223372036854775808, "far": 18446744073709551616,
                                     "exponent": 1e3})",
                                 "test.json");
  EXPECT_EQ(json_get<int64_t>(object, "largest", "test.json"), INT64_MAX);
  EXPECT_EQ(json_get<int64_t>(object, "smallest", "test.json"), INT64_MIN);
  EXPECT_EQ(get_code<int64_t>(object, "past"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<int64_t>(object, "far"), ErrorCode::kFormat);
  EXPECT_EQ(get_code<int64_t>(object, "exponent"), ErrorCode::kFormat);
}

}  // namespace
}  // namespace minim
