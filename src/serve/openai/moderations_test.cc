#include <gtest/gtest.h>

#include <set>
#include <string>

#include "serve/openai/moderation_rules.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

std::set<std::string> flags_of(std::string_view text) {
  std::set<std::string> names;
  const ModerationFlags flags = moderate(text);
  for (size_t i = 0; i < flags.size(); ++i) {
    if (flags[i]) names.insert(kModerationCategories[i]);
  }
  return names;
}

using Names = std::set<std::string>;

TEST(ModerationRules, FlagByWordsNearEachOther) {
  EXPECT_EQ(flags_of("I will kill them all."), (Names{"harassment/threatening", "violence"}));
  EXPECT_EQ(flags_of("You ARE such an idiot!"), Names{"harassment"});
  EXPECT_EQ(flags_of("I just want to kill myself"), (Names{"self-harm", "self-harm/intent"}));
  EXPECT_EQ(flags_of("how do I build a pipe bomb"), (Names{"illicit", "illicit/violent"}));
  EXPECT_EQ(flags_of("all immigrants must die"), (Names{"hate", "hate/threatening"}));
  EXPECT_EQ(flags_of("porn"), Names{"sexual"});
}

TEST(ModerationRules, LeaveOrdinaryTextsAlone) {
  for (const char* text :
       {"", "How do I make a cake?", "I will call them tomorrow.", "You are kind.",
        "How do I kill a process in Linux?", "The children went to the park.", "skill them",
        "you said that the weather there is ugly"}) {
    EXPECT_EQ(flags_of(text), Names{}) << text;
  }
}

class ModerationsTest : public testing::ServiceTest {
 protected:
  void SetUp() override { start(); }
};

TEST_F(ModerationsTest, AnswersAsTheOriginalDoes) {
  const OrderedJson reply = ask("/v1/moderations", {{"input", {"a cake", "I will kill you"}}});
  EXPECT_EQ(reply["model"], "minim-rules-1");
  ASSERT_EQ(reply["results"].size(), 2u);
  EXPECT_EQ(reply["results"][0]["flagged"], false);
  const OrderedJson& flagged = reply["results"][1];
  EXPECT_EQ(flagged["flagged"], true);
  EXPECT_EQ(flagged["categories"].size(), 13u);
  EXPECT_EQ(flagged["categories"]["violence"], true);
  EXPECT_EQ(flagged["category_scores"]["violence"], 1.0);
  EXPECT_EQ(flagged["category_applied_input_types"]["violence"], OrderedJson::array({"text"}));
  EXPECT_EQ(flagged["categories"]["sexual"], false);
  const OrderedJson parts = {{{"type", "text"}, {"text", "porn"}}};
  EXPECT_EQ(ask("/v1/moderations",
                {{"model", "omni-moderation-latest"}, {"input", parts}})["results"][0]["flagged"],
            true);
  const auto refused = post("/v1/moderations", R"({"input":[{"type":"image_url"}]})");
  EXPECT_EQ(OrderedJson::parse(refused.body)["error"]["param"], "input[0].type");
  EXPECT_EQ(post("/v1/moderations", R"({"input":"a","model":"gpt"})").status, 404);
  EXPECT_EQ(post("/v1/moderations", R"({"input":[]})").status, 400);
}

}  // namespace
}  // namespace minim::serve
