// The chat as a person at a terminal has it: keys, Ctrl-C, history, pasted text.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "cli/chat/testing/terminal_session.h"
#include "formats/gguf/gguf_writer.h"
#include "formats/model_file.h"
#include "kernels/registry.h"
#include "model/random_model.h"
#include "tests/support/test_data.h"

namespace minim::cli {
namespace {

constexpr const char* kPrompt = "\x1b[?2004h";  // a line is read from here on
constexpr const char* kUp = "\x1b[A";

ModelConfig tiny_config() {
  ModelConfig config;
  config.architecture = "llama";
  config.name = "tiny";
  config.layer_count = 1;
  config.dim = 32;
  config.head_count = 2;
  config.kv_head_count = 1;
  config.head_dim = 16;
  config.ffn_dim = 64;
  config.vocabulary_size = 384;
  config.context_length = 256;
  config.tied_embeddings = true;
  config.rope.base = 10000;
  config.rope.dimension_count = config.head_dim;
  config.rope.original_context_length = config.context_length;
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  return config;
}

// A model that talks nonsense, with a chat template.
void write_chat_model(const Path& path) {
  ThreadPool threads(1);
  const Context context{threads, kernels::select_kernel_table(), {}};
  const Path plain = path.string() + ".plain";
  write_random_model(context, tiny_config(), plain, {.type = DataType::kF32});
  const auto file = open_model_file(plain);
  Metadata metadata = file->metadata();
  metadata.set_string("tokenizer.chat_template",
                      "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
                      "{% if add_generation_prompt %}[assistant]{% endif %}");
  save_gguf(path, metadata, file->tensors());
}

class ChatTerminal : public ::testing::Test {
 protected:
  void SetUp() override { write_chat_model(folder_.path() / "tiny.gguf"); }

