#include "bench/constrain/cases.h"

#include <algorithm>
#include <sstream>

#include "base/json.h"
#include "tests/support/test_data.h"

namespace minim::bench {
namespace {

constexpr const char* kPerson = R"({"type":"object","properties":{"name":{"type":"string"},
  "age":{"type":"integer"},"email":{"type":"string"},
  "tags":{"type":"array","items":{"type":"string"}},
  "address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},
  "zip":{"type":"string"}},"required":["street","city"],"additionalProperties":false}},
  "required":["name","age","address"],"additionalProperties":false})";
constexpr const char* kPersonText = R"({"name": "Ada Lovelace", "age": 36, "email":
 "ada@example.org", "tags": ["mathematics", "first programmer", "poetry"], "address": {"street": "12
 St James's Square", "city": "London", "zip": "SW1Y 4LB"}})";

constexpr const char* kTree = R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object",
  "properties":{"label":{"type":"string"},"weight":{"type":"number"},"children":{"type":"array",
  "items":{"$ref":"#/$defs/node"}}},"required":["label","children"],
  "additionalProperties":false}}})";
constexpr const char* kTreeText = R"({"label": "root", "weight": 1.5, "children": [{"label": "left",
 "children": [{"label": "leaf one", "weight": -2e3, "children": []}]}, {"label": "right", "weight":
 0.25, "children": []}]})";

constexpr const char* kLimits = R"({"type":"object","properties":{"title":{"type":"string",
  "minLength":1,"maxLength":120},"score":{"type":"number","minimum":0,"maximum":10},"count":{
  "type":"integer","minimum":1,"maximum":5000},"ratio":{"type":"number","multipleOf":0.01},"codes":{
  "type":"array","items":{"type":"string","pattern":"^[A-Z]{2}-[0-9]{4}$"},"minItems":1,
  "maxItems":20},"when":{"type":"string","format":"date-time"},"id":{"type":"string",
  "format":"uuid"}},"required":["title","score","count","codes","when","id"],
  "additionalProperties":false})";
constexpr const char* kLimitsText = R"({"title": "Quarterly report on the state of the bridges",
 "score": 7.25, "count": 312, "ratio": 0.37, "codes": ["AB-1234", "XY-0007"], "when":
 "2024-02-29T12:30:00Z", "id": "2eb8aa08-aa98-11ea-b4aa-73b441d16380"})";

constexpr const char* kUnion = R"({"type":"array","items":{"anyOf":[
  {"type":"object","properties":{"kind":{"const":"move"},"x":{"type":"integer"},"y":{"type":
  "integer"}},"required":["kind","x","y"],"additionalProperties":false},
  {"type":"object","properties":{"kind":{"const":"say"},"text":{"type":"string"},"mood":{"enum":
  ["calm","angry","glad"]}},"required":["kind","text"],"additionalProperties":false},
  {"type":"object","properties":{"kind":{"const":"wait"},"seconds":{"type":"number"}},
  "required":["kind","seconds"],"additionalProperties":false}]}})";
constexpr const char* kUnionText = R"([{"kind": "move", "x": 12, "y": -5}, {"kind": "say", "text":
 "Hello there, traveller.", "mood": "glad"}, {"kind": "wait", "seconds": 2.5}])";

constexpr const char* kOpen = R"({"type":"object","properties":{"id":{"type":"integer"}},
  "additionalProperties":{"type":["string","number","null"]}})";
constexpr const char* kOpenText =
    R"({"id": 7, "colour": "dark green", "weight": 1.25, "owner": null,
 "remarks": "none so far"})";

constexpr const char* kDate =
    "(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, [0-3]?[0-9] [A-Z][a-z]{2,8} [12][0-9]{3}";
constexpr const char* kWords = R"([\p{L}' -]+([.,;:!?] ?[\p{L}' -]+)*[.!?])";
constexpr const char* kWordsText =
    "The quick brown fox jumps over the lazy dog, again and again. So it goes!";

constexpr const char* kArithmetic = R"gbnf(root ::= (expression "=" space number "\n")+
expression ::= term ([-+*/] space term)*
term ::= number | "(" space expression ")" space
number ::= [0-9]+ ("." [0-9]+)? space
space ::= [ ]*
)gbnf";
constexpr const char* kArithmeticText = "12 + (3 * (45 - 6)) / 7 = 28.71\n1 + 1 = 2\n";

// Samples are written over several lines above.
std::string one_line(std::string text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && i + 1 < text.size() && text[i + 1] == ' ') continue;
    result += text[i];
  }
  return result;
}

