// The function-calling questions of the Berkeley leaderboard: their tools compile or are refused by
// name, and the reference calls are what the grammars accept and the parsers read back.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
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
  std::string refusal;
};

struct Question {
  ToolList tools;
  std::vector<ToolCall> calls;
};

// Which of the calls are valid, as they are written in a notation.
std::vector<bool> accepted_calls(const Question& question, ToolNotation notation) {
  const auto grammar = compile_grammar(
      tool_grammar(question.tools, {.notation = notation, .choice = ToolChoice::kRequired}));
  std::vector<bool> accepted;
  for (const ToolCall& call : question.calls) {
    accepted.push_back(testing::matches(*grammar, write_tool_calls(notation, {&call, 1})));
  }
  return accepted;
}

// Every notation reads back what is written in it. Tags do not tell a text from null, so that only
// valid calls are the same after them.
void check_reading(const Question& question, const std::vector<bool>& valid, Counts& counts) {
  for (int i = 0; i < kToolNotationCount; ++i) {
    const auto notation = static_cast<ToolNotation>(i);
    ToolCallParser parser(notation, question.tools);
    ToolCallParser::Output output = parser.push(write_tool_calls(notation, question.calls));
    const auto rest = parser.finish();
    EXPECT_EQ(output.text + rest.text, "");
    output.calls.insert(output.calls.end(), rest.calls.begin(), rest.calls.end());
    ASSERT_EQ(output.calls.size(), question.calls.size());
    for (size_t c = 0; c < output.calls.size(); ++c) {
      EXPECT_EQ(output.calls[c].call.name, question.calls[c].name);
      ++counts.read;
      if (tool_syntax(notation).tagged && !valid[c]) continue;
      EXPECT_EQ(OrderedJson::parse(output.calls[c].call.arguments),
                OrderedJson::parse(question.calls[c].arguments));
    }
  }
}

void check(const Question& question, Counts& counts) {
  ++counts.lists;
  counts.calls += static_cast<int>(question.calls.size());
  try {
    const std::vector<bool> valid = accepted_calls(question, ToolNotation::kHermes);
    counts.accepted += static_cast<int>(std::count(valid.begin(), valid.end(), true));
    check_reading(question, valid, counts);
    // null, written for a text, becomes the text "null".
    const std::vector<bool> tagged = accepted_calls(question, ToolNotation::kQwenXml);
    for (size_t c = 0; c < valid.size(); ++c) EXPECT_GE(tagged[c], valid[c]);
  } catch (const Error& error) {
    ++counts.refused;
    counts.refusal = error.what();
  }
}

// name(value, key=value, ...) of Python, with its literals.
class PythonCall {
 public:
  explicit PythonCall(std::string text) : text_(std::move(text)) {}

  ToolCall read(const ToolList& tools) {
    const std::string name = take_word();
    const Tool* tool = tools.find(name);
    if (tool == nullptr) throw Error(ErrorCode::kFormat, "an unknown function: " + text_);
    const OrderedJson& properties = tool->parameters["properties"];
    OrderedJson arguments = OrderedJson::object();
    expect('(');
    for (auto next = properties.begin(); !take(')'); take(',')) {
      const size_t before = place_;
      const std::string key = take_word();
      if (!key.empty() && take('=')) {
        arguments[key] = take_value();
      } else {
        place_ = before;
        arguments[next.key()] = take_value();
        ++next;
      }
    }
    return {name, in_order(arguments, tool->parameters).dump()};
  }

 private:
  bool take(char c) {
    while (place_ < text_.size() && text_[place_] == ' ') ++place_;
    if (place_ == text_.size() || text_[place_] != c) return false;
    ++place_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw Error(ErrorCode::kFormat, fmt::format("no '{}' in {}", c, text_));
  }
  std::string take_word() {
    const size_t begin = std::min(text_.find_first_not_of(' ', place_), text_.size());
    place_ = std::min(text_.find_first_of(" ()[]{},=:'\"", begin), text_.size());
    return text_.substr(begin, place_ - begin);
  }
  OrderedJson take_value() {
    for (const char quote : {'\'', '"'}) {
      if (take(quote)) return take_text(quote);
    }
    if (take('[')) {
      OrderedJson list = OrderedJson::array();
      for (; !take(']'); take(',')) list.push_back(take_value());
      return list;
    }
    if (take('{')) {
      OrderedJson object = OrderedJson::object();
      for (; !take('}'); take(',')) {
        const std::string key = take_value();
        expect(':');
        object[key] = take_value();
      }
      return object;
    }
    const std::string word = take_word();
    if (word == "True" || word == "False") return word == "True";
    if (word == "None") return nullptr;
    return parse_ordered_json(word, text_);
  }
  std::string take_text(char quote) {
    std::string text;
    for (; place_ < text_.size() && text_[place_] != quote; ++place_) {
      if (text_[place_] == '\\') ++place_;
      text += text_.at(place_);
    }
    expect(quote);
    return text;
  }

  std::string text_;
  size_t place_ = 0;
};

