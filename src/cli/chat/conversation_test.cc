#include "cli/chat/conversation.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace minim::cli {
namespace {

Conversation sample() {
  return {
      .system = "Be brief.",
      .turns = {{true, "Hi \"you\"\n", false}, {false, "Hello\xff", true}, {true, "Why?", false}},
      .forgotten = 0};
}

TEST(Conversation, JsonHoldsAllOfIt) {
  Conversation conversation = sample();
  conversation.turns[1].text = "Hello";
  conversation.forgotten = 2;
  const Conversation back = parse_conversation(format_conversation(conversation, "m"), "test");
  EXPECT_EQ(back.system, conversation.system);
  EXPECT_EQ(back.forgotten, 2u);
  ASSERT_EQ(back.turns.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.turns[i].by_user, conversation.turns[i].by_user);
    EXPECT_EQ(back.turns[i].text, conversation.turns[i].text);
    EXPECT_EQ(back.turns[i].cut, conversation.turns[i].cut);
  }
}

TEST(Conversation, BytesThatAreNoTextAreReplaced) {
  const Conversation back = parse_conversation(format_conversation(sample(), "m"), "test");
  EXPECT_EQ(back.turns[1].text, "Hello\xef\xbf\xbd");
}

TEST(Conversation, TheModelSeesWhatIsNotForgotten) {
  Conversation conversation = sample();
  EXPECT_EQ(message_list(conversation).size(), 4u);
  conversation.forgotten = 2;
  const OrderedJson seen = message_list(conversation);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0]["role"], "system");
  EXPECT_EQ(seen[1]["content"], "Why?");
}

std::string refusal(std::string_view json) {
  try {
    parse_conversation(json, "f");
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.what();
  }
  return "";
}

TEST(Conversation, WhatIsNoneIsRefused) {
  const auto with = [](const std::string& rest) {
    return R"({"format": "minim chat", "version": 1, )" + rest + "}";
  };
  EXPECT_EQ(refusal("{}"), "format: f: this is no conversation of minim chat");
  EXPECT_EQ(refusal(R"({"format": "minim chat", "version": 2})").substr(0, 11), "unsupported");
  EXPECT_EQ(refusal(with(R"("x": 1)")), "format: f: it has no 'messages'");
  EXPECT_EQ(refusal(with(R"("messages": [3])")), "format: f: a message is no JSON object");
  EXPECT_EQ(refusal(with(R"("messages": [{"role": "user"}])")),
            "format: f: a message has no 'content'");
  EXPECT_EQ(refusal(with(R"("messages": [{"role": "assistant", "content": ""}])")),
            "format: f: message 1 is by 'assistant', but the turn is the user's");
  EXPECT_EQ(refusal(with(R"("messages": [], "forgotten": 2)")),
            "format: f: 'forgotten' is 2, which is no number of turns at the beginning");
  EXPECT_EQ(refusal(with(R"("messages": [])")), "");
}

TEST(Conversation, Markdown) {
  EXPECT_EQ(format_markdown(sample(), "tiny"),
            "# Conversation with tiny\n\n## System\n\nBe brief.\n\n## User\n\nHi \"you\"\n\n\n"
            "## Assistant\n\nHello\xff\n\n*(cut)*\n\n## User\n\nWhy?\n");
}

}  // namespace
}  // namespace minim::cli
