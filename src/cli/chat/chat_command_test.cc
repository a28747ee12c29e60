#include "cli/chat/chat_command.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/support/test_data.h"

namespace minim::cli {
namespace {

std::string refusal(std::string_view line) {
  try {
    parse_chat_command(line);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(ChatCommand, CommandsAndTheirArguments) {
  const auto save = parse_chat_command("/save  my file.chat ");
  ASSERT_TRUE(save);
  EXPECT_EQ(save->id, ChatCommandId::kSave);
  EXPECT_EQ(save->argument, "my file.chat");
  EXPECT_EQ(parse_chat_command("/stats")->argument, "");
  EXPECT_EQ(parse_chat_command("/system Be brief.\nBe kind.")->argument, "Be brief.\nBe kind.");
}

TEST(ChatCommand, EachOfTheTableIsFound) {
  for (const ChatCommandRow& row : chat_commands()) {
    std::string line(row.name);
    if (row.kind == ChatArgument::kFile) line += " x";
    const auto command = parse_chat_command(line);
    ASSERT_TRUE(command) << row.name;
    EXPECT_EQ(command->id, row.id);
  }
}

TEST(ChatCommand, MessagesAreNoCommands) {
  for (const char* line : {"hello", " /help", "", "/", "/usr/bin is what?", "//help", "/ help"}) {
    EXPECT_FALSE(parse_chat_command(line)) << line;
  }
  EXPECT_EQ(chat_message("//help"), "/help");
  EXPECT_EQ(chat_message("/usr/bin"), "/usr/bin");
  EXPECT_EQ(chat_message("a"), "a");
}

TEST(ChatCommand, WhatIsWrongIsSaid) {
  EXPECT_EQ(refusal("/sav x"),
            "chat: there is no command '/sav'; did you mean '/save'?; /help lists them");
  EXPECT_EQ(refusal("/frobnicate"), "chat: there is no command '/frobnicate'; /help lists them");
  EXPECT_EQ(refusal("/undo 3"), "chat: /undo takes nothing after it, not '3'");
  EXPECT_EQ(refusal("/load "), "chat: /load needs the name of a file: /load FILE");
}

TEST(ChatCommand, NamesAreCompleted) {
  const Completion completion = complete_chat_line("/s", {});
  EXPECT_EQ(completion.begin, 0u);
  EXPECT_EQ(completion.candidates,
            (std::vector<std::string>{"/save", "/set", "/stats", "/system"}));
  EXPECT_TRUE(complete_chat_line("hello", {}).candidates.empty());
  EXPECT_TRUE(complete_chat_line("/nothing x", {}).candidates.empty());
}

TEST(ChatCommand, OptionsAreCompleted) {
  const std::vector<std::string> options = {"top-p", "temperature", "top-k"};
  const Completion completion = complete_chat_line("/set top", options);
  EXPECT_EQ(completion.begin, 5u);
  EXPECT_EQ(completion.candidates, (std::vector<std::string>{"top-k", "top-p"}));
  EXPECT_TRUE(complete_chat_line("/set top-k 4", options).candidates.empty());
}

TEST(ChatCommand, FilesAreCompleted) {
  const minim::testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "talks");
  for (const char* name : {"talk one.chat", ".hidden"}) std::ofstream(folder.path() / name) << "x";
  const std::string root = folder.path().string() + "/";
  EXPECT_EQ(complete_chat_line("/load " + root + "ta", {}).candidates,
            (std::vector<std::string>{root + "talk one.chat", root + "talks/"}));
  EXPECT_EQ(complete_chat_line("/load " + root + ".h", {}).candidates,
            (std::vector<std::string>{root + ".hidden"}));
  EXPECT_EQ(complete_chat_line("/save " + root, {}).candidates.size(), 2u);
  EXPECT_TRUE(complete_chat_line("/load " + root + "none/x", {}).candidates.empty());
}

TEST(ChatCommand, NamesAndValues) {
  EXPECT_EQ(split_name("stop  a b ").name, "stop");
  EXPECT_EQ(split_name("stop  a b ").value, "a b");
  EXPECT_EQ(split_name("seed").value, "");
}

}  // namespace
}  // namespace minim::cli
