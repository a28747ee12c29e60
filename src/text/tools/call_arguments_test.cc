#include "text/tools/call_arguments.h"

#include <gtest/gtest.h>

#include <vector>

namespace minim {
namespace {

struct Told {
  std::string name;
  std::string arguments;
  bool ended = false;
  bool operator==(const Told&) const = default;
};

std::vector<Told> read(std::string_view json, std::string name = {}) {
  using Event = CallArguments::Event;
  CallArguments arguments(std::move(name));
  std::vector<Told> told;
  for (const char c : json) {
    const Event event = arguments.push(c);
    if (event == Event::kBegin) told.push_back({arguments.name(), ""});
    if (event == Event::kNone) continue;
    told.back().arguments += c;
    told.back().ended = event == Event::kEnd;
  }
  return told;
}

TEST(CallArguments, AreToldAsTheyAreWritten) {
  const std::string spaced = R"({ "name" : "f" , "arguments" : { "a b" : [1, {"c": "x \" }"}] } })";
  const std::string compact = R"({"a b":[1,{"c":"x \" }"}]})";
  for (size_t size = 0; size <= spaced.size(); ++size) {
    const auto told = read(std::string_view(spaced).substr(0, size));
    ASSERT_LE(told.size(), 1u);
    if (told.empty()) continue;
    EXPECT_EQ(told[0].name, "f");
    EXPECT_EQ(told[0].arguments, compact.substr(0, told[0].arguments.size()));
    EXPECT_EQ(told[0].ended, told[0].arguments == compact);
  }
  ASSERT_EQ(read(spaced), (std::vector<Told>{{"f", compact, true}}));
}

TEST(CallArguments, OfAListAndOfANamedCall) {
  EXPECT_EQ(read(R"([{"name":"f","parameters":{"x":[{}]}},{"id":3,"name":"g","arguments":{}}])"),
            (std::vector<Told>{{"f", R"({"x":[{}]})", true}, {"g", "{}", true}}));
  EXPECT_EQ(read(R"({"name":"x","arguments":{"y":1}})", "f"),
            (std::vector<Told>{{"f", R"({"name":"x","arguments":{"y":1}})", true}}));
  EXPECT_TRUE(read("[]", "f").empty());
}

TEST(CallArguments, WhatIsWrittenOtherwiseIsNotTold) {
  for (const char* json :
       {R"({"arguments":{},"name":"f"})", R"({"function":{"name":"f","arguments":{}}})",
        R"({"name":"f","arguments":"{}"})", R"({"name":"\u0066","arguments":{}})",
        R"({"name":"f","x":{"arguments":{}}})", R"({"name":3,"arguments":{}})",
        R"([[{"name":"f","arguments":{}}]])", R"([{"name":"f"},{"name":"g","arguments":{}}])"}) {
    EXPECT_TRUE(read(json).empty()) << json;
  }
  EXPECT_EQ(read(R"({"name":"f","arguments":{"a":1},"arguments":{"b":2}})"),
            (std::vector<Told>{{"f", R"({"a":1})", true}}));
  EXPECT_EQ(read(R"([{"name":"f","arguments":{}},{"name":"g"},{"name":"h","arguments":{}}])"),
            (std::vector<Told>{{"f", "{}", true}}));
}

}  // namespace
}  // namespace minim
