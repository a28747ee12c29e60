#include "text/chat_template.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::golden_path;

constexpr int64_t kNow = 1722001445;  // 2024-07-26 13:44:05, as in scripts/golden/chat_template.py

struct Outcome {
  std::optional<ErrorCode> error;
  std::string text;  // the output, or the error's message
};

Outcome render(std::string_view source, const OrderedJson& variables,
               const ChatTemplateLimits& limits = {}) {
  try {
    return {std::nullopt, ChatTemplate(source, limits).render(variables, kNow)};
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
}

std::string describe(const Outcome& outcome) {
  return outcome.error ? fmt::format("{} error: {}", error_code_name(*outcome.error), outcome.text)
                       : OrderedJson(outcome.text).dump();
}

// Whether an outcome is the one that a golden file describes; scripts/golden/chat_template.py says
// how it does.
bool matches(const Outcome& outcome, std::string_view expected) {
  if (expected.starts_with('"')) {
    return !outcome.error && outcome.text == OrderedJson::parse(expected).get<std::string>();
  }
  const size_t space = std::min(expected.find(' '), expected.size());
  const std::string_view code = expected.substr(1, space - 1);
  std::string words;
  if (space < expected.size()) words = OrderedJson::parse(expected.substr(space + 1));
  if (!outcome.error || outcome.text.find(words) == std::string::npos) return false;
  switch (*outcome.error) {
    case ErrorCode::kFormat: return code == "format";
    case ErrorCode::kUnsupported: return code == "unsupported" || code == "undefined";
    case ErrorCode::kInvalidArgument: return code == "invalid" || code == "undefined";
    case ErrorCode::kLimit: return code == "limit";
    default: return false;
  }
}

std::vector<std::string> read_lines(const Path& path) {
  const std::string text = read_file(path);
  std::vector<std::string> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

OrderedJson read_json(std::string_view name) {
  return parse_ordered_json(read_file(golden_path(fmt::format("golden/chat_template/{}", name))),
                            name);
}

// The output or error of hundreds of small templates is jinja2's.
TEST(ChatTemplate, SnippetsMatchJinja2) {
  const OrderedJson variables = read_json("variables.json");
  std::string source;
  int count = 0;
  for (const std::string& line : read_lines(golden_path("golden/chat_template/snippets.txt"))) {
    if (!line.starts_with(">>> ")) {
      if (line.starts_with("## ") || (line.empty() && source.empty())) continue;
      source += source.empty() ? line : "\n" + line;
      continue;
    }
    const std::string text =
        source.starts_with('"') ? OrderedJson::parse(source).get<std::string>() : source;
    const std::string expected = line.substr(line.starts_with(">>> =") ? 5 : 4);
    const Outcome outcome = render(text, variables);
    EXPECT_TRUE(matches(outcome, expected)) << "template: " << source << "\nexpected: " << expected
                                            << "\ngot:      " << describe(outcome);
    source.clear();
    ++count;
  }
  EXPECT_GT(count, 700);
}

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char byte : text) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001B3u;
  return hash;
}

// Published templates render a zoo of conversations as jinja2 does. The templates are third
// parties'; only hashes of what they print are kept here.
TEST(ChatTemplate, PublishedTemplatesMatchJinja2) {
  MINIM_DATA_OR_SKIP(archive, "conformance/chat_templates_llamacpp.tar.xz");
  std::map<std::string, std::unique_ptr<ChatTemplate>> templates;
  for (const auto& [name, content] : testing::read_archive(archive)) {
    templates[name] = std::make_unique<ChatTemplate>(content);
  }
  std::map<std::string, OrderedJson> conversations;
  for (const OrderedJson& conversation : read_json("conversations.json")) {
    const std::string name = conversation["name"];
    conversations[name] = conversation["variables"];
  }
  int count = 0;
  for (const std::string& line : read_lines(golden_path("golden/chat_template/published.txt"))) {
    if (line.starts_with('#')) continue;
    const size_t first = line.find(' ');
    const size_t second = line.find(' ', first + 1);
    const std::string name = line.substr(0, first);
    const std::string conversation = line.substr(first + 1, second - first - 2);
    const std::string expected = line.substr(second + 1);
    OrderedJson variables = conversations.at(conversation);
    variables["add_generation_prompt"] = line[second - 1] == '+';
    Outcome outcome;
    try {
      outcome.text = templates.at(name)->render(variables, kNow);
    } catch (const Error& error) {
      outcome = {error.code(), error.what()};
    }
    const std::string hash = fmt::format("{:016x} {}", fnv1a(outcome.text), outcome.text.size());
    EXPECT_TRUE(outcome.error ? matches(outcome, expected) : hash == expected)
        << line << "\ngot: " << describe(outcome);
    ++count;
  }
  EXPECT_EQ(count, 816);
}

