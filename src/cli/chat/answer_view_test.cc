#include "cli/chat/answer_view.h"

#include <gtest/gtest.h>

#include <string>

namespace minim::cli {
namespace {

std::string shown(AnswerStyle style, std::string_view text, bool begun = false) {
  AnswerView view(style, begun);
  std::string out = view.feed(text);
  return out + view.finish();
}

const std::string kText = "<think>\nHm \x1b[1m*x*\n</think>\n\nA **b**.\n";

TEST(AnswerView, ReasoningIsDimAndTheAnswerRendered) {
  EXPECT_EQ(shown(AnswerStyle::kStyled, kText),
            "\x1b[2mHm ␛[1m*x*\x1b[0m\n\nA \x1b[0;1mb\x1b[0m.\n");
  EXPECT_EQ(shown(AnswerStyle::kStyled, "so\n</think>\nYes", true), "\x1b[2mso\x1b[0m\n\nYes");
  EXPECT_EQ(shown(AnswerStyle::kStyled, "<think>cut"), "\x1b[2mcut\x1b[0m");
}

TEST(AnswerView, PlainTextKeepsItsMarksAndLosesItsControls) {
  EXPECT_EQ(shown(AnswerStyle::kPlain, kText), "<think>\nHm ␛[1m*x*\n</think>\n\nA **b**.\n");
}

TEST(AnswerView, FilesGetEveryByte) {
  EXPECT_EQ(shown(AnswerStyle::kAsIs, kText), kText);
  EXPECT_EQ(shown(AnswerStyle::kAsIs, "\xff\r\n"), "\xff\r\n");
}

TEST(AnswerView, EverySplitShowsTheSame) {
  for (const AnswerStyle style : {AnswerStyle::kPlain, AnswerStyle::kStyled}) {
    const std::string whole = shown(style, kText);
    AnswerView bytes(style, false);
    std::string out;
    for (const char c : kText) out += bytes.feed(std::string_view(&c, 1));
    EXPECT_EQ(out + bytes.finish(), whole);
  }
}

TEST(AnswerView, PauseEndsColours) {
  AnswerView view(AnswerStyle::kStyled, true);
  EXPECT_EQ(view.feed("a"), "\x1b[2ma");
  EXPECT_EQ(view.pause(), "\x1b[0m");
  EXPECT_EQ(view.feed("b"), "\x1b[2mb");
}

}  // namespace
}  // namespace minim::cli
