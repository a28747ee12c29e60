// Constraints and tools through the public API.
#include <cstring>
#include <thread>

#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

using minim::Constraint;
using minim::Match;
using minim::Status;

const char* const kSchema =
    R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 3},
        "kind": {"enum": ["cat", "dog"]}}, "required": ["name", "kind"],
        "additionalProperties": false})";
const char* const kTools =
    R"([{"type": "function", "function": {"name": "weather", "description": "Of a city",
        "parameters": {"type": "object", "properties": {"days": {"type": "integer", "minimum": 1,
        "maximum": 9}}, "required": ["days"]}}}, {"type": "function", "function":
        {"name": "clock", "parameters": {"type": "object", "properties": {}}}}])";

class Structured : public ::testing::Test {
 protected:
  minim::Engine engine_ = make_engine();
  minim::Model model_{engine_, chat_model()};

  // What a generation says, its last event and its calls.
  struct Said {
    std::string text;
    std::vector<std::string> calls;  // "0 name arguments"
    std::vector<std::string> partial;
    minim::DoneReason reason = minim::DoneReason::kNone;
    bool complete = false;
  };
  Said say(minim::Session& session, const minim::GenerateOptions& options, uint64_t seed = 1) {
    Said said;
    minim::Sampling sampling({.temperature = 1.5, .seed = seed});
    for (const minim::Event& event : session.generate(sampling, options)) {
      said.text += event.text;
      if (event.type == minim::EventType::kToolCall) {
        said.calls.push_back(std::to_string(event.call_index) + " " + std::string(event.call_name) +
                             " " + std::string(event.call_arguments));
      } else if (event.type == minim::EventType::kPartialJson) {
        said.partial.emplace_back(event.detail);
      } else if (event.type == minim::EventType::kDone) {
        said.reason = event.reason;
        said.complete = event.complete;
      }
    }
    return said;
  }
  minim::Session session(const char* text = "Once") {
    minim::Session session(model_);
    session.append(text);
    return session;
  }
};

TEST_F(Structured, TextsAreThoseOfTheConstraint) {
  const Constraint constraints[] = {
      Constraint::json_schema(model_, kSchema, minim::JsonSpacing::kSpaced),
      Constraint::regex(model_, "(ab|cd){2,5}"),
      Constraint::grammar(model_, "root ::= \"(\" root \")\" | [0-9]{3}")};
  for (const Constraint& constraint : constraints) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      minim::Session session = this->session();
      const Said said = say(session, {.tokens_max = 300, .constraint = &constraint}, seed);
      EXPECT_EQ(constraint.match(said.text), Match::kWhole) << said.text;
      EXPECT_EQ(said.reason, minim::DoneReason::kEndOfText);
      EXPECT_TRUE(said.complete);
    }
  }
  const Constraint object = Constraint::json_object(model_);
  EXPECT_EQ(object.match("{\"a\": [1, 2]}"), Match::kWhole);
  EXPECT_EQ(object.match("{\"a\": [1,"), Match::kBeginning);
  EXPECT_EQ(object.match("[]"), Match::kNone);
  EXPECT_EQ(object.match(""), Match::kBeginning);
}

TEST_F(Structured, AnswersOfAConversationToo) {
  const Constraint constraint = Constraint::regex(model_, " ?[a-z]{4}!");
  minim::Session session(model_);
  session.chat({{"user", "Hello"}});
  const Said said = say(session, {.tokens_max = 50, .constraint = &constraint});
  EXPECT_EQ(constraint.match(said.text), Match::kWhole) << said.text;
}

TEST_F(Structured, StatisticsTellWhatWasForced) {
  const Constraint constraint =
      Constraint::json_schema(model_, kSchema, minim::JsonSpacing::kSpaced);
  minim::Session session = this->session();
  say(session, {.tokens_max = 300, .constraint = &constraint});
  const minim::SessionStatistics statistics = session.statistics();
  EXPECT_GT(statistics.forced_tokens, 5);
  EXPECT_LT(statistics.decode_passes, statistics.decode_steps);
  EXPECT_GT(statistics.mask_seconds, 0);
}

