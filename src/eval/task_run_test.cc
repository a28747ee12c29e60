#include "eval/task_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "eval/perplexity.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "runtime/generator.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

class TaskRunTest : public ::testing::Test {
 protected:
  TaskResult run(const TaskOptions& options, const std::vector<TaskItem>& items,
                 int64_t context_tokens = 0) {
    return run_task(*context_, tiny_.model, tiny_.tokenizer, Task(options), items,
                    {.context_tokens = context_tokens, .kv_type = DataType::kF32});
  }

  // The surprise of each token after the first `known` ones.
  double surprise(const std::vector<TokenId>& tokens, size_t known) const {
    const auto losses = token_losses(*context_, tiny_.model, tokens, DataType::kF32);
    return std::accumulate(losses.begin() + static_cast<std::ptrdiff_t>(known) - 1, losses.end(),
                           0.0);
  }

  std::vector<TokenId> encode(const std::string& text, bool begins) const {
    return tiny_.tokenizer->encode(text, {.add_special = begins});
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
};

TaskItem text_item(const std::string& text) {
  TaskItem item;
  item.origin = text;
  item.prompt = text;
  return item;
}

TaskOptions text_task() {
  TaskOptions options;
  options.name = "text";
  options.prompt = "{{ text }}";
  options.metrics = {Metric::kBitsPerByte};
  return options;
}

TEST_F(TaskRunTest, BitsPerByteCountEveryTokenOnce) {
  const std::string text = "some words that are of no meaning at all, twice over";
  std::vector<TokenId> tokens = {*tiny_.tokenizer->vocabulary().bos};
  for (const TokenId token : encode(text, false)) tokens.push_back(token);
  ASSERT_GT(tokens.size(), 20u);
  const TaskResult whole = run(text_task(), {text_item(text)});
  EXPECT_EQ(whole.window_tokens, 128);
  EXPECT_NEAR(whole.outcomes[0].nats, surprise(tokens, 1), 1e-3);
  EXPECT_NEAR(whole.metrics[0].interval.value,
              surprise(tokens, 1) / std::log(2.0) / static_cast<double>(text.size()), 1e-5);

  // Windows of 8 tokens: the first whole, then the last four of each, with four before them.
  double nats = surprise({tokens.begin(), tokens.begin() + 8}, 1);
  for (size_t start = 4; start + 4 < tokens.size(); start += 4) {
    const size_t end = std::min(start + 8, tokens.size());
    nats += surprise({tokens.begin() + static_cast<std::ptrdiff_t>(start),
                      tokens.begin() + static_cast<std::ptrdiff_t>(end)},
                     4);
  }
  EXPECT_NEAR(run(text_task(), {text_item(text)}, 8).outcomes[0].nats, nats, 1e-3);
}

TEST_F(TaskRunTest, TheLikeliestChoiceIsGiven) {
  TaskOptions options = text_task();
  options.name = "choice";
  options.choices = {"a", "b"};
  options.answer = "0";
  options.metrics = {Metric::kAccuracy, Metric::kAccuracyBytes};
  TaskItem item = text_item("which word comes");
  item.choices = {"now", "a longer thing", "then", "x"};
  std::vector<double> nats, by_bytes;
  const auto prompt = encode(item.prompt, true);
  for (const std::string& choice : item.choices) {
    std::vector<TokenId> tokens = prompt;
    for (const TokenId token : encode(" " + choice, false)) tokens.push_back(token);
    nats.push_back(surprise(tokens, prompt.size()));
    by_bytes.push_back(nats.back() / static_cast<double>(choice.size()));
  }
  const auto best = static_cast<size_t>(std::min_element(nats.begin(), nats.end()) - nats.begin());
  const auto best_bytes =
      static_cast<size_t>(std::min_element(by_bytes.begin(), by_bytes.end()) - by_bytes.begin());
  ASSERT_NE(best, best_bytes);  // or the test would not tell the two apart
  item.right = best;
  item.answer = item.choices[best];
  const TaskResult result = run(options, {item});
  EXPECT_EQ(result.outcomes[0].given, item.choices[best]);
  EXPECT_TRUE(result.outcomes[0].right);
  EXPECT_FALSE(result.outcomes[0].right_bytes);
  EXPECT_EQ(result.metrics[0].interval.value, 1);
  EXPECT_EQ(result.metrics[1].interval.value, 0);
  EXPECT_FALSE(result.chat);
}

TEST_F(TaskRunTest, WhatTheModelWritesIsItsLikeliestText) {
  TaskOptions options = text_task();
  options.name = "generation";
  options.answer = "{{ text }}";
  options.metrics = {Metric::kExact};
  options.tokens_max = 6;
  Session session(*context_, tiny_.model, {.kv_type = DataType::kF32});
  GeneratorOptions greedy;
  greedy.sampler.temperature = 0;
  greedy.tokens_max = 6;
  Generator generator(session, tiny_.tokenizer, greedy);
  generator.start(encode("once", true));
  std::vector<TokenId> tokens;
  while (const auto token = generator.next()) tokens.push_back(*token);
  std::string expected = tiny_.tokenizer->decode(tokens, {.skip_special = true});
  expected.erase(0, expected.find_first_not_of(" \t\r\n"));
  expected.erase(expected.find_last_not_of(" \t\r\n") + 1);
  TaskItem item = text_item("once");
  item.answer = expected;
  const TaskResult result = run(options, {item});
  EXPECT_EQ(result.outcomes[0].given, expected);
  EXPECT_TRUE(result.outcomes[0].right);
}

TEST_F(TaskRunTest, ItemsThatDoNotFitAreCountedApart) {
  TaskOptions options = text_task();
  options.answer = "{{ text }}";
  options.metrics = {Metric::kExact};
  options.tokens_max = 1;
  const std::string text(300, 'x');
  const TaskResult result = run(options, {text_item("short"), text_item(text + text)}, 16);
  EXPECT_EQ(result.outcomes.size(), 1u);
  EXPECT_EQ(result.too_long, 1);
  EXPECT_THROW(run(options, {text_item(text + text)}, 16), Error);
}

TEST_F(TaskRunTest, AConstrainedAnswerIsOneOfThoseThatItIsHeldTo) {
  TaskOptions options;
  options.name = "held";
  options.prompt = "{{ text }}";
  options.answer = "{{ right }}";
  options.metrics = {Metric::kExact};
  options.constraint_kind = ConstraintKind::kRegex;
  options.constraint = "{{ right }}|no[0-9]{2}";
  const Task task(options);
  std::vector<TaskItem> items;
  for (const char* right : {"ab", "cd", "ef"}) {
    items.push_back(*task.make_item({{"text", "some words"}, {"right", right}}, right));
  }
  const auto ask = [&](bool constrained) {
    return run_task(*context_, tiny_.model, tiny_.tokenizer, task, items,
                    {.kv_type = DataType::kF32, .constrained = constrained});
  };
  const TaskResult held = ask(true);
  EXPECT_TRUE(held.constrained);
  for (const TaskOutcome& outcome : held.outcomes) {
    EXPECT_TRUE(outcome.given == outcome.expected || outcome.given.starts_with("no"))
        << outcome.given;
  }
  const TaskResult free = ask(false);
  EXPECT_FALSE(free.constrained);
  EXPECT_NE(free.outcomes[0].given, held.outcomes[0].given);
  items[1].constraint.text = "(";
  try {
    ask(true);
    ADD_FAILURE() << "that is no expression";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 18), "cd: 'constraint': ") << error.what();
  }
}

}  // namespace
}  // namespace minim
