// What a sequence says among others is what it says alone, to the last bit.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <set>

#include "model/testing/tiny_model.h"
#include "runtime/testing/scheduler_rig.h"

namespace minim {
namespace {

using testing::alone;
using testing::request_of;
using testing::run_all;
using testing::Said;
using testing::small_steps;
using testing::some_tokens;

struct Case {
  const char* architecture;
  DataType type;
  DataType kv_type;
};

class AloneTest : public ::testing::TestWithParam<Case> {
 protected:
  AloneTest() {
    ModelConfig config = testing::tiny_file_config();
    if (std::string(GetParam().architecture) == "qwen3moe") {
      config = testing::tiny_config("qwen3moe");
      config.dim = 256;
      config.expert_ffn_dim = 256;
      config.vocabulary_size = 400;
      config.context_length = 128;
      config.rope.original_context_length = 128;
    } else if (GetParam().type == DataType::kQ4_K) {
      config.dim = config.ffn_dim = 256;
    }
    const testing::ModelTestContext context(1);
    write_random_model(*context, config, path_, {.type = GetParam().type, .seed = 7});
  }

  // Prompts of all lengths, one after the other in the middle of what others say.
  static JobRequest request(size_t i) {
    static constexpr size_t kLengths[] = {1,  40, 8, 9,  70, 17, 2,  33, 64, 5,
                                          18, 90, 3, 27, 1,  10, 50, 12, 7,  31};
    JobRequest request = request_of(some_tokens(kLengths[i % 20], i), 30 + int64_t(i * 7 % 23), i);
    if (i % 3 == 0) request.options.generator.sampler.temperature = 1.5f;
    if (i % 4 == 0) request.options.generator.sampler.penalties.repetition = 1.2f;
    return request;
  }

  testing::TemporaryFolder folder_;
  Path path_ = folder_.path() / "tiny.gguf";
};

TEST_P(AloneTest, OthersAndThreadsChangeNothing) {
  std::vector<Said> expected;
  {
    const testing::ModelTestContext context(2);
    const testing::TinyModel tiny = testing::open_tiny_model(*context, path_);
    for (size_t i = 0; i < 20; ++i) {
      expected.push_back(alone(*context, tiny, request(i), {.kv_type = GetParam().kv_type}));
      ASSERT_EQ(expected.back().reason, StopReason::kTokensMax);
    }
  }
  for (const auto& [threads, count] : {std::pair(1, 12), {2, 20}, {3, 1}, {4, 7}}) {
    SCOPED_TRACE(fmt::format("{} threads, {} sequences", threads, count));
    const testing::ModelTestContext context(threads);
    const testing::TinyModel tiny = testing::open_tiny_model(*context, path_);
    SchedulerOptions options = small_steps();
    options.kv_type = GetParam().kv_type;
    Scheduler scheduler(*context, tiny.model, tiny.tokenizer, options);
    std::vector<Job> jobs;
    std::vector<Said> said(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      jobs.push_back(scheduler.submit(request(static_cast<size_t>(i))));
      if (i % 4 != 3) continue;
      scheduler.step();
      scheduler.step();
    }
    said = run_all(scheduler, jobs);
    for (size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], expected[i]) << "sequence " << i;
    const SchedulerStatistics statistics = scheduler.statistics();
    EXPECT_EQ(statistics.jobs_ended, count);
    if (count == 20) {
      EXPECT_GT(statistics.decode_rows_max, kernels::kFewRowsMax);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, AloneTest,
                         ::testing::Values(Case{"llama", DataType::kF32, DataType::kF32},
                                           Case{"llama", DataType::kF16, DataType::kF16},
                                           Case{"llama", DataType::kBf16, DataType::kQ8_0},
                                           Case{"llama", DataType::kQ8_0, DataType::kF16},
                                           Case{"llama", DataType::kQ4_0, DataType::kQ4_0},
                                           Case{"llama", DataType::kQ4_K, DataType::kF16},
                                           Case{"qwen3moe", DataType::kF32, DataType::kF16},
                                           Case{"qwen3moe", DataType::kF16, DataType::kF16},
                                           Case{"qwen3moe", DataType::kQ4_K, DataType::kF16}),
                         [](const auto& test) {
                           return fmt::format("{}_{}_{}", test.param.architecture,
                                              data_type_info(test.param.type).name,
                                              data_type_info(test.param.kv_type).name);
                         });

using SchedulerTest = testing::SchedulerTest;

// Two whole characters of a text, from about there on.
std::string characters(const std::string& text, size_t begin) {
  const auto next = [&](size_t at) {
    while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
    return at;
  };
  const size_t first = next(begin);
  const size_t second = next(first + 1);
  return text.substr(first, next(second + 1) - first);
}

TEST_F(SchedulerTest, StopStringsAndTheEndOfTheContextAreThoseOfATextGenerator) {
  Scheduler scheduler = make();
  std::vector<JobRequest> requests;
  for (size_t i = 0; i < 12; ++i) {
    requests.push_back(request_of(some_tokens(10 + i * 9, i), i % 2 == 0 ? -1 : 40, i));
    requests.back().overflow = OverflowPolicy::kStop;
    requests.back().events_max = 1000;
    const Said said = alone(*context_, tiny_, requests.back());
    // What it says later than at once, so that the text is cut there.
    if (i % 3 == 0 && said.text.size() > 12) {
      requests.back().options.stop_strings = {characters(said.text, said.text.size() / 2)};
    }
    if (i % 3 == 1) {
      requests.back().options.generator.stop_tokens = {said.tokens[said.tokens.size() / 2]};
    }
  }
  std::vector<Job> jobs;
  for (const JobRequest& request : requests) jobs.push_back(scheduler.submit(request));
  const auto said = run_all(scheduler, jobs);
  std::set<StopReason> reasons;
  for (size_t i = 0; i < said.size(); ++i) {
    EXPECT_EQ(said[i], alone(*context_, tiny_, requests[i])) << i;
    reasons.insert(said[i].reason);
  }
  EXPECT_TRUE(reasons.contains(StopReason::kContextFull));
  EXPECT_TRUE(reasons.contains(StopReason::kStopToken));
}

}  // namespace
}  // namespace minim
