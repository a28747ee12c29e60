// Guesses: what they are, when they are made, and that they change nothing.
#include "runtime/speculation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "runtime/prompt_lookup.h"
#include "runtime/testing/scheduler_rig.h"
#include "text/schema/constraint_factory.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

using testing::alone;
using testing::request_of;
using testing::run_all;
using testing::Said;
using testing::small_steps;
using testing::some_tokens;
using testing::TinyModel;

// ---- what is guessed ---------------------------------------------------------------------------

using Tokens = std::vector<TokenId>;

int64_t match(const Tokens& text, int64_t most, Tokens& guesses) {
  return look_up(text, most, guesses).length;
}

TEST(PromptLookup, TakesWhatFollowedTheLongestMatch) {
  Tokens guesses;
  EXPECT_EQ(match({1, 2, 3, 9, 2, 3, 8, 1, 2, 3}, 2, guesses), 3);
  EXPECT_EQ(guesses, (Tokens{9, 2}));
  EXPECT_EQ(match({7, 3, 4, 8, 3, 5, 9, 3}, 1, guesses), 1) << "of equals the latest";
  EXPECT_EQ(guesses, Tokens{5});
  EXPECT_EQ(match({1, 2, 3}, 4, guesses), 0);
  EXPECT_TRUE(guesses.empty());
  EXPECT_EQ(match({1}, 4, guesses), 0);
  EXPECT_EQ(match({}, 4, guesses), 0);
}

TEST(PromptLookup, KnowsWhetherAllPlacesAgree) {
  Tokens guesses;
  EXPECT_TRUE(look_up(Tokens{1, 2, 3, 1, 2}, 1, guesses).agrees);
  EXPECT_TRUE(look_up(Tokens{1, 2, 3, 8, 1, 2, 3, 9, 1, 2}, 1, guesses).agrees);
  EXPECT_FALSE(look_up(Tokens{1, 2, 4, 8, 1, 2, 3, 9, 1, 2}, 1, guesses).agrees);
  EXPECT_TRUE(look_up(Tokens{2, 4, 8, 1, 2, 3, 9, 1, 2}, 1, guesses).agrees) << "a shorter one";
  EXPECT_FALSE(look_up(Tokens{1, 2, 3}, 1, guesses).agrees);
}

TEST(PromptLookup, WhatRepeatsGoesOn) {
  Tokens guesses;
  EXPECT_EQ(match({5, 1, 2, 1, 2}, 5, guesses), 2);
  EXPECT_EQ(guesses, (Tokens{1, 2, 1, 2, 1}));
  EXPECT_EQ(match(Tokens(40, 6), 3, guesses), kLookupMatchMax);
  EXPECT_EQ(guesses, (Tokens{6, 6, 6}));
}

TEST(StepCost, LiesBetweenWhatWasSeen) {
  StepCost cost;
  EXPECT_EQ(cost.seconds(1), 0);
  cost.add(1, 1.0);
  EXPECT_DOUBLE_EQ(cost.seconds(1), 1.0);
  EXPECT_DOUBLE_EQ(cost.seconds(11), 1 + 10 * StepCost::kRowShare);
  cost.add(5, 3.0);
  EXPECT_DOUBLE_EQ(cost.seconds(3), 2.0);
  EXPECT_GT(cost.seconds(1000), 3.0);
  for (int i = 0; i < 100; ++i) cost.add(1, 2.0);
  EXPECT_NEAR(cost.seconds(1), 2.0, 1e-6);
  cost.add(1, 1e9);
  EXPECT_LT(cost.seconds(1), 3.0) << "an outlier";
  cost.add(0, 1);
  cost.add(100000, 1);
  cost.add(1, -1);
}

// ---- how many ----------------------------------------------------------------------------------

