#include "cli/chat/chat_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::cli {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Conversation sample() {
  return {.system = "s", .turns = {{true, "question", false}, {false, "answer", true}}};
}

ErrorCode code_of(std::string_view bytes) {
  try {
    parse_chat(bytes_of(bytes), "test");
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

class ChatFileTest : public ::testing::Test {
 protected:
  Path path(const char* name = "a.chat") const { return folder_.path() / name; }
  std::string saved() const {
    save_chat(path(), sample(), "m", bytes_of(session_));
    return read_file(path());
  }

  minim::testing::TemporaryFolder folder_;
  std::string session_ = std::string("minimKV\0session", 15);
};

TEST_F(ChatFileTest, HoldsConversationAndSession) {
  saved();
  const SavedChat chat = load_chat(path());
  EXPECT_EQ(chat.conversation.turns.at(1).text, "answer");
  EXPECT_TRUE(std::ranges::equal(chat.session, bytes_of(session_)));
}

TEST_F(ChatFileTest, AConversationAloneIsReadToo) {
  std::ofstream(path()) << format_conversation(sample(), "m");
  const SavedChat chat = load_chat(path());
  EXPECT_EQ(chat.conversation.turns.size(), 2u);
  EXPECT_TRUE(chat.session.empty());
}

TEST_F(ChatFileTest, EveryTruncationIsRefused) {
  const std::string file = saved();
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(code_of(file.substr(0, size)), ErrorCode::kFormat) << size;
  }
  EXPECT_EQ(code_of(file + "x"), ErrorCode::kFormat);
}

TEST_F(ChatFileTest, EveryFlippedBitIsRefused) {
  const std::string file = saved();
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(code_of(damaged), ErrorCode::kFormat) << bit;
  }
}

TEST_F(ChatFileTest, ReplacesSavedChatsOnly) {
  saved();
  saved();
  std::ofstream(path("essay.md")) << "# years of work";
  try {
    save_chat(path("essay.md"), sample(), "m", bytes_of(session_));
    ADD_FAILURE() << "replaced";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(read_file(path("essay.md")), "# years of work");
  EXPECT_THROW(save_chat(folder_.path(), sample(), "m", bytes_of(session_)), Error);
  EXPECT_THROW(load_chat(path("none")), Error);
}

}  // namespace
}  // namespace minim::cli