// A cut answer is told, and can be gone on with: also by another session that loads this one.
TEST_F(Structured, ACutAnswerGoesOn) {
  const Constraint constraint =
      Constraint::json_schema(model_, kSchema, minim::JsonSpacing::kSpaced);
  for (const int64_t most : {1, 7, 20}) {
    minim::Session session = this->session();
    const Said cut = say(session, {.tokens_max = most, .constraint = &constraint});
    EXPECT_EQ(cut.reason, minim::DoneReason::kTokensMax);
    EXPECT_FALSE(cut.complete);
    EXPECT_EQ(constraint.match(cut.text), Match::kBeginning);
    minim::Session copy = session.clone();
    minim::Session loaded(model_);
    loaded.load_bytes(session.save_bytes());
    const minim::GenerateOptions rest = {
        .tokens_max = 300, .constraint = &constraint, .constraint_prefix = cut.text};
    const std::string end = say(session, rest).text;
    EXPECT_EQ(constraint.match(cut.text + end), Match::kWhole) << cut.text << end;
    EXPECT_EQ(say(copy, rest).text, end);
    EXPECT_EQ(say(loaded, rest).text, end);
  }
}

TEST_F(Structured, PartialJsonFollowsForcedText) {
  const Constraint constraint =
      Constraint::json_schema(model_, kSchema, minim::JsonSpacing::kSpaced);
  minim::Session session = this->session();
  const Said said =
      say(session, {.tokens_max = 300, .partial_json = true, .constraint = &constraint});
  ASSERT_GE(said.partial.size(), 3u);
  EXPECT_EQ(said.partial.front(), "{}");
  EXPECT_EQ(said.partial.back(), said.text);
}

TEST_F(Structured, ManySessionsAtOnceWithConstraintsOfTheirOwn) {
  std::vector<std::string> expected;
  for (int round = 0; round < 2; ++round) {
    std::vector<std::string> texts(6);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto run = [&, i] {
        const Constraint constraint =
            i % 2 == 0 ? Constraint::json_schema(model_, kSchema)
                       : Constraint::regex(model_, "[a-c]{" + std::to_string(20 + i) + "}");
        minim::Session session = this->session();
        texts[i] = say(session, {.tokens_max = 200, .constraint = &constraint}, i + 1).text;
        EXPECT_EQ(constraint.match(texts[i]), Match::kWhole);
      };
      if (round == 0) {
        run();
      } else {
        threads.emplace_back(run);
      }
    }
    for (std::thread& thread : threads) thread.join();
    if (round == 0) expected = texts;
    EXPECT_EQ(texts, expected);
  }
}

