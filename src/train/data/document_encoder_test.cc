#include "train/data/document_encoder.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/tokenizer_test_support.h"

namespace minim::train {
namespace {

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

Vocabulary vocabulary() {
  Vocabulary made = minim::testing::byte_bpe_vocabulary();
  for (const char* name : {"<|im_start|>", "<|im_end|>"}) {
    made.tokens.push_back(name);
    made.types.push_back(TokenType::kControl);
  }
  made.chat_template = kChatMl;
  return made;
}

const std::shared_ptr<const Tokenizer> kTokenizer = Tokenizer::make(vocabulary());

EncodedDocument encode(const std::string& bytes, const DocumentEncoderOptions& options) {
  return DocumentEncoder(kTokenizer, options).encode({bytes, "x:1"});
}

// Every token, learned ones in brackets.
std::string show(const EncodedDocument& document) {
  std::string text;
  for (size_t i = 0; i < document.tokens.size(); ++i) {
    const std::string token = kTokenizer->decode(std::span(&document.tokens[i], 1));
    text += document.learned.empty() || document.learned[i] ? "[" + token + "]" : token;
  }
  return text;
}

TEST(DocumentEncoder, TextsAreTrimmedAndEnd) {
  EXPECT_EQ(show(encode(" ab\n", {})), "[a][b][<|end|>]");
  EXPECT_EQ(show(encode(" ab", {.trim = false, .end = false})), "[ ][a][b]");
  EXPECT_EQ(show(encode("a", {.begin = BeginToken::kBos})), "[<|start|>][a][<|end|>]");
  EXPECT_EQ(show(encode("a", {.begin = BeginToken::kEos})), "[<|end|>][a][<|end|>]");
  EXPECT_EQ(show(encode("a<|end|>", {.end = false})), "[a][<][|][e][n][d][|][>]");
  EXPECT_EQ(encode(" ab\n", {}).text_hash, encode("ab", {.end = false}).text_hash);
  EXPECT_NE(encode("ab", {}).text_hash, encode("abc", {}).text_hash);
  EXPECT_EQ(encode(" ab\n", {}).text_bytes, 2u);
}

TEST(DocumentEncoder, BosIsWrittenWhereTheVocabularyAddsIt) {
  Vocabulary with_bos = vocabulary();
  with_bos.add_bos = true;
  const auto tokenizer = Tokenizer::make(with_bos);
  EXPECT_EQ(DocumentEncoder(tokenizer, {}).encode({"a", "x"}).tokens.front(), *with_bos.bos);
  with_bos.eos.reset();
  EXPECT_THROW(DocumentEncoder(Tokenizer::make(with_bos), {}), Error);
  EXPECT_NO_THROW(DocumentEncoder(Tokenizer::make(with_bos), {.end = false}));
}

TEST(DocumentEncoder, FieldsOfObjectsAreJoined) {
  const DocumentEncoderOptions options = {
      .format = DocumentFormat::kJsonl, .fields = {"t", "u"}, .end = false};
  EXPECT_EQ(show(encode(R"({"u": "b", "t": "a"})", options)), "[a][\n][\n][b]");
  EXPECT_EQ(show(encode(R"({"u": "b", "t": null})", options)), "[b]");
}

// The loss of a conversation must never fall on what the model is given.
TEST(DocumentEncoder, OnlyAnswersAreLearned) {
  DocumentEncoderOptions options = {.format = DocumentFormat::kChat};
  const std::string chat =
      R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
                       {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
                       {"role": "assistant", "content": "d"}]})";
  const auto unlearned = [](const char* text) { return std::string(text); };
  const std::string front = unlearned(
      "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
  const std::string middle = unlearned("\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(show(encode(chat, options)), front + "[b][<|im_end|>]" + middle + "[d][<|im_end|>]\n");
  options.answers = LearnedAnswers::kLast;
  EXPECT_EQ(show(encode(chat, options)), front + "b<|im_end|>" + middle + "[d][<|im_end|>]\n");
}

TEST(DocumentEncoder, PromptsMakeConversationsOfRecords) {
  DocumentEncoderOptions options = {.format = DocumentFormat::kTable,
                                    .prompts = {"{{ q }}"},
                                    .answer = "{{ {'0': 'b', '1': 'a'}[label] }}"};
  EXPECT_EQ(show(encode(R"({"q": "c", "label": "1"})", options)),
            "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n[a][<|im_end|>]\n");
  EXPECT_EQ(encode(R"({"q": "", "label": "1"})", options).defect, Defect::kEmpty);
  const EncodedDocument missing = encode(R"({"label": "1"})", options);
  EXPECT_EQ(missing.defect, Defect::kNoText);
  EXPECT_EQ(missing.problem, "there is no 'q'; there is label");
  EXPECT_EQ(encode(R"(["c", "1"])", options).defect, Defect::kNoText);
  options = {.prompts = {"{{ text }}?"}, .answer = "a"};
  EXPECT_EQ(show(encode("b", options)),
            "<|im_start|>user\nb?<|im_end|>\n<|im_start|>assistant\n[a][<|im_end|>]\n");
  EXPECT_EQ(encode("\xff", options).defect, Defect::kNotUtf8);
  // Whatever is asked about it, a row is on one side of the held-out share.
  EXPECT_EQ(encode("b", options).text_hash,
            encode("b", {.prompts = {"x"}, .answer = "y"}).text_hash);
}

TEST(DocumentEncoder, DefectsAreTold) {
  const DocumentEncoderOptions text, jsonl = {.format = DocumentFormat::kJsonl},
                                     chat = {.format = DocumentFormat::kChat};
  EXPECT_EQ(encode("", text).defect, Defect::kEmpty);
  EXPECT_EQ(encode(" \n\t", text).defect, Defect::kEmpty);
  EXPECT_EQ(encode(" \n", {.trim = false}).defect, Defect::kEmpty);
  EXPECT_EQ(encode(std::string("a\0b", 3), text).defect, Defect::kBinary);
  EXPECT_EQ(encode("a\xff", text).defect, Defect::kNotUtf8);
  EXPECT_EQ(encode("{", jsonl).defect, Defect::kNotJson);
  EXPECT_EQ(encode("[]", jsonl).defect, Defect::kNoText);
  EXPECT_EQ(encode(R"({"texts": "a"})", jsonl).defect, Defect::kNoText);
  EXPECT_EQ(encode(R"({"text": 3})", jsonl).defect, Defect::kNoText);
  EXPECT_EQ(encode(R"({"text": ""})", jsonl).defect, Defect::kEmpty);
  EXPECT_EQ(encode(R"({"text": "a\u0000b"})", jsonl).defect, Defect::kBinary);
  EXPECT_EQ(encode(R"({"text": "a"})", chat).defect, Defect::kNoChat);
  EXPECT_EQ(encode(R"({"prompt": "a", "completion": "\ufdd0"})", chat).defect, Defect::kNoChat);
  EXPECT_EQ(DocumentEncoder(kTokenizer, jsonl).encode({"{}", "x", true}).defect, Defect::kTooLong);
  EXPECT_TRUE(encode("a\xff", text).tokens.empty());
}

TEST(DocumentEncoder, ConversationsNeedATemplate) {
  Vocabulary without = vocabulary();
  without.chat_template.clear();
  EXPECT_THROW(DocumentEncoder(Tokenizer::make(without), {.format = DocumentFormat::kChat}), Error);
}

}  // namespace
}  // namespace minim::train
