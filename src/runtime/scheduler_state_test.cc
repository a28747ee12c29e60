// Sessions that several jobs continue, what is left of one after a failure, and shared beginnings.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

using testing::alone;
using testing::pull;
using testing::request_of;
using testing::run_all;
using testing::run_one;
using testing::Said;
using testing::SchedulerTest;
using testing::small_steps;
using testing::some_tokens;

JobRequest with(std::shared_ptr<SessionState> state, JobRequest request) {
  request.state = std::move(state);
  return request;
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }
std::vector<TokenId> copy(std::span<const TokenId> values) {
  return {values.begin(), values.end()};
}

TEST_F(SchedulerTest, AJobGoesOnWhereTheLastOneStopped) {
  Scheduler scheduler = make();
  const auto prompt = some_tokens(30, 1);
  const Said whole = run_one(scheduler, request_of(prompt, 20));

  const auto state = scheduler.make_state();
  Said parts = run_one(scheduler, with(state, request_of(prompt, 0)));
  EXPECT_EQ(parts.reason, StopReason::kTokensMax);
  EXPECT_EQ(state->length(), 30);
  EXPECT_FALSE(state->logits().empty());
  for (const int64_t count : {1, 7, 12}) {
    const Said part = run_one(scheduler, with(state, request_of({}, count)));
    EXPECT_EQ(part.reason, StopReason::kTokensMax);
    parts.tokens.insert(parts.tokens.end(), part.tokens.begin(), part.tokens.end());
    parts.logprobs.insert(parts.logprobs.end(), part.logprobs.begin(), part.logprobs.end());
    // What was said is all in the state.
    EXPECT_TRUE(std::equal(parts.tokens.begin(), parts.tokens.end(), state->tokens().begin() + 30,
                           state->tokens().end()));
  }
  EXPECT_EQ(parts.tokens, whole.tokens);
  EXPECT_EQ(parts.logprobs, whole.logprobs);
}

// A conversation of several turns, in the company of others.
TEST_F(SchedulerTest, SavingRestoringAndCloningChangeNothing) {
  enum class Between { kNothing, kSave, kClone };
  std::vector<std::vector<Said>> lives;
  for (const Between between : {Between::kNothing, Between::kSave, Between::kClone}) {
    SchedulerOptions options = small_steps();
    options.prefix_bytes_max = 0;
    Scheduler scheduler(*context_, tiny_.model, tiny_.tokenizer, options);
    auto state = scheduler.make_state();
    std::vector<std::shared_ptr<SessionState>> others;
    lives.emplace_back();
    for (uint64_t turn = 0; turn < 4; ++turn) {
      std::vector<Job> jobs;
      jobs.push_back(scheduler.submit(with(state, request_of(some_tokens(5 + turn * 8, turn), 6))));
      jobs.push_back(scheduler.submit(request_of(some_tokens(50, turn + 9), 10)));
      lives.back().push_back(run_all(scheduler, jobs).front());
      if (between == Between::kSave) {
        const auto saved = state->save();
        state = scheduler.make_state();
        state->restore(saved);
      } else if (between == Between::kClone) {
        others.push_back(state);  // shares the blocks, and goes its own way
        state = state->clone();
        run_one(scheduler, with(others.back(), request_of(some_tokens(9, 77), 5)));
      }
    }
  }
  EXPECT_EQ(lives[0], lives[1]);
  EXPECT_EQ(lives[0], lives[2]);
}

TEST_F(SchedulerTest, RewindingGoesBackToWhatWasSaidThen) {
  Scheduler scheduler = make();
  const auto state = scheduler.make_state();
  const auto prompt = some_tokens(40, 3);
  const Said first = run_one(scheduler, with(state, request_of(prompt, 9)));
  state->rewind(40);
  EXPECT_THROW(scheduler.submit(with(state, request_of({}, 1))), Error) << "no logits there";
  state->rewind(0);
  EXPECT_EQ(run_one(scheduler, with(state, request_of(prompt, 9))), first);
}

TEST_F(SchedulerTest, OneStateIsForOneJobAtATime) {
  Scheduler scheduler = make();
  const auto state = scheduler.make_state();
  Job job = scheduler.submit(with(state, request_of(some_tokens(30, 1), 5)));
  EXPECT_TRUE(state->in_use());
  EXPECT_THROW(scheduler.submit(with(state, request_of(some_tokens(3, 1), 5))), Error);
  run_all(scheduler, {&job, 1});
  EXPECT_FALSE(state->in_use());
  EXPECT_NO_THROW(run_one(scheduler, with(state, request_of(some_tokens(3, 1), 5))));
}

