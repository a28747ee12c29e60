// A generator under a governor: the same tokens, at another pace, with the energy they took.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/testing/sysfs_tree.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "runtime/text_generator.h"

namespace minim {
namespace {

class GovernedGeneratorTest : public ::testing::Test {
 protected:
  std::vector<TokenId> generate(const GeneratorOptions& options) {
    Session session(*context_, tiny_.model, {.batch_tokens = 20});
    Generator generator(session, tiny_.tokenizer, options);
    generator.start(std::vector<TokenId>(60, 300));
    std::vector<TokenId> tokens;
    while (const auto token = generator.next()) tokens.push_back(*token);
    statistics_ = generator.statistics();
    return tokens;
  }

  GeneratorOptions greedy(Governor* governor, EnergyMeter* energy = nullptr) const {
    GeneratorOptions options{.tokens_max = 20, .governor = governor, .energy = energy};
    options.sampler.temperature = 0;
    options.sampler.ignore_end = true;
    return options;
  }

  testing::SysfsTree tree_;
  testing::ModelTestContext context_{4};
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, tree_.path() / "tiny.gguf");
  GenerationStatistics statistics_;
};

TEST_F(GovernedGeneratorTest, ThePaceChangesAndTheTokensDoNot) {
  const std::vector<TokenId> free = generate(greedy(nullptr));
  ASSERT_EQ(free.size(), 20u);
  tree_.set_celsius(99);
  std::chrono::nanoseconds now{0};
  std::chrono::nanoseconds rested{0};
  GovernorWorld world;
  world.root = tree_.path();
  world.clock = [&] { return now += std::chrono::milliseconds(200); };
  world.wait = [&](std::chrono::nanoseconds duration) { rested += duration; };
  std::vector<GovernorEvent> events;
  Governor governor((*context_).threads, {}, [&](const auto& event) { events.push_back(event); },
                    world);
  EXPECT_EQ(generate(greedy(&governor)), free);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ((*context_).threads.active_count(), 1) << "from before the prompt on";
  EXPECT_GT(rested.count(), 0);
  EXPECT_GT(statistics_.generated_tokens, 0);
}

TEST_F(GovernedGeneratorTest, TheEnergyOfPromptAndTextIsTold) {
  double processor = 100;
  EnergyMeter meter({.watts_per_core = 8,
                     .root = tree_.path(),
                     .clock = [] { return 0.0; },
                     .processor = [&] { return processor; }});
  Session session(*context_, tiny_.model);
  Generator generator(session, tiny_.tokenizer, greedy(nullptr, &meter));
  processor = 200;  // before the generator began
  EXPECT_FALSE(generator.statistics().energy);
  generator.start(std::vector<TokenId>(12, 300));
  processor = 204;
  while (generator.next()) {
  }
  const GenerationStatistics& statistics = generator.statistics();
  ASSERT_TRUE(statistics.energy);
  EXPECT_DOUBLE_EQ(statistics.energy->joules, 32);
  EXPECT_EQ(statistics.energy->source, EnergySource::kEstimate);
  EXPECT_DOUBLE_EQ(statistics.joules_per_token().value(), 1);
  EXPECT_FALSE(GenerationStatistics().joules_per_token());
}

TEST_F(GovernedGeneratorTest, CancellingEndsARest) {
  GovernorWorld world;
  world.root = tree_.path();
  Governor governor((*context_).threads, {.tokens_per_second_max = 0.5}, {}, world);
  Session session(*context_, tiny_.model);
  TextGenerator generator(session, tiny_.tokenizer, {.generator = greedy(&governor)});
  generator.start(std::vector<TokenId>(5, 300));
  const auto begin = std::chrono::steady_clock::now();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    generator.cancel();
  });
  StopReason reason = StopReason::kRunning;
  while (const auto event = generator.next()) reason = event->reason;
  other.join();
  EXPECT_EQ(reason, StopReason::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

}  // namespace
}  // namespace minim