TEST_F(Structured, ErrorsSayWhatAndWhere) {
  const auto error = [&](const auto& make) { return thrown([&] { static_cast<void>(make()); }); };
  auto [status, message] = error([&] {
    return Constraint::json_schema(
        model_, R"({"properties": {"a": {"type": "array", "uniqueItems": true}}})");
  });
  EXPECT_EQ(status, Status::kUnsupported);
  EXPECT_NE(message.find("uniqueItems"), std::string::npos) << message;
  EXPECT_NE(message.find("#/properties/a"), std::string::npos) << message;
  EXPECT_EQ(error([&] { return Constraint::json_schema(model_, "{"); }).first, Status::kFormat);
  EXPECT_EQ(error([&] { return Constraint::regex(model_, "(?<=x)*"); }).first,
            Status::kUnsupported);
  EXPECT_EQ(error([&] { return Constraint::regex(model_, "("); }).first, Status::kFormat);
  EXPECT_EQ(error([&] { return Constraint::grammar(model_, "root ::= other"); }).first,
            Status::kFormat);
  EXPECT_EQ(error([&] {
              return Constraint::grammar(model_, "root ::= " + std::string(60'000, '('));
            }).first,
            Status::kLimit);
  EXPECT_EQ(error([&] { return Constraint::regex(model_, "(a{1000}){1000}"); }).first,
            Status::kLimit);
}

TEST_F(Structured, ToolsAreCalledWithValidArguments) {
  minim::Session session = this->session();
  const minim::Tools required(model_, kTools,
                              {.choice = minim::ToolChoice::kRequired, .single = true});
  EXPECT_EQ(required.notation(), "hermes");
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Said said = say(session, {.tokens_max = 300, .tools = &required}, seed);
    ASSERT_EQ(said.calls.size(), 1u) << said.text;
    EXPECT_TRUE(said.calls[0] == "0 clock {}" || said.calls[0].starts_with("0 weather {\"days\":"))
        << said.calls[0];
    EXPECT_EQ(said.text, "");
    EXPECT_TRUE(said.complete);
  }
  const minim::Tools named(model_, kTools,
                           {.choice = minim::ToolChoice::kRequired,
                            .name = "clock",
                            .notation = "mistral",
                            .single = true});
  EXPECT_EQ(say(session, {.tokens_max = 100, .tools = &named}).calls,
            std::vector<std::string>{"0 clock {}"});
  const minim::Tools none(model_, kTools, {.choice = minim::ToolChoice::kNone});
  EXPECT_TRUE(say(session, {.tokens_max = 20, .tools = &none}).calls.empty());
}

TEST_F(Structured, ToolsReachThePromptOfAnyTemplate) {
  const std::string text =
      model_.chat_text(R"([{"role": "user", "content": "Hi"}])", {.tools = kTools});
  EXPECT_NE(text.find("\"weather\""), std::string::npos) << text;
  EXPECT_NE(text.find("<tool_call>"), std::string::npos) << text;
  const std::string llama = model_.chat_text(R"([{"role": "user", "content": "Hi"}])",
                                             {.tools = kTools, .tool_notation = "llama"});
  EXPECT_NE(llama.find("\"parameters\": {\"PARAMETER\""), std::string::npos) << llama;
  EXPECT_STATUS(kInvalidArgument,
                model_.chat_text("[]", {.tools = kTools, .tool_notation = "morse"}));
  EXPECT_STATUS(kFormat, model_.chat_text("[]", {.tools = "[{}]"}));
}

TEST_F(Structured, HostileValuesAreRefused) {
  minim_error error = {0, ""};
  const auto refused = [&](minim_status status) {
    EXPECT_EQ(status, MINIM_INVALID_ARGUMENT) << error.message;
    EXPECT_GT(std::strlen(error.message), 0u);
  };
  minim_constraint* constraint = nullptr;
  minim_tools* tools = nullptr;
  int32_t match = 0;
  minim_constraint_options options = MINIM_CONSTRAINT_OPTIONS_INIT;
  minim_tools_options tool_options = MINIM_TOOLS_OPTIONS_INIT;
  const auto make = [&](int32_t kind, const char* text, size_t size) {
    return minim_constraint_new(model_.get(), kind, text, size, &options, &constraint, &error);
  };
  refused(minim_constraint_new(nullptr, 0, "{}", 2, nullptr, &constraint, &error));
  refused(minim_constraint_new(model_.get(), 0, "{}", 2, nullptr, nullptr, &error));
  refused(make(4, "{}", 2));
  refused(make(-1, "{}", 2));
  refused(make(0, nullptr, 2));
  refused(make(2, nullptr, MINIM_TEXT_END));
  options.json_spacing = 3;
  refused(make(0, "{}", 2));
  options = {.struct_size = 3, .json_spacing = 0};
  refused(make(0, "{}", 2));
  refused(minim_constraint_match(nullptr, "a", 1, &match, &error));
  refused(minim_tools_new(nullptr, "[]", 2, nullptr, &tools, &error));
  refused(minim_tools_new(model_.get(), nullptr, 2, nullptr, &tools, &error));
  refused(minim_tools_new(model_.get(), kTools, MINIM_TEXT_END, nullptr, nullptr, &error));
  const auto make_tools = [&] {
    return minim_tools_new(model_.get(), kTools, MINIM_TEXT_END, &tool_options, &tools, &error);
  };
  tool_options.choice = 3;
  refused(make_tools());
  tool_options.choice = MINIM_TOOL_CHOICE_REQUIRED;
  tool_options.name = "absent";
  refused(make_tools());
  tool_options.name = nullptr;
  tool_options.notation = "morse";
  refused(make_tools());
  tool_options.notation = nullptr;
  tool_options.unconstrained = 1;
  refused(make_tools());
  EXPECT_STREQ(minim_tools_notation(nullptr), "");
  minim_constraint_release(nullptr);
  minim_tools_release(nullptr);
}

TEST_F(Structured, GenerationsRefuseWhatContradictsItself) {
  minim::Session session = this->session();
  const Constraint digits = Constraint::regex(model_, "[0-9]+");
  const minim::Tools tools(model_, kTools);
  EXPECT_STATUS(kInvalidArgument, session.generate({}, {.constraint = &digits, .tools = &tools}));
  EXPECT_STATUS(kInvalidArgument, session.generate({}, {.constraint_prefix = "a"}));
  EXPECT_STATUS(kInvalidArgument,
                session.generate({}, {.constraint = &digits, .constraint_prefix = "1a"}));
  const minim::Model other(engine_, plain_model());
  minim::Session of_other(other);
  of_other.append("Once");
  const std::string text =
      of_other.generate_text(greedy(), {.tokens_max = 5, .constraint = &digits});
  EXPECT_EQ(digits.match(text), Match::kWhole) << "the same vocabulary will do";
  EXPECT_EQ(generate(session, 2).size(), 2u);
}

}  // namespace
}  // namespace minim_test