  // Answers of three tokens, unless `more` says otherwise.
  std::vector<std::string> arguments(const std::vector<std::string>& more = {"-n", "3"}) const {
    std::vector<std::string> all = {"chat", "tiny.gguf", "-t", "1", "--seed", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // What /export writes.
  Json exported(testing::TerminalSession& chat) {
    const std::string name = "export" + std::to_string(exports_++) + ".json";
    chat.type("/export " + name + "\r");
    EXPECT_TRUE(chat.shows("[wrote")) << chat.unseen();
    EXPECT_TRUE(chat.shows(kPrompt)) << chat.unseen();
    return parse_json(read_file(folder_.path() / name), name).at("messages");
  }

  // Types a message and waits for the end of the answer.
  void say(testing::TerminalSession& chat, const std::string& keys) {
    chat.type(keys);
    EXPECT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  }

  minim::testing::TemporaryFolder folder_;
  int exports_ = 0;
};

TEST_F(ChatTerminal, CtrlCStopsTheAnswerAndNotTheProgram) {
  testing::TerminalSession chat(arguments({"--min-tokens", "1000000000"}), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  chat.type("go on for ever\r");
  // The context of 256 tokens has been full by then.
  ASSERT_TRUE(chat.shows("the context is full")) << chat.unseen();
  chat.type("\x03");
  ASSERT_TRUE(chat.shows("[stopped]")) << chat.unseen();
  ASSERT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  const Json messages = exported(chat);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[1].at("cut"), true);
  EXPECT_FALSE(messages[1].at("content").get<std::string>().empty());
  chat.type("\x03");
  EXPECT_TRUE(chat.shows("Ctrl-D or /quit leaves")) << chat.unseen();
  EXPECT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  chat.type("\x04");
  EXPECT_EQ(chat.exit_code(), 0);
}

TEST_F(ChatTerminal, CtrlDTypedDuringAnAnswerLeavesAfterIt) {
  testing::TerminalSession chat(arguments({"--min-tokens", "3000", "-n", "3000"}), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  chat.type("go on for long\r");
  ASSERT_TRUE(chat.shows("the context is full")) << chat.unseen();
  chat.type("\x04");
  EXPECT_EQ(chat.exit_code(), 0) << chat.unseen();
}

TEST_F(ChatTerminal, CtrlCDropsTheLineThatIsTyped) {
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  chat.type("not this");
  ASSERT_TRUE(chat.shows("not this")) << chat.unseen();
  say(chat, "\x03");
  say(chat, "but this\r");
  const Json messages = exported(chat);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].at("content"), "but this");
}

TEST_F(ChatTerminal, HistoryIsRecalledAlsoTheNextTime) {
  {
    testing::TerminalSession chat(arguments(), folder_.path());
    ASSERT_TRUE(chat.shows(kPrompt));
    say(chat, "first of all\r");
    say(chat, std::string(kUp) + "\r");
    const Json messages = exported(chat);
    ASSERT_EQ(messages.size(), 4u);
    EXPECT_EQ(messages[2].at("content"), "first of all");
    chat.type("/quit\r");
    EXPECT_EQ(chat.exit_code(), 0);
  }
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  say(chat, std::string(kUp) + kUp + kUp + "\r");
  EXPECT_EQ(exported(chat).at(0).at("content"), "first of all");
}

TEST_F(ChatTerminal, PastedTextKeepsItsNewlines) {
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  say(chat, "see: \x1b[200~one\rtwo \xc3\xa4\n/quit\r\tthree\x1b[201~!\r");
  EXPECT_EQ(exported(chat).at(0).at("content"), "see: one\ntwo \xc3\xa4\n/quit\n\tthree!");
}

TEST_F(ChatTerminal, LinesGoOnAfterABackslash) {
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  chat.type("one\\\r");
  ASSERT_TRUE(chat.shows("...")) << chat.unseen();
  say(chat, "two\r");
  EXPECT_EQ(exported(chat).at(0).at("content"), "one\ntwo");
}

TEST_F(ChatTerminal, EditBeginsWithTheLastMessage) {
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  say(chat, "hello\r");
  say(chat, "/edit\r");
  ASSERT_TRUE(chat.shows("hello")) << chat.unseen();
  say(chat, " world\r");
  const Json messages = exported(chat);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].at("content"), "hello world");
}

TEST_F(ChatTerminal, CommandsAreCompleted) {
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  chat.type("/sy\t");
  ASSERT_TRUE(chat.shows("stem ")) << chat.unseen();
  say(chat, "Be brief.\r");
  say(chat, "hi\r");
  EXPECT_EQ(exported(chat).at(0).at("content"), "Be brief.");
  chat.type("/s\t");
  EXPECT_TRUE(chat.shows("/save  /set  /stats  /system")) << chat.unseen();
}

TEST_F(ChatTerminal, AnErrorEndsNothing) {
  testing::TerminalSession chat(arguments(), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  chat.type("/lod x\r");
  EXPECT_TRUE(chat.shows("there is no command '/lod'; did you mean '/load'?")) << chat.unseen();
  EXPECT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  chat.type("/load nothing.chat\r");
  EXPECT_TRUE(chat.shows("cannot open")) << chat.unseen();
  EXPECT_TRUE(chat.shows(kPrompt)) << chat.unseen();
  say(chat, "/help\r");
  chat.type("\x04");
  EXPECT_EQ(chat.exit_code(), 0);
}

TEST_F(ChatTerminal, ARequestToEndLeavesCleanly) {
  testing::TerminalSession chat(arguments({"--min-tokens", "1000000000"}), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  chat.type("keep this\r");
  ASSERT_TRUE(chat.shows("the context is full")) << chat.unseen();
  chat.signal(SIGTERM);
  EXPECT_EQ(chat.exit_code(), 0);
  EXPECT_EQ(read_file(folder_.path() / ".local/state/minim/history"), "keep this\n");
}

TEST_F(ChatTerminal, WithoutHistoryNothingIsKept) {
  testing::TerminalSession chat(arguments({"-n", "3", "--no-history"}), folder_.path());
  ASSERT_TRUE(chat.shows(kPrompt));
  say(chat, "secret\r");
  chat.type("\x04");
  EXPECT_EQ(chat.exit_code(), 0);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / ".local"));
}

}  // namespace
}  // namespace minim::cli