TEST_F(SchedulerTest, CancelledWhileItReadsAJobLeavesTheStateAsItWas) {
  Scheduler scheduler = make();
  const auto state = scheduler.make_state();
  run_one(scheduler, with(state, request_of(some_tokens(12, 1), 3)));
  const auto tokens = copy(state->tokens());
  const auto logits = copy(state->logits());
  Job other = scheduler.submit(request_of(some_tokens(10, 2), 30));
  Job job = scheduler.submit(with(state, request_of(some_tokens(90, 1), 5)));
  scheduler.step();
  scheduler.step();
  EXPECT_EQ(job.state(), JobState::kReading);
  job.cancel();
  const Said said = run_all(scheduler, {&job, 1}).front();
  EXPECT_EQ(said.reason, StopReason::kCancelled);
  EXPECT_EQ(copy(state->tokens()), tokens);
  EXPECT_EQ(copy(state->logits()), logits);
}

TEST_F(SchedulerTest, CancelledWhileItSpeaksAJobLeavesWhatItSaid) {
  Scheduler scheduler = make();
  const auto state = scheduler.make_state();
  Job job = scheduler.submit(with(state, request_of(some_tokens(12, 1), 50)));
  for (int i = 0; i < 6; ++i) scheduler.step();
  job.cancel();
  const Said said = run_all(scheduler, {&job, 1}).front();
  EXPECT_EQ(said.reason, StopReason::kCancelled);
  ASSERT_EQ(state->length(), 12 + static_cast<int64_t>(said.tokens.size()));
  // And it goes on as if nothing had been.
  const Said rest = run_one(scheduler, with(state, request_of({}, 10)));
  const Said whole =
      run_one(scheduler, request_of(some_tokens(12, 1), 10 + int64_t(said.tokens.size())));
  EXPECT_TRUE(std::equal(rest.tokens.begin(), rest.tokens.end(), whole.tokens.end() - 10));
}

TEST_F(SchedulerTest, AKnownBeginningIsNotComputedAgainAndChangesNothing) {
  Scheduler scheduler = make();
  auto prompt = some_tokens(100, 1);
  const Said first = run_one(scheduler, request_of(prompt, 20));
  const int64_t rows = scheduler.statistics().batch_rows;
  Job job = scheduler.submit(request_of(prompt, 20));
  EXPECT_EQ(run_all(scheduler, {&job, 1}).front(), first);
  EXPECT_EQ(job.statistics().reused_tokens, 64);
  EXPECT_EQ(scheduler.statistics().batch_rows - rows, 100 - 64 + 19);
  // Another end.
  prompt.resize(80);
  prompt[70] = 5;
  EXPECT_EQ(run_one(scheduler, request_of(prompt, 9)),
            alone(*context_, tiny_, request_of(prompt, 9)));
  EXPECT_GE(scheduler.statistics().prefixes.hits, 2);
}

TEST_F(SchedulerTest, AFullContextIsAnErrorOrTheEndAsTheCallerWants) {
  Scheduler scheduler = make();
  for (const OverflowPolicy policy : {OverflowPolicy::kError, OverflowPolicy::kStop}) {
    const auto state = scheduler.make_state();
    JobRequest request = with(state, request_of(some_tokens(120, 1), -1));
    request.overflow = policy;
    const Said said = run_one(scheduler, request);
    EXPECT_EQ(said.tokens.size(), 9u);
    EXPECT_EQ(state->length(), 128);
    EXPECT_EQ(said.failed, policy == OverflowPolicy::kError);
    if (said.failed) {
      EXPECT_EQ(said.error, ErrorCode::kLimit);
    } else {
      EXPECT_EQ(said.reason, StopReason::kContextFull);
    }
    JobRequest longer = request_of(some_tokens(129, 1), 1);
    longer.overflow = policy;
    EXPECT_THROW(scheduler.submit(longer), Error);
  }
}