class SpeculationTest : public ::testing::Test {
 protected:
  SpeculationTest() {
    cost_.add(1, 1.0);
    cost_.add(8, 2.4);  // 0.2 a row
    Tokens text;
    for (int i = 0; i < 60; ++i) text.push_back(i % 20);
    speculation_.start(text);
  }
  int64_t guess(int64_t rows = 1, int64_t sequences = 1) {
    return static_cast<int64_t>(
        speculation_.guess(7, {.cost = cost_, .rows = rows, .sequences = sequences}).size());
  }

  StepCost cost_;
  Speculation speculation_{{.prompt_lookup = true}};
};

TEST_F(SpeculationTest, GuessesThatAreRightBecomeMore) {
  const int64_t first = guess();
  EXPECT_GT(first, 0);
  for (int i = 0; i < 20; ++i) {
    const int64_t count = guess();
    speculation_.learn(count, count, 1 + count, cost_);
  }
  EXPECT_EQ(guess(), 7);
  EXPECT_GT(speculation_.statistics().saved_seconds, 0);
}

TEST_F(SpeculationTest, StopsWhereItLosesAndTriesAgain) {
  int64_t made = 0, passes = 0;
  for (int i = 0; i < 400; ++i) {
    const int64_t count = guess();
    made += count;
    passes += count > 0 ? 1 : 0;
    speculation_.learn(count, 0, 1 + count, cost_);
  }
  EXPECT_LT(passes, 40);
  EXPECT_GT(passes, 3) << "it is tried again";
  EXPECT_LT(speculation_.statistics().saved_seconds, 0);
  // Little of the 400 s that the passes take.
  EXPECT_GT(speculation_.statistics().saved_seconds, -12);
  EXPECT_EQ(speculation_.statistics().guessed_tokens, made);
}

TEST_F(SpeculationTest, FewerWhereManySequencesShareAPass) {
  StepCost dear;  // each row costs as much: a pass that computes, and does not wait for weights
  for (const int64_t rows : {1, 16, 24}) dear.add(rows, static_cast<double>(rows));
  EXPECT_EQ(speculation_.guess(7, {.cost = dear, .rows = 16, .sequences = 16}).size(), 0u);
  EXPECT_GT(guess(16, 16), 0);
}

TEST_F(SpeculationTest, WithoutRoomNothingIsGuessed) {
  EXPECT_TRUE(speculation_.guess(0, {.cost = cost_}).empty());
  EXPECT_TRUE(speculation_.guess(-3, {.cost = cost_}).empty());
  EXPECT_EQ(speculation_.guess(2, {.cost = cost_}).size(), 2u);
}

// ---- texts -------------------------------------------------------------------------------------

class SpeculatingTest : public testing::SchedulerTest {
 protected:
  SpeculationOptions lookup() const { return {.prompt_lookup = true, .always = true}; }
  SpeculationOptions drafting(const TinyModel& draft) const {
    return {.draft = std::make_shared<DraftModel>(*context_, draft.model, *draft.tokenizer,
                                                  *tiny_.tokenizer),
            .always = true};
  }
  TinyModel other_model() {
    write_random_model(*context_, testing::tiny_file_config(), folder_.path() / "other.gguf",
                       {.type = DataType::kF32, .seed = 8});
    return testing::open_tiny_model(*context_, folder_.path() / "other.gguf");
  }
  // A beginning that comes back, so that there is something to look up.
  JobRequest request(int64_t tokens_max, uint64_t seed, float temperature) const {
    Tokens tokens = some_tokens(12, seed);
    tokens.insert(tokens.end(), tokens.begin(), tokens.begin() + 8);
    JobRequest request = request_of(std::move(tokens), tokens_max, seed);
    request.options.generator.sampler.temperature = temperature;
    return request;
  }
  // What is said with guesses, which must be what is said without.
  GenerationStatistics compare(JobRequest request, const SpeculationOptions& speculation,
                               const SchedulerOptions& options = small_steps()) {
    Scheduler scheduler = make(options);
    const Said expected = alone(*context_, tiny_, request, {.kv_type = options.kv_type});
    request.speculation = speculation;
    Job job = scheduler.submit(std::move(request));
    EXPECT_EQ(run_all(scheduler, {&job, 1}).front(), expected);
    return job.statistics();
  }
};