TEST(ToolData, ReferenceCallsAreWrittenAcceptedAndReadBack) {
  Counts all;
  for (const char* file : {"simple_python.json.xz", "multiple.json.xz", "parallel.json.xz",
                           "live_simple.json.xz", "live_parallel.json"}) {
    const std::string name(file, std::string_view(file).find('.'));
    MINIM_DATA_OR_SKIP(questions, fmt::format("eval/bfcl/BFCL_v4_{}", file));
    MINIM_DATA_OR_SKIP(answers, fmt::format("eval/bfcl/possible_answer/BFCL_v4_{}.json", name));
    std::map<std::string, OrderedJson> by_id;
    for (const OrderedJson& answer : read_lines(answers)) {
      by_id[answer["id"]] = answer["ground_truth"];
    }
    Counts counts;
    std::vector<OrderedJson> lines = read_lines(questions);
    const size_t stride = lines.size() > 100 ? 5 : 1;  // of many alike a part is enough
    for (size_t i = 0; i < lines.size(); i += stride) {
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
    EXPECT_EQ(counts.refused, 0) << counts.refusal;
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

// The only list of all the sets that is refused: it requires a list that is one of ten words.
TEST(ToolData, TheListThatNoCallFitsIsRefusedByName) {
  MINIM_DATA_OR_SKIP(path, "eval/bfcl/BFCL_v4_live_simple.json.xz");
  for (OrderedJson& line : read_lines(path)) {
    if (line["id"] != "live_simple_71-35-0") continue;
    translate_types(line["function"]);
    try {
      tool_grammar(read_tools(line["function"]), {});
      FAIL() << "it was accepted";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(),
                   "tools: 'extract_parameters_v1': schema: no value is valid by it: nothing fits "
                   "#/properties/metrics");
    }
    return;
  }
  FAIL() << "the list is not in the set";
}

// Questions that no tool answers: words are said in place of a call.
TEST(ToolData, WhatNoToolAnswersMayBeSaidInWords) {
  MINIM_DATA_OR_SKIP(path, "eval/bfcl/BFCL_v4_irrelevance.json.xz");
  std::vector<OrderedJson> lines = read_lines(path);
  for (size_t i = 0; i < lines.size(); i += 8) {
    translate_types(lines[i]["function"]);
    const ToolList tools = read_tools(lines[i]["function"]);
    const auto grammar = compile_grammar(tool_grammar(tools, {.choice = ToolChoice::kAuto}));
    EXPECT_TRUE(testing::matches(*grammar, "None of my tools can tell that.")) << lines[i]["id"];
    EXPECT_FALSE(testing::matches(*grammar, "<tool_call>\n{\"name\": \"other\"}\n</tool_call>"));
  }
}

// Conversations of several turns with the tools of whole programs, up to 40 at once; what is called
// in them is written as calls of Python.
TEST(ToolData, CallsOfManyTurnsAreAcceptedAndReadBack) {
  MINIM_DATA_OR_SKIP(documents, "eval/bfcl/multi_turn_func_doc.tar.xz");
  MINIM_DATA_OR_SKIP(questions, "eval/bfcl/BFCL_v4_multi_turn_base.json.xz");
  MINIM_DATA_OR_SKIP(answers, "eval/bfcl/possible_answer/BFCL_v4_multi_turn_base.json");
  std::map<std::string, std::vector<OrderedJson>> programs;
  for (const testing::ArchiveMember& member : testing::read_archive(documents)) {
    std::istringstream text(member.content);
    for (std::string line; std::getline(text, line);) {
      OrderedJson tool = parse_ordered_json(line, member.name);
      translate_types(tool);
      programs[member.name.substr(member.name.rfind('/') + 1)].push_back(std::move(tool));
    }
  }
  static const std::map<std::string, std::string> kFiles = {
      {"GorillaFileSystem", "gorilla_file_system.json"},
      {"MathAPI", "math_api.json"},
      {"MessageAPI", "message_api.json"},
      {"TicketAPI", "ticket_api.json"},
      {"TradingBot", "trading_bot.json"},
      {"TravelAPI", "travel_booking.json"},
      {"TwitterAPI", "posting_api.json"},
      {"VehicleControlAPI", "vehicle_control.json"}};
  for (const auto& [name, tools] : programs) {
    EXPECT_NO_THROW(compile_grammar(tool_grammar(read_tools(OrderedJson(tools)), {}))) << name;
  }
  const std::vector<OrderedJson> lines = read_lines(questions), truths = read_lines(answers);
  ASSERT_EQ(lines.size(), truths.size());
  Counts counts;
  for (size_t i = 0; i < lines.size(); i += 20) {
    ASSERT_EQ(lines[i]["id"], truths[i]["id"]);
    OrderedJson tools = OrderedJson::array();
    for (const OrderedJson& program : lines[i]["involved_classes"]) {
      for (const OrderedJson& tool : programs[kFiles.at(program)]) tools.push_back(tool);
    }
    Question question = {read_tools(tools), {}};
    for (const OrderedJson& turn : truths[i]["ground_truth"]) {
      for (const OrderedJson& call : turn) {
        question.calls.push_back(PythonCall(call.get<std::string>()).read(question.tools));
      }
    }
    check(question, counts);
  }
  std::cout << fmt::format("multi_turn: {} lists of tools, {} refused; {} calls, {} valid\n",
                           counts.lists, counts.refused, counts.calls, counts.accepted);
  EXPECT_GT(counts.calls, 50);
  EXPECT_EQ(counts.read, counts.calls * kToolNotationCount);
  EXPECT_EQ(counts.refused, 0) << counts.refusal;
  EXPECT_EQ(counts.accepted, counts.calls);
}

}  // namespace
}  // namespace minim