// Made room for as a Session makes it, token for token.
TEST_F(SchedulerTest, DroppingTokensIsWhatASessionDoes) {
  for (const bool reread : {false, true}) {
    SCOPED_TRACE(reread);
    Session session(*context_, tiny_.model);
    const ShiftOptions shift = {.sinks = 4, .drop_share = 0.5, .reread = reread};
    Sampler sampler(*context_, request_of({}, 1).options.generator.sampler, tiny_.tokenizer);
    const auto prompt = some_tokens(100, 1);
    session.append(prompt);
    sampler.start(session.tokens());
    std::vector<TokenId> expected;
    std::vector<ContextShift> shifts;
    for (int i = 0; i < 100; ++i) {
      if (i > 0) {
        if (session.length() == session.context_tokens()) shifts.push_back(session.shift(shift));
        session.append({&expected.back(), 1});
      }
      expected.push_back(sampler.sample(session.logits()));
      sampler.accept(expected.back());
    }

    Scheduler scheduler = make();
    Job other = scheduler.submit(request_of(some_tokens(20, 4), 60));
    JobRequest request = request_of(prompt, 100);
    request.overflow = OverflowPolicy::kShift;
    request.shift = shift;
    const Said said = run_one(scheduler, request);
    EXPECT_EQ(said.tokens, expected);
    ASSERT_EQ(said.shifts.size(), shifts.size());
    ASSERT_GE(shifts.size(), 1u);
    for (size_t i = 0; i < shifts.size(); ++i) {
      EXPECT_EQ(said.shifts[i].kept, shifts[i].kept);
      EXPECT_EQ(said.shifts[i].dropped, shifts[i].dropped);
    }
  }
}

TEST_F(SchedulerTest, APromptLongerThanTheContextDropsWhatItReadFirst) {
  for (const bool reread : {false, true}) {
    Scheduler scheduler = make();
    const auto state = scheduler.make_state();
    JobRequest request = with(state, request_of(some_tokens(300, 1), 5));
    request.overflow = OverflowPolicy::kShift;
    request.shift.reread = reread;
    const Said said = run_one(scheduler, request);
    EXPECT_EQ(said.tokens.size(), 5u) << said.message;
    EXPECT_GE(said.shifts.size(), 3u);
    const auto tokens = state->tokens();
    const auto end = copy(tokens.last(25));
    EXPECT_TRUE(std::equal(end.begin(), end.begin() + 20, request.tokens.end() - 20));
  }
}

// A token whose embedding is no number: its sequence fails, and no other.
TEST_F(SchedulerTest, LogitsThatAreNoNumbersEndTheirJobAlone) {
  const Path path = folder_.path() / "bad.gguf";
  std::string bytes = testing::read_data(folder_.path() / "tiny.gguf");
  const TensorEntry& table = tiny_.file->require("token_embd.weight");
  const auto loaded = table.load();
  const std::string row(reinterpret_cast<const char*>(loaded.bytes.data()) + 399 * 64 * 4, 64 * 4);
  const size_t at = bytes.find(row);
  ASSERT_NE(at, std::string::npos);
  for (size_t i = 0; i < row.size(); i += 4) bytes.replace(at + i, 4, "\x00\x00\xC0\x7F", 4);
  FileWriter file(path);
  file.write(std::as_bytes(std::span(bytes)));
  file.commit();
  const testing::TinyModel bad = testing::open_tiny_model(*context_, path);

  Scheduler scheduler(*context_, bad.model, bad.tokenizer, small_steps());
  std::vector<JobRequest> requests;
  for (size_t i = 0; i < 6; ++i) {
    requests.push_back(request_of(some_tokens(3 + i * 9, i), 6));
    requests.back().options.generator.sampler.banned_tokens = {399};
    if (i % 2 == 1) requests.back().tokens.back() = 399;
    std::replace(requests.back().tokens.begin(), requests.back().tokens.end() - 1, 399, 398);
  }
  std::vector<Job> jobs;
  for (const JobRequest& request : requests) jobs.push_back(scheduler.submit(request));
  const auto said = run_all(scheduler, jobs);
  for (size_t i = 0; i < said.size(); ++i) {
    EXPECT_EQ(said[i].failed, i % 2 == 1) << i;
    if (i % 2 == 0) {
      EXPECT_EQ(said[i], alone(*context_, bad, requests[i]));
    }
  }
  EXPECT_EQ(scheduler.statistics().jobs_ended, 6);
}

}  // namespace
}  // namespace minim
