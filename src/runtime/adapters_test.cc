// Sequences with adapters of their own: in one batch, through the prefix cache, saved and restored.
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/testing/random_adapter.h"
#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

using testing::alone;
using testing::random_adapter;
using testing::request_of;
using testing::run_all;
using testing::run_one;
using testing::Said;
using testing::small_steps;
using testing::some_tokens;

class AdaptersTest : public testing::SchedulerTest {
 protected:
  std::shared_ptr<const AdapterSet> set_of(uint64_t seed, float weight = 1.0f) {
    const auto adapter =
        Adapter::load(*context_, tiny_.model, random_adapter(*tiny_.file, seed, seed % 2 == 0));
    return std::make_shared<const AdapterSet>(std::vector<AdapterSet::Use>{{adapter, weight}});
  }
  Said alone_with(const JobRequest& request) {
    return alone(*context_, tiny_, request, {.adapters = request.adapters});
  }

  std::vector<std::shared_ptr<const AdapterSet>> sets_ = {nullptr, set_of(1), set_of(2),
                                                          set_of(1, 0.5f)};
};

TEST_F(AdaptersTest, JobsOfOneBatchHaveTheirOwn) {
  Scheduler scheduler = make();
  std::vector<Job> jobs;
  std::vector<Said> expected;
  for (size_t i = 0; i < 8; ++i) {
    JobRequest request = request_of(some_tokens(5 + 9 * i, 1), 10, i);
    request.adapters = sets_[i % sets_.size()];
    expected.push_back(alone_with(request));
    jobs.push_back(scheduler.submit(std::move(request)));
  }
  const std::vector<Said> said = run_all(scheduler, jobs);
  for (size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], expected[i]) << "job " << i;
  EXPECT_NE(expected[0].logprobs, expected[4].logprobs);
}

// The same prompt again and again: what others computed with other adapters is not taken over.
TEST_F(AdaptersTest, PrefixesAreThoseOfTheSameAdapters) {
  SchedulerOptions options = small_steps();
  options.prefix_bytes_max = size_t{1} << 20;
  options.keep_generated = false;
  Scheduler scheduler = make(options);
  for (const int round : {0, 1}) {
    for (size_t i = 0; i < sets_.size(); ++i) {
      JobRequest request = request_of(some_tokens(90, 1), 6);
      request.adapters = sets_[i];
      const Said expected = alone_with(request);
      Job job = scheduler.submit(std::move(request));
      EXPECT_EQ(run_all(scheduler, {&job, 1}).front(), expected) << i << " in round " << round;
      EXPECT_EQ(job.statistics().reused_tokens > 0, round == 1) << i;
    }
  }
}

TEST_F(AdaptersTest, SpacesShareNothing) {
  SchedulerOptions options = small_steps();
  options.prefix_bytes_max = size_t{1} << 20;
  Scheduler scheduler = make(options);
  const auto reused = [&](uint64_t space) {
    JobRequest request = request_of(some_tokens(90, 1), 2);
    request.prefix_space = space;
    Job job = scheduler.submit(std::move(request));
    run_all(scheduler, {&job, 1});
    return job.statistics().reused_tokens;
  };
  EXPECT_EQ(reused(1), 0);
  EXPECT_EQ(reused(2), 0);
  EXPECT_GT(reused(1), 0);
  EXPECT_EQ(reused(0), 0);
}

TEST_F(AdaptersTest, SavedSessionsGoOnWithTheSameAlone) {
  const auto state_with = [&](std::shared_ptr<const AdapterSet> set) {
    return SessionState(tiny_.model, {.adapters = std::move(set)});
  };
  Session session(*context_, tiny_.model, {.adapters = sets_[1]});
  session.append(some_tokens(20, 1));
  const std::vector<std::byte> saved = session.save();
  Session same(*context_, tiny_.model, {.adapters = set_of(1)});
  same.restore(saved);
  const std::vector<TokenId> more = {5, 6, 7};
  const auto expected = session.append(more);
  const auto found = same.append(more);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.begin(), found.end()));
  for (const auto& other : {sets_[0], sets_[2], sets_[3]}) {
    SessionState state = state_with(other);
    EXPECT_THROW(state.restore(saved), Error);
  }
}

TEST_F(AdaptersTest, ChangeOnlyWhileThereIsNothing) {
  SessionState state(tiny_.model, {});
  state.sequence().set_adapters(sets_[1]);
  state.sequence().set_adapters(nullptr);
  state.sequence().set_adapters(sets_[2]);
  Session session(*context_, tiny_.model, {.adapters = sets_[1]});
  session.append(some_tokens(3, 1));
  SessionState read(tiny_.model, {.adapters = sets_[1]});
  read.restore(session.save());
  EXPECT_THROW(read.sequence().set_adapters(nullptr), Error);
  const auto other = Model::load(*context_, tiny_.file);
  EXPECT_THROW(SessionState(other, {.adapters = sets_[1]}), Error);
}

}  // namespace
}  // namespace minim