// Runs a hostile template: it must end in kLimit, soon.
void expect_limit(std::string_view name, const std::string& source,
                  const ChatTemplateLimits& limits = {}) {
  const std::clock_t start = std::clock();  // processor time: the machine may be busy
  const Outcome outcome = render(source, {{"n", 5}, {"items", {1, 2, 3}}}, limits);
  const double elapsed_s = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_EQ(outcome.error, ErrorCode::kLimit) << name << ": " << describe(outcome).substr(0, 300);
  EXPECT_LT(elapsed_s, 20) << name;  // generous: sanitizers take ten times as long
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(ChatTemplateLimits, NestingInTheTextIsBounded) {
  constexpr int kDeep = 50'000;
  expect_limit("parentheses", "{{ " + repeated("(", kDeep) + "1" + repeated(")", kDeep) + " }}");
  expect_limit("unclosed parentheses", "{{ " + repeated("(", 2 * kDeep));
  expect_limit("lists", "{{ " + repeated("[", kDeep) + repeated("]", kDeep) + " }}");
  expect_limit("dicts", "{{ " + repeated("{1:", kDeep));
  expect_limit("subscripts", "{{ " + repeated("a[", kDeep));
  expect_limit("calls", "{{ " + repeated("f(", kDeep));
  expect_limit("not", "{{ " + repeated("not ", kDeep) + "1 }}");
  expect_limit("minus", "{{ " + repeated("-", kDeep) + "1 }}");
  expect_limit("else", "{{ " + repeated("1 if 0 else ", 20'000) + "1 }}");
  expect_limit("tests", "{{ 1" + repeated(" is in [1", 20'000) + repeated("]", 20'000) + " }}");
  expect_limit("targets", "{% set " + repeated("(", kDeep) + "a");
  expect_limit("blocks", repeated("{% if 1 %}", 20'000));
  expect_limit("loops", repeated("{% for i in [1] %}", 10'000));
}

TEST(ChatTemplateLimits, ChainsInTheTextAreBounded) {
  expect_limit("sum", "{{ 1" + repeated(" + 1", 50'000) + " }}");
  expect_limit("filters", "{{ 1" + repeated("|abs", 50'000) + " }}");
  expect_limit("attributes", "{{ a" + repeated(".b", 50'000) + " }}");
  expect_limit("items", "{{ a" + repeated("[0]", 50'000) + " }}");
  expect_limit("calls", "{{ a" + repeated("()", 50'000) + " }}");
  expect_limit("and", "{{ 1" + repeated(" and 1", 30'000) + " }}");
  expect_limit("if", "{{ 1" + repeated(" if 1", 30'000) + " }}");
  expect_limit("arguments", "{{ f(" + repeated("1, ", 50'000) + ") }}");
  expect_limit("size", std::string((256 << 10) + 1, 'x'));
  // Wide but flat is fine.
  EXPECT_EQ(render("{{ 1" + repeated(" ~ 1", 30'000) + " }}", OrderedJson::object()).text.size(),
            30'001u);
}

// The analysis of nested scopes looks at names again for each level, which must not add up.
TEST(ChatTemplateLimits, AnalysisIsBounded) {
  std::string sets;
  for (int i = 0; i < 13'000; ++i) sets += fmt::format("{{%set a{}=1%}}", i);
  constexpr int kDeep = 90;
  expect_limit("if", repeated("{%if 1%}", kDeep) + sets + repeated("{%endif%}", kDeep));
  expect_limit("for", repeated("{%for i in []%}", kDeep) + sets + repeated("{%endfor%}", kDeep));
  EXPECT_EQ(render(sets + "ok", OrderedJson::object()).text, "ok");
}

TEST(ChatTemplateLimits, CallsWithoutEndAreBounded) {
  expect_limit("itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  expect_limit("each other",
               "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}"
               "{{ a() }}");
  expect_limit("caller",
               "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}"
               "{% call m() %}x{% endcall %}");
  expect_limit("loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
  expect_limit("default", "{% macro m(a=m()) %}{% endmacro %}{{ m() }}");
}

TEST(ChatTemplateLimits, StepsAreBounded) {
  const std::string loops =
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
  expect_limit("loops", loops);
  expect_limit("filters", "{{ range(100000)|map('string')|map('length')|sum }}",
               {.steps_max = 50'000});
  expect_limit(
      "text work",
      "{% set s = 'a' * 30000000 %}{% for i in range(100000) %}{{ 'b' in s }}{% endfor %}");
  const ChatTemplateLimits few = {.steps_max = 1'000'000};
  const std::string needle =
      "{% set a = 'a' * 1000000 %}{% set b = 'a' * 300000 ~ 'b' %}"
      "{% set c = 'b' ~ 'a' * 300000 %}{% for i in range(100000) %}";
  expect_limit("hard search", needle + "{{ b in a }}{% endfor %}", few);
  expect_limit("hard find", needle + "{{ a.find(b) }}{% endfor %}", few);
  expect_limit("hard rfind", needle + "{{ a.rfind(c) }}{% endfor %}", few);
  expect_limit("hard split", needle + "{{ a.split(b)|length }}{% endfor %}", few);
  expect_limit("hard rsplit", needle + "{{ a.rsplit(c)|length }}{% endfor %}", few);
  expect_limit("hard replace", needle + "{{ a.replace(b, c)|length }}{% endfor %}", few);
  expect_limit("hard count", needle + "{{ a.count(b) }}{% endfor %}", few);
  const std::string forever = "{% for i in range(100000) %}{% for j in range(100000) %}";
  const std::string ends = "{% endfor %}{% endfor %}";
  const std::string long_name(200'000, 'n');
  expect_limit("long attribute", forever + "{% if n." + long_name + " %}{% endif %}" + ends);
  expect_limit("long name", forever + "{% if " + long_name + " %}{% endif %}" + ends);
  expect_limit("long namespace attribute", "{% set ns = namespace() %}" + forever + "{% set ns." +
                                               long_name + " = 1 %}" + ends);
  expect_limit(
      "many keywords",
      "{% macro m() %}{{ kwargs.a }}{% endmacro %}{% set d = dict(range(1998)|map('string')"
      "|batch(2)) %}" +
          forever + "{% set x = m(**d) %}" + ends);
  expect_limit("negative steps", "a", {.steps_max = -1});
}

TEST(ChatTemplateLimits, OutputIsBounded) {
  expect_limit("output", "{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}");
  expect_limit("small", "0123456789", {.output_bytes_max = 9});
  EXPECT_EQ(render("0123456789", OrderedJson::object(), {.output_bytes_max = 10}).text,
            "0123456789");
}

TEST(ChatTemplateLimits, MemoryIsBounded) {
  const std::string double_it = "{% set ns = namespace(x='ab') %}{% for i in range(100) %}";
  expect_limit("repeat", "{{ ('a' * 10**9)|length }}");
  expect_limit("repeat more", "{{ ('ab' * 10**30)|length }}");
  expect_limit("repeat a list", "{{ ([1, 2] * 10**9)|length }}");
  expect_limit("doubling", double_it + "{% set ns.x = ns.x + ns.x %}{% endfor %}");
  expect_limit("doubling ~", double_it + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}");
  expect_limit("doubling lists", double_it + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}");
  expect_limit("doubling json",
               double_it + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}");
  expect_limit("doubling equality",
               "{% set a = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
               "{% set a.x = [a.x, a.x] %}{% set a.y = [a.y, a.y] %}{% endfor %}{{ a.x == a.y }}");
  expect_limit("range", "{{ range(10**9) }}");
  expect_limit("replace", "{{ ('a' * 10000)|replace('a', 'b' * 100000)|length }}");
  expect_limit("join", "{{ (range(100000)|join('x' * 10000))|length }}");
  expect_limit("center", "{{ 'a'.center(10**12) }}");
  expect_limit("ljust", "{{ 'a'.ljust(10**18)|length }}");
  expect_limit("zfill", "{{ 'a'.zfill(10**12)|length }}");
  expect_limit("indent", "{{ 'a'|indent(10**12, true) }}");
  expect_limit("json indent", "{{ [1]|tojson(indent=10**12) }}");
  expect_limit("percent width", "{{ '%999999999d' % 1 }}");
  expect_limit("percent star", "{{ '%*d' % (10**15, 1) }}");
  expect_limit("percent precision", "{{ '%.999999999f' % 1.5 }}");
  expect_limit("brace width", "{{ '{:999999999}'.format('a') }}");
  expect_limit("expandtabs", "{{ 'a\\tb'.expandtabs(10**12) }}");
  expect_limit("batch", "{{ [1]|batch(10**12, 0)|list }}");
  expect_limit("set block",
               "{% set x %}{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}{% endset %}");
  expect_limit("characters", "{{ ('a' * 3000000)|list|length }}");
  expect_limit("small", "{{ 'a' * 2000 }}", {.memory_bytes_max = 1000});
}

TEST(ChatTemplateLimits, DeepValuesAreBoundedAndFreedWithoutRecursion) {
  const std::string chain =
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}"
      "{% endfor %}";
  EXPECT_EQ(render(chain + "ok", OrderedJson::object()).text, "ok");
  expect_limit("print", chain + "{{ ns.x }}");
  expect_limit("json", chain + "{{ ns.x|tojson }}");
  expect_limit("equality", chain + "{% set a = ns.x %}" + chain + "{{ a == ns.x }}");
  expect_limit("order", chain + "{% set a = ns.x %}" + chain + "{{ a < ns.x }}");
  expect_limit("itself", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}");
  expect_limit("generators",
               "{% set ns = namespace(x=[1]) %}{% for i in range(10000) %}"
               "{% set ns.x = ns.x|map('string') %}{% endfor %}{{ ns.x|list }}");
  const std::string namespaces =
      "{% set a = namespace(m=none) %}{% for i in range(50000) %}{% set b = namespace(m=a.m) %}"
      "{% set a.m = b %}{% endfor %}ok";
  EXPECT_EQ(render(namespaces, OrderedJson::object()).text, "ok");
  // Cycles through frames, loops and namespaces are freed too (the leak checker sees to it).
  EXPECT_EQ(render("{% set ns = namespace() %}{% macro m() %}{% set ns.m = m %}{% endmacro %}"
                   "{{ m() }}{% for i in [1] %}{% set ns.l = loop %}{{ loop.changed(loop) }}"
                   "{% endfor %}{% set ns.ns = ns %}",
                   OrderedJson::object())
                .text,
            "True");
}

TEST(ChatTemplate, VariablesMayBeDeepOnlyToABound) {
  OrderedJson deep = 1;
  for (int i = 0; i < 600; ++i) deep = OrderedJson::array({std::move(deep)});
  EXPECT_EQ(render("{{ deep }}", {{"deep", deep}}).error, ErrorCode::kLimit);
  EXPECT_EQ(render("ok", {{"deep", deep}}).text, "ok");  // what is not asked for costs nothing
}

TEST(ChatTemplate, RefusesWhatIsNotText) {
  EXPECT_EQ(render("a\xFF", OrderedJson::object()).error, ErrorCode::kFormat);
  EXPECT_EQ(render("{{ x }}", {{"x", "a\xC0\x80"}}).error, ErrorCode::kInvalidArgument);
  EXPECT_EQ(render("{{ x }}", OrderedJson::array()).error, ErrorCode::kInvalidArgument);
  EXPECT_EQ(render("{{ x }}", {{"x", OrderedJson::binary({1})}}).error,
            ErrorCode::kInvalidArgument);
  const std::string zero("a{{ x }}\0b", 10);
  EXPECT_EQ(render(zero, {{"x", std::string("\0", 1)}}).text, std::string("a\0\0b", 4));
}

// What is read from a user's message is text, never template.
TEST(ChatTemplate, TextOfVariablesIsNotEvaluated) {
  EXPECT_EQ(render("{{ x }}", {{"x", "{{ 1 + 1 }}{% if %}{#"}}).text, "{{ 1 + 1 }}{% if %}{#");
}

TEST(ChatTemplate, ErrorsNameTheLineAndTheThing) {
  const auto message = [](std::string_view source) {
    return render(source, {{"messages", OrderedJson::array()}}).text;
  };
  EXPECT_EQ(message("a\nb\n{{ 'x'|nope }}"),
            "chat template: line 3: the filter 'nope' is not known");
  EXPECT_EQ(message("\n{{ 1 is nope }}"), "chat template: line 2: the test 'nope' is not known");
  EXPECT_EQ(message("\n\n{% include 'x' %}"),
            "chat template: line 3: the tag 'include' is not known");
  EXPECT_EQ(message("{# \n #}\n{{ nope() }}"),
            "chat template: line 3: 'nope' is undefined, so it cannot be called");
  EXPECT_EQ(message("\n{{ 'x'.encode() }}"), "chat template: line 2: the string method 'encode'");
  EXPECT_EQ(message("\n{{ messages.append(1) }}"),
            "chat template: line 2: access to attribute 'append' of 'list' object is unsafe., so "
            "it cannot be called");
  EXPECT_EQ(message("{%- if true %}\n\n  {{- messages[0].role }}{% endif %}"),
            "chat template: line 3: list object has no element 0");
  EXPECT_EQ(message("\n{{ raise_exception('No system role') }}"),
            "chat template: line 2: No system role");
  EXPECT_EQ(message("{% if true %}\n{% for x in [1] %}"),
            "chat template: line 2: the template ends inside a block; 'endfor|else' is missing");
  EXPECT_EQ(message("\n\n{{ 1 + }}"),
            "chat template: line 3: unexpected the end of the print statement");
}

TEST(ChatTemplate, PrintsTheTimeItIsGiven) {
  const ChatTemplate clock("{{ strftime_now('%d %b %Y %H:%M') }}");
  EXPECT_EQ(clock.render(OrderedJson::object()), "01 Jan 1970 00:00");
  EXPECT_EQ(clock.render(OrderedJson::object(), kNow), "26 Jul 2024 13:44");
  EXPECT_EQ(clock.render(OrderedJson::object(), -1), "31 Dec 1969 23:59");
  EXPECT_EQ(clock.render(OrderedJson::object(), 951782399), "28 Feb 2000 23:59");
  EXPECT_EQ(clock.render(OrderedJson::object(), 951782400), "29 Feb 2000 00:00");
  EXPECT_EQ(clock.render(OrderedJson::object(), INT64_MAX), "31 Dec 9999 23:59");
  EXPECT_EQ(clock.render(OrderedJson::object(), INT64_MIN), "01 Jan 1 00:00");
}

TEST(ChatTemplate, IsSafeToShareBetweenThreads) {
  const ChatTemplate shared(
      "{% set t = 'text' %}{% for i in range(200) %}{{ t ~ i }}{{ [t, 'b']|join(',') }}{% endfor %}"
      "{{ users|map(attribute='name')|join }}");
  const OrderedJson variables = {{"users", {{{"name", "a"}}, {{"name", "b"}}}}};
  const std::string expected = shared.render(variables);
  std::vector<std::string> results(4);
  std::vector<std::thread> threads;
  for (std::string& result : results) {
    threads.emplace_back([&] { result = shared.render(variables); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace minim
