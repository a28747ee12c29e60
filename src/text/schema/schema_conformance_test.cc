// The official test suite of JSON Schema: what compiles refuses nothing that is valid and accepts
// nothing that is not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/support/test_data.h"
#include "text/grammar/compiled_grammar.h"
#include "text/grammar/testing/grammar_matches.h"
#include "text/schema/schema_grammar.h"

namespace minim {
namespace {

// The names of properties in the order in which a schema lists them, wherever it does.
void list_names(const OrderedJson& schema, std::vector<std::string>& names) {
  if (schema.is_object()) {
    for (const auto& [key, value] : schema.items()) {
      if (key == "properties" && value.is_object()) {
        for (const auto& [name, unused] : value.items()) names.push_back(name);
      }
      list_names(value, names);
    }
    if (schema.contains("required") && schema["required"].is_array()) {
      for (const auto& name : schema["required"]) {
        if (name.is_string()) names.push_back(name.get<std::string>());
      }
    }
  } else if (schema.is_array()) {
    for (const auto& part : schema) list_names(part, names);
  }
}

// As a constrained model writes it: properties in the schema's order, integers as integers.
OrderedJson canonical(const OrderedJson& value, const std::vector<std::string>& names) {
  if (value.is_array()) {
    OrderedJson result = OrderedJson::array();
    for (const auto& item : value) result.push_back(canonical(item, names));
    return result;
  }
  if (!value.is_object()) return value;
  OrderedJson result = OrderedJson::object();
  for (const std::string& name : names) {
    if (value.contains(name) && !result.contains(name))
      result[name] = canonical(value[name], names);
  }
  for (const auto& [name, item] : value.items()) {
    if (!result.contains(name)) result[name] = canonical(item, names);
  }
  return result;
}

std::string write(const OrderedJson& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (number == double(int64_t(std::clamp(number, -1e17, 1e17)))) {
      return std::to_string(int64_t(number));
    }
    if (number == std::floor(number)) return fmt::format("{:.0f}", number);
    return std::abs(number) >= 1e-5 ? fmt::format("{}", number) : fmt::format("{:.10f}", number);
  }
  if (!value.is_structured()) return value.dump();
  std::string text;
  for (const auto& [name, item] : value.items()) {
    text += text.empty() ? "" : ",";
    if (value.is_object()) text += OrderedJson(name).dump() + ":";
    text += write(item);
  }
  return value.is_array() ? "[" + text + "]" : "{" + text + "}";
}

// What is valid by JSON Schema and not held to be here, or the other way round, and why.
bool is_exempt(const std::string& file, const std::string& test) {
  // Formats are held to, as whoever asks for structured output expects; by default they only
  // describe.
  if (file.ends_with("/format.json")) return true;
  // So are encodings of strings, by any draft but 7.
  if (file.ends_with("draft7/optional/content.json")) return true;
  // A name of up to 255 bytes, each part of up to 63, would take tens of thousands of states.
  if (test.starts_with("exceeds maximum overall length")) return true;
  // A leap second is known as 23:59:60 in UTC alone.
  return test.starts_with("valid leap second") &&
         test.find("tive time-offset") != std::string::npos;
}

TEST(SchemaConformance, OfficialSuite) {
  MINIM_DATA_OR_SKIP(path, "conformance/json_schema_test_suite.tar.xz");
  std::map<std::string, std::pair<int, int>> by_keyword;  // compiled, all
  std::map<std::string, int> reasons;
  int checked = 0, compiled_count = 0, group_count = 0;
  for (const testing::ArchiveMember& member : testing::read_archive(path)) {
    if (member.name.find("tests/") == std::string::npos || !member.name.ends_with(".json"))
      continue;
    const std::string keyword = member.name.substr(member.name.rfind('/') + 1,
                                                   member.name.size() - member.name.rfind('/') - 6);
    for (const OrderedJson& group : OrderedJson::parse(member.content)) {
      const auto& name = group["description"].get_ref<const std::string&>();
      SCOPED_TRACE(member.name + ": " + name);
      ++group_count;
      ++by_keyword[keyword].second;
      std::shared_ptr<const CompiledGrammar> grammar;
      OrderedJson schema = group["schema"];
      if (member.name.find("draft7/") != std::string::npos && schema.is_object()) {
        schema.emplace("$schema", "http://json-schema.org/draft-07/schema#");
      }
      try {
        grammar = compile_grammar(schema_grammar(schema, {JsonSpacing::kCompact}));
      } catch (const Error& error) {
        // A schema that nothing satisfies is refused as well; its tests are all invalid.
        const std::string_view message = error.what();
        if (message == "grammar: no text matches it" || message.find("no value is valid") == 8) {
          for (const OrderedJson& test : group["tests"]) EXPECT_FALSE(test["valid"].get<bool>());
          checked += int(group["tests"].size());
          ++compiled_count;
          ++by_keyword[keyword].first;
          continue;
        }
        EXPECT_NE(error.code(), ErrorCode::kInvalidArgument) << error.what();
        const std::string_view what = error.what();
        const size_t quote = what.find('\'');
        ++reasons[quote == std::string_view::npos
                      ? std::string(what.substr(0, 60))
                      : std::string(
                            what.substr(quote + 1, what.find('\'', quote + 1) - quote - 1))];
        continue;
      }
      ++compiled_count;
      ++by_keyword[keyword].first;
      std::vector<std::string> names;
      list_names(group["schema"], names);
      for (const OrderedJson& test : group["tests"]) {
        const auto& about = test["description"].get_ref<const std::string&>();
        if (is_exempt(member.name, about)) continue;
        const std::string text = write(canonical(test["data"], names));
        EXPECT_EQ(testing::matches(*grammar, text), test["valid"].get<bool>())
            << about << ": " << text << "\n"
            << group["schema"].dump();
        ++checked;
      }
    }
  }
  std::string report;
  for (const auto& [keyword, counts] : by_keyword) {
    report += fmt::format("{} {}/{}, ", keyword, counts.first, counts.second);
  }
  report += "\nrefused: ";
  for (const auto& [reason, count] : reasons) report += fmt::format("{} {}, ", reason, count);
  std::cout << fmt::format("{} of {} schemas compile, {} values checked\n{}\n", compiled_count,
                           group_count, checked, report);
  EXPECT_GT(compiled_count, group_count / 2);
  EXPECT_GT(checked, 1000);
}

}  // namespace
}  // namespace minim
