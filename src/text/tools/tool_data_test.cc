// The function-calling questions of the Berkeley leaderboard: their tools compile or are refused by
// name, and the reference calls are what the grammars accept and the parsers read back.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/testing/grammar_matches.h"
#include "text/tools/tool_call_parser.h"
#include "text/tools/tool_grammar.h"

namespace minim {
namespace {

// The set has Python's names of types; its own harness translates them likewise.
void translate_types(OrderedJson& schema) {
  static const std::map<std::string, std::string> kTypes = {
      {"dict", "object"}, {"float", "number"}, {"tuple", "array"}};
  if (!schema.is_structured()) return;
  for (OrderedJson& part : schema) translate_types(part);
  if (!schema.is_object() || !schema.contains("type") || !schema["type"].is_string()) return;
  const auto type = schema["type"].get<std::string>();
  if (type == "any") schema.erase("type");
  if (const auto known = kTypes.find(type); known != kTypes.end()) schema["type"] = known->second;
}

std::vector<OrderedJson> read_lines(const Path& path) {
  std::istringstream text(testing::read_data(path));
  std::vector<OrderedJson> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) lines.push_back(parse_ordered_json(line, "line"));
  }
  return lines;
}

// The first of the accepted values, within objects too; nothing where it is left out, for which ""
// stands.
std::optional<OrderedJson> first_accepted(const OrderedJson& accepted);

OrderedJson resolve(const OrderedJson& value) {
  if (value.is_array()) {
    OrderedJson result = OrderedJson::array();
    for (const OrderedJson& item : value) result.push_back(resolve(item));
    return result;
  }
  if (!value.is_object()) return value;
  OrderedJson result = OrderedJson::object();
  for (const auto& [name, accepted] : value.items()) {
    if (const auto first = first_accepted(accepted)) result[name] = *first;
  }
  return result;
}

std::optional<OrderedJson> first_accepted(const OrderedJson& accepted) {
  if (!accepted.is_array()) return resolve(accepted);
  for (const OrderedJson& value : accepted) {
    if (value != "") return resolve(value);
  }
  return std::nullopt;
}

// In the order of the schema.
OrderedJson in_order(const OrderedJson& value, const OrderedJson& schema) {
  if (value.is_array() && schema.contains("items")) {
    OrderedJson result = OrderedJson::array();
    for (const OrderedJson& item : value) result.push_back(in_order(item, schema["items"]));
    return result;
  }
  if (!value.is_object() || !schema.contains("properties")) return value;
  OrderedJson result = OrderedJson::object();
  for (const auto& [name, part] : schema["properties"].items()) {
    if (value.contains(name)) result[name] = in_order(value[name], part);
  }
  return result;
}

OrderedJson reference_arguments(const OrderedJson& accepted, const Tool& tool) {
  return in_order(resolve(accepted), tool.parameters);
}

struct Counts {
  int lists = 0, refused = 0, calls = 0, accepted = 0, read = 0;
};

struct Question {
  ToolList tools;
  std::vector<ToolCall> calls;
};

void check(const Question& question, Counts& counts) {
  // Every notation reads back what is written in it.
  for (int i = 0; i < kToolNotationCount; ++i) {
    const auto notation = static_cast<ToolNotation>(i);
    ToolCallParser parser(notation);
    ToolCallParser::Output output = parser.push(write_tool_calls(notation, question.calls));
    const auto rest = parser.finish();
    EXPECT_EQ(output.text + rest.text, "");
    output.calls.insert(output.calls.end(), rest.calls.begin(), rest.calls.end());
    ASSERT_EQ(output.calls.size(), question.calls.size());
    for (size_t c = 0; c < output.calls.size(); ++c) {
      EXPECT_EQ(output.calls[c].call.name, question.calls[c].name);
      EXPECT_EQ(OrderedJson::parse(output.calls[c].call.arguments),
                OrderedJson::parse(question.calls[c].arguments));
      ++counts.read;
    }
  }
  ++counts.lists;
  try {
    const auto grammar =
        compile_grammar(tool_grammar(question.tools, {.choice = ToolChoice::kRequired}));
    for (const ToolCall& call : question.calls) {
      ++counts.calls;
      const bool fits =
          testing::matches(*grammar, write_tool_calls(ToolNotation::kHermes, {&call, 1}));
      counts.accepted += fits ? 1 : 0;
    }
  } catch (const Error& error) {
    ++counts.refused;
    const std::string_view what = error.what();
    EXPECT_TRUE(what.starts_with("tools: '") || what == "grammar: no text matches it") << what;
  }
}

TEST(ToolData, ReferenceCallsAreWrittenAcceptedAndReadBack) {
  Counts all;
  for (const char* name : {"simple_python", "multiple", "parallel", "live_simple"}) {
    MINIM_DATA_OR_SKIP(questions, fmt::format("eval/bfcl/BFCL_v4_{}.json.xz", name));
    MINIM_DATA_OR_SKIP(answers, fmt::format("eval/bfcl/possible_answer/BFCL_v4_{}.json", name));
    std::map<std::string, OrderedJson> by_id;
    for (const OrderedJson& answer : read_lines(answers)) {
      by_id[answer["id"]] = answer["ground_truth"];
    }
    Counts counts;
    std::vector<OrderedJson> lines = read_lines(questions);
    for (size_t i = 0; i < lines.size(); i += 5) {  // of many alike a part is enough
      OrderedJson& line = lines[i];
      EXPECT_THROW(read_tools(line["function"]), Error) << "a type of no JSON schema";
      translate_types(line["function"]);
      Question question = {read_tools(line["function"]), {}};
      for (const OrderedJson& call : by_id[line["id"]]) {
        const auto only = call.begin();
        const std::string& called = only.key();
        const OrderedJson& accepted = *only;
        const Tool* tool = question.tools.find(called);
        ASSERT_NE(tool, nullptr) << called;
        question.calls.push_back({called, reference_arguments(accepted, *tool).dump()});
      }
      check(question, counts);
    }
    std::cout << fmt::format("{}: {} lists of tools, {} refused; {} calls, {} valid\n", name,
                             counts.lists, counts.refused, counts.calls, counts.accepted);
    all.lists += counts.lists;
    all.refused += counts.refused;
    all.calls += counts.calls;
    all.accepted += counts.accepted;
    all.read += counts.read;
  }
  EXPECT_GT(all.calls, 200);
  EXPECT_EQ(all.read, all.calls * kToolNotationCount);
  // In the others the reference breaks the schema: null where only a number may stand, a word that
  // is not in the enumeration.
  EXPECT_GE(all.accepted, all.calls * 95 / 100);
}

}  // namespace
}  // namespace minim
