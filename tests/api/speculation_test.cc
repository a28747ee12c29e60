// Guessing through the public API: nothing that is said changes.
#include "tests/api/api_fixture.h"

namespace minim_test {
namespace {

class PublicSpeculation : public ::testing::Test {
 protected:
  struct Said {
    std::vector<int32_t> tokens;
    minim::SessionStatistics statistics;
  };
  Said say(const minim::GenerateOptions& options) {
    minim::Session session(model_);
    session.append("one two three one two three one two");
    Said said;
    for (const minim::Event& event : session.generate(greedy(), options)) {
      if (event.type == minim::EventType::kToken) said.tokens.push_back(event.token);
    }
    said.statistics = session.statistics();
    return said;
  }

  minim::Engine engine_ = make_engine();
  minim::Model model_{engine_, chat_model()};
};

TEST_F(PublicSpeculation, SaysTheSame) {
  const Said without = say({.tokens_max = 60, .lookup = false});
  EXPECT_EQ(without.statistics.guessed_tokens, 0);
  EXPECT_EQ(without.statistics.decode_passes, 60);
  const Said looked_up = say({.tokens_max = 60});
  EXPECT_EQ(looked_up.tokens, without.tokens);
  EXPECT_EQ(looked_up.statistics.decode_steps, 60);
  EXPECT_EQ(looked_up.statistics.decode_passes + looked_up.statistics.right_tokens, 60);
  const minim::Draft draft(model_, chat_model());
  const Said drafted = say({.tokens_max = 60, .draft = &draft, .lookup = false});
  EXPECT_EQ(drafted.tokens, without.tokens);
  EXPECT_EQ(drafted.statistics.right_tokens, drafted.statistics.guessed_tokens) << "the same model";
}

TEST_F(PublicSpeculation, ADraftLivesOnInAGeneration) {
  const Said without = say({.tokens_max = 40, .lookup = false});
  minim::Session session(model_);
  session.append("one two three one two three one two");
  auto draft = std::make_optional<minim::Draft>(model_, chat_model());
  minim::Generation generation = session.generate(greedy(), {.tokens_max = 40, .draft = &*draft});
  draft.reset();
  std::vector<int32_t> tokens;
  for (const minim::Event& event : generation) {
    if (event.type == minim::EventType::kToken) tokens.push_back(event.token);
  }
  EXPECT_EQ(tokens, without.tokens);
}

TEST_F(PublicSpeculation, RefusesWhatDoesNotFit) {
  EXPECT_STATUS(kNotFound, minim::Draft(model_, "no such file.gguf"));
  const minim::Model other(engine_, chat_model());
  const minim::Draft draft(other, chat_model());
  EXPECT_STATUS(kInvalidArgument, say({.tokens_max = 3, .draft = &draft}));
  minim_error error;
  minim_draft* none = nullptr;
  EXPECT_EQ(minim_draft_open(nullptr, "x", &none, &error), MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_draft_open(model_.get(), nullptr, &none, &error), MINIM_INVALID_ARGUMENT);
  EXPECT_EQ(minim_draft_open(model_.get(), "x", nullptr, &error), MINIM_INVALID_ARGUMENT);
  minim_draft_release(nullptr);
}

}  // namespace
}  // namespace minim_test
