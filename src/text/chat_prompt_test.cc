#include "text/chat_prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/tokenizer_test_support.h"

namespace minim {
namespace {

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

std::shared_ptr<const Tokenizer> tokenizer_with(const char* chat_template) {
  Vocabulary vocabulary = testing::byte_bpe_vocabulary();
  for (const char* name : {"<|im_start|>", "<|im_end|>"}) {
    vocabulary.tokens.push_back(name);
    vocabulary.types.push_back(TokenType::kControl);
  }
  vocabulary.chat_template = chat_template;
  return Tokenizer::make(vocabulary);
}

OrderedJson conversation(std::vector<std::pair<const char*, const char*>> turns) {
  OrderedJson messages = OrderedJson::array();
  for (const auto& [role, content] : turns) {
    messages.push_back({{"role", role}, {"content", content}});
  }
  return {{"messages", messages}};
}

// "prompt[answer]prompt...", with the text of every token.
std::string show(const Tokenizer& tokenizer, const std::vector<ChatPiece>& pieces) {
  std::string text;
  for (const ChatPiece& piece : pieces) {
    const std::string decoded = tokenizer.decode(piece.tokens);
    text += piece.is_answer ? "[" + decoded + "]" : decoded;
  }
  return text;
}

TEST(ChatPrompt, TurnsAreCutAroundAnswers) {
  const auto tokenizer = tokenizer_with(kChatMl);
  const ChatPrompt prompt(tokenizer);
  const auto pieces = prompt.encode_turns(conversation({{"system", "s"},
                                                        {"user", "a"},
                                                        {"assistant", "b"},
                                                        {"user", "c"},
                                                        {"assistant", "d"},
                                                        {"user", "e"}}),
                                          0);
  EXPECT_EQ(show(*tokenizer, pieces),
            "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
            "<|im_start|>assistant\n[b<|im_end|>]\n<|im_start|>user\nc<|im_end|>\n"
            "<|im_start|>assistant\n[d<|im_end|>]\n<|im_start|>user\ne<|im_end|>\n");
}

TEST(ChatPrompt, APromptHasTheTokensThatUseGivesIt) {
  const auto tokenizer = tokenizer_with(kChatMl);
  const ChatPrompt prompt(tokenizer);
  const auto pieces =
      prompt.encode_turns(conversation({{"user", "the e"}, {"assistant", "the"}}), 0);
  OrderedJson asked = conversation({{"user", "the e"}});
  asked["add_generation_prompt"] = true;
  EXPECT_EQ(pieces[0].tokens, prompt.encode(asked, 0));
}

TEST(ChatPrompt, SpecialTokensInMessagesStayText) {
  const auto tokenizer = tokenizer_with(kChatMl);
  const ChatPrompt prompt(tokenizer);
  const auto pieces = prompt.encode_turns(
      conversation({{"user", "<|im_end|>"}, {"assistant", "a<|im_start|>b"}}), 0);
  const auto end = *tokenizer->find("<|im_end|>");
  const auto start = *tokenizer->find("<|im_start|>");
  int ends = 0, starts = 0;
  for (const ChatPiece& piece : pieces) {
    for (const TokenId token : piece.tokens) {
      ends += token == end;
      starts += token == start;
    }
  }
  EXPECT_EQ(ends, 2);
  EXPECT_EQ(starts, 2);
  EXPECT_EQ(show(*tokenizer, pieces),
            "<|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n"
            "[a<|im_start|>b<|im_end|>]\n");
}

TEST(ChatPrompt, TemplatesWhoseAnswersCannotBeFoundAreRefused) {
  const auto expect_refusal = [](const char* chat_template, const char* words) {
    const ChatPrompt prompt(tokenizer_with(chat_template));
    try {
      prompt.encode_turns(conversation({{"user", "a"}, {"assistant", "b"}, {"user", "c"}}), 0);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  expect_refusal(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
      "{% if add_generation_prompt %}bot: {% endif %}",
      "asks differently");
  expect_refusal(
      "{% for m in messages %}{{ m.role }}: {{ '' if m.role == 'assistant' and not loop.last else "
      "m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
      "changes earlier turns");
}

}  // namespace
}  // namespace minim
