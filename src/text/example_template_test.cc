#include "text/example_template.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace minim {
namespace {

using Texts = std::vector<std::string>;

const OrderedJson kRecord = {{"text", "a fine film"},
                             {"label", "1"},
                             {"first name", "Ada"},
                             {"parts", {{{"text", "at "}}, {{"text", "six"}, {"slot", "time"}}}}};

std::string render(const std::string& source) { return RecordTemplate(source).render(kRecord); }

std::string message_of(const std::string& source) {
  try {
    return render(source);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(RecordTemplate, FieldsAreVariables) {
  EXPECT_EQ(render("Is it good? {{ text }}"), "Is it good? a fine film");
  EXPECT_EQ(render("{{ ['bad', 'good'][label | int] }}"), "good");
  EXPECT_EQ(render("{{ record['first name'] }}"), "Ada");
  EXPECT_EQ(render("{% for part in parts %}{{ part.text }}{% endfor %}"), "at six");
  EXPECT_EQ(render("\n {{ text }} \n"), "a fine film");
}

// A tool call out of a list of pieces, as sets of spoken commands store them.
TEST(RecordTemplate, WritesJson) {
  EXPECT_EQ(render("{% set call = namespace(slots={}) %}{% for part in parts if part.slot %}"
                   "{% set call.slots = dict(call.slots, **{part.slot: part.text}) %}{% endfor %}"
                   "{{ {'name': 'Wake', 'arguments': call.slots} | tojson }}"),
            R"({"name": "Wake", "arguments": {"time": "six"}})");
}

// Jinja prints nothing for what is not there; a misspelt field must not pass unseen.
TEST(RecordTemplate, MissingFieldsAreErrors) {
  EXPECT_EQ(message_of("{{ txt }}"), "there is no 'txt'; there is text, label, first name, parts");
  EXPECT_EQ(message_of("{% if lable == '1' %}x{% endif %}"),
            "there is no 'lable'; there is text, label, first name, parts");
  EXPECT_EQ(
      message_of("{% set x = text %}{{ x }}{% for i in range(2) %}{{ loop.index }}{% endfor %}"),
      "a fine film12");
  EXPECT_EQ(message_of("{{ record.absent }}"), "");
  EXPECT_THROW(RecordTemplate("{{ text"), Error);
}

TEST(ExampleTemplate, TheSeedChoosesTheWayToAsk) {
  const Texts prompts = {"One: {{ text }}", "Two: {{ text }}", "Three: {{ text }}"};
  const ExampleTemplate examples(prompts, "{{ label }}");
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Example example = examples.render(kRecord, seed);
    EXPECT_EQ(example.answer, "1");
    EXPECT_EQ(example.prompt, examples.render(kRecord, seed).prompt);
    seen.insert(example.prompt);
  }
  EXPECT_EQ(seen,
            (std::set<std::string>{"One: a fine film", "Two: a fine film", "Three: a fine film"}));
}

TEST(ExampleTemplate, ErrorsNameTheTemplate) {
  const Texts prompts = {"{{ text }}", "{% if %}"};
  try {
    const ExampleTemplate examples(prompts, "x");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("prompt 2: ")) << error.what();
  }
}

}  // namespace
}  // namespace minim