TEST_F(SpeculatingTest, LookupChangesNothing) {
  GenerationStatistics greedy;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    for (const float temperature : {0.0f, 0.5f, 2.0f}) {
      const GenerationStatistics s = compare(request(60, seed, temperature), lookup());
      EXPECT_EQ(s.generated_tokens, 60);
      EXPECT_GT(s.guessed_tokens, 0);
      EXPECT_EQ(s.decode_tokens, 59);
      EXPECT_EQ(s.decode_tokens, s.decode_steps + s.right_tokens);
      if (temperature == 0) greedy.right_tokens += s.right_tokens;
    }
  }
  EXPECT_GT(greedy.right_tokens, 20) << "random weights repeat themselves";
}

TEST_F(SpeculatingTest, ADraftThatIsTheModelIsRight) {
  const GenerationStatistics s = compare(request(65, 1, 0), drafting(tiny_));
  EXPECT_EQ(s.right_tokens, s.guessed_tokens);
  EXPECT_EQ(s.decode_steps, 8) << "8 tokens a pass";
  EXPECT_GT(s.draft_seconds, 0);
  // A draw agrees with the most probable token now and then.
  const GenerationStatistics warm = compare(request(60, 1, 0.7f), drafting(tiny_));
  EXPECT_GT(warm.right_tokens, 0);
  EXPECT_LT(warm.right_tokens, warm.guessed_tokens);
}

TEST_F(SpeculatingTest, ADraftThatIsWrongChangesNothing) {
  const TinyModel other = other_model();
  for (const float temperature : {0.0f, 1.0f}) {
    const GenerationStatistics s = compare(request(40, 2, temperature), drafting(other));
    EXPECT_GT(s.guessed_tokens, 3 * s.right_tokens);
  }
  // Both together, and a prompt longer than a draft reads at once is no matter.
  SpeculationOptions both = drafting(other);
  both.prompt_lookup = true;
  compare(request(60, 3, 0), both);
}

TEST_F(SpeculatingTest, EndsWhereItWouldHaveEnded) {
  for (int64_t most = 0; most < 20; ++most) {
    const GenerationStatistics s = compare(request(most, 1, 0), drafting(tiny_));
    EXPECT_EQ(s.generated_tokens, most);
  }
  // At each of its tokens, and at each of its strings.
  const JobRequest whole = request(30, 5, 0);
  const Said said = alone(*context_, tiny_, whole);
  for (const size_t i : {3u, 4u, 9u, 17u}) {
    JobRequest stopped = whole;
    stopped.options.generator.stop_tokens = {said.tokens[i]};
    compare(stopped, drafting(tiny_));
    JobRequest cut = whole;
    cut.options.stop_strings = {said.text.substr(said.text.find_first_of("abcdefghij", i), 1)};
    compare(cut, drafting(tiny_));
  }
  JobRequest free = request(100, 6, 1.5f);
  free.options.generator.sampler.ignore_end = false;
  compare(free, lookup());
}

TEST_F(SpeculatingTest, CachesOfAllTypesAndFullContexts) {
  for (const DataType type : {DataType::kF32, DataType::kQ8_0, DataType::kQ4_0}) {
    SchedulerOptions options = small_steps();
    options.kv_type = type;
    compare(request(60, 1, 0), drafting(tiny_), options);
  }
  for (const OverflowPolicy policy : {OverflowPolicy::kError, OverflowPolicy::kStop}) {
    JobRequest full = request(-1, 1, 0);
    full.overflow = policy;
    Scheduler scheduler = make();
    const Said expected = testing::run_one(scheduler, full);
    full.speculation = drafting(tiny_);
    const Said said = testing::run_one(scheduler, full);
    EXPECT_EQ(said, expected);
    EXPECT_EQ(said.tokens.size(), 128u - 20u + 1u);
  }
  JobRequest shifting = request(250, 1, 0);
  shifting.overflow = OverflowPolicy::kShift;
  for (const bool reread : {false, true}) {
    shifting.shift.reread = reread;
    Scheduler scheduler = make();
    JobRequest guessing = shifting;
    const Said expected = testing::run_one(scheduler, shifting);
    guessing.speculation = lookup();
    EXPECT_EQ(testing::run_one(scheduler, guessing), expected);
    guessing.speculation = drafting(tiny_);
    EXPECT_EQ(testing::run_one(scheduler, guessing), expected) << "its own context fills up";
  }
}

