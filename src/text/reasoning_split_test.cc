#include "text/reasoning_split.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace minim {
namespace {

// "{reasoning}answer", however the parts were cut.
std::string told(const std::vector<std::string>& pieces, bool begun = false) {
  ReasoningSplit split(begun);
  std::string reasoning;
  std::string answer;
  const auto take = [&](const std::vector<ReasoningSplit::Part>& parts) {
    for (const auto& part : parts) {
      EXPECT_TRUE(!part.reasoning || answer.empty());
      (part.reasoning ? reasoning : answer) += part.text;
    }
  };
  for (const std::string& piece : pieces) take(split.feed(piece));
  take(split.finish());
  return "{" + reasoning + "}" + answer;
}

TEST(ReasoningSplit, TellsReasoningFromTheAnswer) {
  EXPECT_EQ(told({"\n<think>\nHm, a < b.\n\n</think>\n\nYes.\n"}), "{Hm, a < b.}Yes.\n");
  EXPECT_EQ(told({"Hm.\n</think>\nYes."}, true), "{Hm.}Yes.");
  EXPECT_EQ(told({"Yes."}), "{}Yes.");
  EXPECT_EQ(told({"<think>\n\n</think>\n\nYes."}), "{}Yes.");
  EXPECT_EQ(told({"<think> cut "}), "{cut }");
  EXPECT_EQ(told({"<thin"}), "{}<thin");
  EXPECT_EQ(told({"  a"}), "{}  a");
}

TEST(ReasoningSplit, TagsLaterOnAreText) {
  EXPECT_EQ(told({"The tag <think> is text, and </think> too."}),
            "{}The tag <think> is text, and </think> too.");
  EXPECT_EQ(told({"<think>a</think>b<think>c"}), "{a}b<think>c");
}

TEST(ReasoningSplit, EverySplitTellsTheSame) {
  for (const bool begun : {false, true}) {
    for (const std::string text : {" <think>\n a </ b </thin \n</think>\n\n c <think> d\n",
                                   "<thinker> a", "x </think>  y"}) {
      const std::string whole = told({text}, begun);
      std::vector<std::string> bytes;
      for (size_t cut = 0; cut <= text.size(); ++cut) {
        EXPECT_EQ(told({text.substr(0, cut), text.substr(cut)}, begun), whole) << cut;
        if (cut < text.size()) bytes.push_back(text.substr(cut, 1));
      }
      EXPECT_EQ(told(bytes, begun), whole);
    }
  }
}

TEST(ReasoningSplit, ReasoningIsShownWhileItIsWritten) {
  ReasoningSplit split(true);
  ASSERT_EQ(split.feed("Let me see ").size(), 1u);
  EXPECT_TRUE(split.feed("</thi").empty());
}

}  // namespace
}  // namespace minim
