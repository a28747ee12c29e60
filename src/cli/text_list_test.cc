#include "cli/text_list.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace minim::cli {
namespace {

TEST(TextList, LinesAreTexts) {
  const auto texts = parse_text_list("one\r\n\n  two {x}\n\t\nthree", "f");
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts[0].text, "one");
  EXPECT_EQ(texts[1].text, "  two {x}");
  EXPECT_EQ(texts[2].text, "three");
  EXPECT_TRUE(texts[0].id.is_null());
  EXPECT_TRUE(parse_text_list("\n", "f").empty());
}

TEST(TextList, JsonLinesAreTextsWithIds) {
  const auto texts = parse_text_list("{\"id\": 7, \"text\": \"a\\nb\", \"x\": 1}\n\"c\"\n", "f");
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0].text, "a\nb");
  EXPECT_EQ(texts[0].id, 7);
  EXPECT_EQ(texts[1].text, "c");
}

TEST(TextList, WhatIsWrongIsSaidWithItsLine) {
  for (const char* bad : {"{\"text\": \"a\"}\n{\"id\": 1}", "\"a\"\n[1]", "\"a\"\n{\"text\": 3}"}) {
    try {
      parse_text_list(bad, "f");
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_NE(std::string(error.what()).find("f, line 2"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(parse_text_list("{broken", "f"), Error);
}

TEST(TextList, TextsAreGivenOnce) {
  EXPECT_EQ(read_text_list("embed", {"a", "b"}, "").size(), 2u);
  EXPECT_THROW(read_text_list("embed", {"a"}, "file"), Error);
}

}  // namespace
}  // namespace minim::cli
