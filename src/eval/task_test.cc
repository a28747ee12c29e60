#include "eval/task.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "eval/task_run.h"

namespace minim {
namespace {

TaskOptions choice_task() {
  TaskOptions options;
  options.name = "t";
  options.prompt = "{{ q }}?";
  options.choices = {"no", "yes"};
  options.answer = "{{ a }}";
  options.metrics = {Metric::kAccuracy};
  return options;
}

std::string refusal(const TaskOptions& options) {
  try {
    const Task task(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Task, KindsFollowFromItsKeys) {
  TaskOptions options = choice_task();
  EXPECT_EQ(Task(options).kind(), TaskKind::kChoice);
  options.choices.clear();
  EXPECT_EQ(Task(options).kind(), TaskKind::kGeneration);
  options.answer.clear();
  options.metrics = {Metric::kBitsPerByte};
  EXPECT_EQ(Task(options).kind(), TaskKind::kText);
}

TEST(Task, WhatDoesNotGoTogetherIsRefused) {
  TaskOptions options = choice_task();
  options.metrics.clear();
  EXPECT_EQ(refusal(options), "it has no 'metrics'");
  options.metrics = {Metric::kBleu};
  EXPECT_EQ(refusal(options), "the metric bleu is not for 'choices'");
  options.metrics = {Metric::kF1};
  EXPECT_EQ(refusal(options), "the metric f1 needs 'positive', the class that it is of");
  options = choice_task();
  options.prompt = "{{ q";
  EXPECT_TRUE(refusal(options).starts_with("'prompt' is no template: ")) << refusal(options);
  options = choice_task();
  options.given = "{{ output }}";
  EXPECT_EQ(refusal(options), "'given' is for answers that the model writes");
}

TEST(Task, TheRightChoiceIsATextALetterOrAnIndex) {
  const Task task(choice_task());
  for (const char* answer : {"yes", "B", "1"}) {
    const auto item = task.make_item({{"q", "x"}, {"a", answer}}, "f:1");
    ASSERT_TRUE(item) << answer;
    EXPECT_EQ(item->right, 1u) << answer;
    EXPECT_EQ(item->answer, "yes") << answer;
  }
  EXPECT_FALSE(task.make_item({{"q", "x"}, {"a", ""}}, "f:1"));
  for (const char* answer : {"maybe", "C", "2", "-1"}) {
    try {
      task.make_item({{"q", "x"}, {"a", answer}}, "f:7");
      ADD_FAILURE() << answer;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("f:7: the answer '")) << error.what();
    }
  }
}

TEST(Task, ChoicesMayComeAsAList) {
  TaskOptions options = choice_task();
  options.choices = {"{{ list | tojson }}"};
  const Task task(options);
  const auto item =
      task.make_item({{"q", "x"}, {"a", "B"}, {"list", {"one", "two", "three"}}}, "f:1");
  EXPECT_EQ(item->choices, (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(item->answer, "two");
  EXPECT_THROW(task.make_item({{"q", "x"}, {"a", "B"}, {"list", {1, 2}}}, "f:1"), Error);
}

TEST(Task, WhatCountsOfAnAnswer) {
  TaskOptions options = choice_task();
  options.choices.clear();
  EXPECT_EQ(Task(options).read_answer("a, b"), "a, b");
  options.given = "{{ output.split(',')[0] }}";
  EXPECT_EQ(Task(options).read_answer("a, b"), "a");
}

TaskOutcome outcome(const std::string& expected, const std::string& given) {
  TaskOutcome made;
  made.origin = expected + "/" + given;
  made.expected = expected;
  made.given = given;
  return made;
}

double value_of(Metric metric, const std::vector<TaskOutcome>& outcomes,
                const std::string& positive = {}) {
  TaskOptions options;
  options.metrics = {metric};
  options.positive = positive;
  return score_outcomes(options, outcomes).at(0).interval.value;
}

// Two of three spams are found, and one ham is called spam.
TEST(TaskScores, ClassesByHand) {
  const std::vector<TaskOutcome> outcomes = {outcome("spam", "Spam"), outcome("spam", "spam."),
                                             outcome("spam", "ham"),  outcome("ham", "ham"),
                                             outcome("ham", "spam"),  outcome("ham", "???")};
  EXPECT_DOUBLE_EQ(value_of(Metric::kAccuracy, outcomes), 0.5);
  EXPECT_DOUBLE_EQ(value_of(Metric::kPrecision, outcomes, "spam"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(Metric::kRecall, outcomes, "spam"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(Metric::kF1, outcomes, "spam"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(Metric::kMacroF1, outcomes), (2.0 / 3 + 2.0 / 5) / 2);
  EXPECT_DOUBLE_EQ(value_of(Metric::kRecall, outcomes, "absent"), 0);
  EXPECT_DOUBLE_EQ(value_of(Metric::kExact, outcomes), 1.0 / 6);
}

// Classes that a resampling leaves out count neither as right nor as wrong.
TEST(TaskScores, TheIntervalOfManySmallClassesHoldsTheValue) {
  std::vector<TaskOutcome> outcomes;
  for (int i = 0; i < 60; ++i) {
    const std::string name = std::to_string(i % 30);
    outcomes.push_back(outcome(name, i % 3 == 0 ? "x" : name));
  }
  TaskOptions options;
  options.metrics = {Metric::kMacroF1};
  const Interval interval = score_outcomes(options, outcomes)[0].interval;
  EXPECT_LT(interval.low, interval.value);
  EXPECT_GT(interval.high, interval.value);
}

TEST(TaskScores, BitsPerByteIsARatioOfSums) {
  std::vector<TaskOutcome> outcomes(2);
  outcomes[0].nats = 3 * std::log(2.0);
  outcomes[0].bytes = 1;
  outcomes[1].nats = 3 * std::log(2.0);
  outcomes[1].bytes = 5;
  EXPECT_DOUBLE_EQ(value_of(Metric::kBitsPerByte, outcomes), 1.0);
}

TEST(TaskScores, ComparisonsArePaired) {
  std::vector<TaskOutcome> first, second;
  for (int i = 0; i < 10; ++i) {
    first.push_back(outcome(std::to_string(i), "x"));
    second.push_back(first.back());
    first.back().right = i < 5;
    second.back().right = i >= 4 && i < 8;
  }
  second.pop_back();
  const PairedShares paired = compare_outcomes(first, second);
  EXPECT_EQ(paired.count, 9);
  EXPECT_EQ(paired.only_first, 4);
  EXPECT_EQ(paired.only_second, 3);
  EXPECT_NEAR(paired.difference.value, -1.0 / 9, 1e-12);
}

TEST(Task, KnownAnswersBecomeAnExpression) {
  EXPECT_EQ(one_of_answers({"b", "a.b (c)", "b"}).text, R"((a\.b \(c\)|b))");
  EXPECT_EQ(one_of_answers({}).text, "()");
  TaskOptions options;
  options.prompt = "{{ text }}";
  options.choices = {"a", "b"};
  options.answer = "a";
  options.metrics = {Metric::kAccuracy};
  options.known_answers = true;
  EXPECT_THROW(Task{options}, Error);
}

}  // namespace
}  // namespace minim