// What is kept of a job is as without guesses: the tokens, and the logits after them.
TEST_F(SpeculatingTest, AStateGoesOnAsWithoutGuesses) {
  Scheduler scheduler = make();
  for (int64_t count = 1; count < 12; ++count) {
    std::vector<std::shared_ptr<SessionState>> states;
    std::vector<Said> said;
    for (const bool speculates : {false, true}) {
      states.push_back(scheduler.make_state());
      JobRequest first = request(count, 3, 0.3f);
      first.state = states.back();
      if (speculates) first.speculation = drafting(tiny_);
      said.push_back(testing::run_one(scheduler, first));
      JobRequest next = request_of({}, 9, 4);
      next.state = states.back();
      if (speculates) next.speculation = lookup();
      said.push_back(testing::run_one(scheduler, next));
    }
    EXPECT_EQ(said[0], said[2]);
    EXPECT_EQ(said[1], said[3]);
    EXPECT_TRUE(std::ranges::equal(states[0]->tokens(), states[1]->tokens()));
    EXPECT_TRUE(std::ranges::equal(states[0]->logits(), states[1]->logits()));
    EXPECT_EQ(states[0]->sequence().cache().bytes(), states[1]->sequence().cache().bytes());
  }
}

TEST_F(SpeculatingTest, WithConstraints) {
  ConstraintFactory constraints{tiny_.tokenizer};
  for (const char* regex : {"(ab|cd){2,20}[0-9]{3}x?", "(abcabd){9}", "[a-c]{40}"}) {
    for (const bool fast : {true, false}) {
      JobRequest held = request(60, 1, 0.2f);
      held.options.generator.sampler.logprobs = fast ? -1 : 1;
      held.options.generator.fast_forward = fast;
      held.options.generator.constraint = std::make_shared<Constraint>(
          constraints.make({ConstraintKind::kRegex, regex, JsonSpacing::kSpaced}));
      compare(held, lookup());
      compare(held, drafting(tiny_));
    }
  }
}

TEST_F(SpeculatingTest, InTheCompanyOfOthers) {
  SchedulerOptions options = small_steps();
  options.kv_bytes_max = size_t{1} << 20;
  Scheduler scheduler = make(options);
  const SpeculationOptions draft = drafting(tiny_);
  std::vector<Job> jobs;
  std::vector<Said> expected;
  for (uint64_t i = 0; i < 14; ++i) {
    JobRequest one = i % 3 == 0 ? request_of(some_tokens(50 + i, i), 20, i)
                                : request(30 + static_cast<int64_t>(i), i, i % 2 == 0 ? 0 : 0.8f);
    expected.push_back(alone(*context_, tiny_, one));
    if (i % 3 == 1) one.speculation = lookup();
    if (i % 3 == 2) one.speculation = draft;
    jobs.push_back(scheduler.submit(std::move(one)));
  }
  const std::vector<Said> said = run_all(scheduler, jobs);
  for (size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], expected[i]) << "job " << i;
}

TEST_F(SpeculatingTest, ADraftOfAnotherVocabularyIsRefused) {
  const auto other = Tokenizer::make(testing::byte_bpe_vocabulary());
  try {
    const DraftModel draft(*context_, tiny_.model, *other, *tiny_.tokenizer);
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("same family"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace minim