// BFCL's own names for types.
void rename_types(OrderedJson& schema) {
  if (schema.is_object() && schema.contains("type") && schema["type"].is_string()) {
    const std::string type = schema["type"];
    if (type == "dict") schema["type"] = "object";
    if (type == "float") schema["type"] = "number";
    if (type == "tuple") schema["type"] = "array";
    if (type == "any") schema.erase("type");
  }
  if (!schema.is_structured()) return;
  for (auto& part : schema) rename_types(part);
}

ConstraintClass function_arguments() {
  ConstraintClass result{"function arguments (BFCL)", {}};
  const Path questions = testing::data_path("eval/bfcl/BFCL_v4_simple_python.json.xz");
  const Path answers = testing::data_path("eval/bfcl/possible_answer/BFCL_v4_simple_python.json");
  if (questions.empty() || answers.empty()) return result;
  std::istringstream question_lines(testing::read_data(questions));
  std::istringstream answer_lines(testing::read_data(answers));
  std::string question, answer;
  while (std::getline(question_lines, question) && std::getline(answer_lines, answer)) {
    OrderedJson schema = OrderedJson::parse(question)["function"][0]["parameters"];
    rename_types(schema);
    const OrderedJson truth = OrderedJson::parse(answer)["ground_truth"][0];
    OrderedJson values = OrderedJson::object();
    for (const auto& [name, unused] : schema["properties"].items()) {
      const OrderedJson& accepted = truth.begin().value();
      if (accepted.contains(name) && accepted[name][0] != "") values[name] = accepted[name][0];
    }
    std::string text;
    for (const auto& [name, value] : values.items()) {
      text += (text.empty() ? "" : ", ") + OrderedJson(name).dump() + ": " + value.dump();
    }
    result.cases.push_back({{ConstraintKind::kSchema, schema.dump()}, {"{" + text + "}"}});
  }
  return result;
}

}  // namespace

std::vector<ConstraintClass> constraint_classes() {
  const auto schema = [](const char* name, const char* text, const char* sample) {
    return ConstraintClass{name, {{{ConstraintKind::kSchema, text}, {one_line(sample)}}}};
  };
  std::vector<ConstraintClass> classes = {
      {"any JSON object",
       {{{ConstraintKind::kJsonObject}, {one_line(kPersonText), one_line(kTreeText)}}}},
      schema("object", kPerson, kPersonText),
      schema("recursive objects", kTree, kTreeText),
      schema("ranges, lengths, patterns", kLimits, kLimitsText),
      schema("unions", kUnion, kUnionText),
      schema("additional properties", kOpen, kOpenText),
      {"regex: date", {{{ConstraintKind::kRegex, kDate}, {"Thursday, 29 February 2024"}}}},
      {"regex: Unicode words", {{{ConstraintKind::kRegex, kWords}, {kWordsText}}}},
      {"gbnf: arithmetic", {{{ConstraintKind::kGbnf, kArithmetic}, {kArithmeticText}}}},
  };
  ConstraintClass functions = function_arguments();
  if (!functions.cases.empty()) classes.push_back(std::move(functions));
  return classes;
}

std::vector<ConstraintSource> hostile_sources() {
  const std::string groups(60'000, '(');
  std::vector<ConstraintSource> sources;
  for (const std::string& pattern :
       {groups, std::string("(a+)+b"), std::string("(?<=x)*"), std::string("(.*a.{30})"),
        std::string("((((a{1000}){1000}){1000}){1000})"), std::string("(\\pL{1,500}x){500}"),
        std::string("[^a]{100000}"), std::string("(?i)(\\w{1,50}\\W{1,50}){50}"),
        std::string("(x{0,300}y?){300}"), std::string("(.{0,200}a.{0,200}){8}")}) {
    sources.push_back({ConstraintKind::kRegex, pattern});
  }
  sources.push_back({ConstraintKind::kGbnf, "root ::= " + groups});
  std::string doubling = "root ::= r0\n";
  for (int i = 0; i < 5'000; ++i) {
    doubling += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + " r" +
                std::to_string(i + 1) + "?\n";
  }
  sources.push_back({ConstraintKind::kGbnf, doubling + "r5000 ::= [a-z]"});
  std::string deep = "{}";
  for (int i = 0; i < 150; ++i) deep = R"({"items":)" + deep + "}";
  for (const std::string& schema :
       {deep, std::string(200'000, '['), std::string(R"({"type":"string","pattern":"(?<=x)*"})"),
        std::string(R"({"type":"string","maxLength":1000000})"),
        std::string(R"({"type":"string","pattern":"^(a?){5000}.*b.{30}$"})"),
        std::string(R"({"type":"array","items":{"type":"string","maxLength":900},"minItems":900})"),
        std::string(R"({"type":"object","minProperties":900,"maxProperties":1000})")}) {
    sources.push_back({ConstraintKind::kSchema, schema});
  }
  return sources;
}

}  // namespace minim::bench
