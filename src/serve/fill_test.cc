// Texts with a gap, of models that were trained with such.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "serve/engine/fill_in_middle.h"
#include "serve/testing/service_rig.h"

namespace minim::serve {
namespace {

using testing::ClientResponse;

class FillTest : public testing::ServiceTest {
 protected:
  // The model "tiny" of the rig, in "filled" with ids of tokens for gaps.
  void start_with_fill() {
    const Path path = folder_.path() / "tiny.gguf";
    testing::write_chat_model(*context_, path, 512);
    const Path filled = folder_.path() / "filled.gguf";
    const auto file = open_model_file(path);
    Metadata metadata = file->metadata();
    metadata.set_uint32("tokenizer.ggml.fim_pre_token_id", 300);
    metadata.set_uint32("tokenizer.ggml.fim_suf_token_id", 301);
    metadata.set_uint32("tokenizer.ggml.fim_mid_token_id", 302);
    save_gguf(filled, metadata, file->tensors());
    registry_.emplace(
        *context_,
        std::vector<ModelSource>{{.id = "filled", .path = filled}, {.id = "tiny", .path = path}},
        registry_options_);
    service_.emplace(*registry_, options_);
  }
};

TEST_F(FillTest, IsFoundByKeyOrByName) {
  start_with_fill();
  const auto tokenizer = registry_->load("tiny")->tokenizer();
  const auto found = find_fill_tokens({}, *tokenizer);
  EXPECT_FALSE(found.has_value());
  Metadata metadata;
  metadata.set_uint32("tokenizer.ggml.prefix_token_id", 5);
  metadata.set_uint32("tokenizer.ggml.suffix_token_id", 6);
  EXPECT_FALSE(find_fill_tokens(metadata, *tokenizer).has_value());
  metadata.set_uint32("tokenizer.ggml.middle_token_id", 7);
  EXPECT_EQ(find_fill_tokens(metadata, *tokenizer)->middle, 7);
  metadata.set_uint32("tokenizer.ggml.fim_pre_token_id", 100'000);
  EXPECT_THROW(find_fill_tokens(metadata, *tokenizer), Error);
  Vocabulary vocabulary = tokenizer->vocabulary();
  const size_t last = vocabulary.tokens.size() - 1;
  vocabulary.tokens[last] = "<|fim_middle|>";
  vocabulary.tokens[last - 1] = "<|fim_suffix|>";
  vocabulary.tokens[last - 2] = "<|fim_prefix|>";
  const auto named = find_fill_tokens({}, *Tokenizer::make(vocabulary));
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->middle, static_cast<TokenId>(last));
}

// A gap is a prompt of its own, token by token.
TEST_F(FillTest, IsWrittenBetweenWhatIsGiven) {
  start_with_fill();
  const OrderedJson filled = ask("/v1/completions", {{"model", "filled"},
                                                     {"prompt", "one two"},
                                                     {"suffix", " four"},
                                                     {"max_tokens", 8},
                                                     {"temperature", 0}});
  const auto tokenizer = registry_->find("filled")->tokenizer();
  std::vector<TokenId> tokens = tokenizer->encode("one two");
  const bool has_bos =
      tokenizer->vocabulary().bos && tokens.front() == *tokenizer->vocabulary().bos;
  tokens.insert(tokens.begin() + (has_bos ? 1 : 0), 300);
  tokens.push_back(301);
  for (const TokenId token : tokenizer->encode(" four", {.add_special = false})) {
    tokens.push_back(token);
  }
  tokens.push_back(302);
  const OrderedJson by_hand =
      ask("/v1/completions",
          {{"model", "filled"}, {"prompt", tokens}, {"max_tokens", 8}, {"temperature", 0}});
  EXPECT_EQ(filled["choices"][0]["text"], by_hand["choices"][0]["text"]);
  EXPECT_EQ(filled["usage"]["prompt_tokens"], tokens.size());
  const OrderedJson ollama =
      ask("/api/generate",
          {{"model", "filled"},
           {"prompt", "one two"},
           {"suffix", " four"},
           {"stream", false},
           {"options", {{"num_predict", 8}, {"temperature", 0}, {"repeat_penalty", 1}}}});
  EXPECT_EQ(ollama["response"], by_hand["choices"][0]["text"]);
  const OrderedJson shown = ask("/api/show", {{"model", "filled"}});
  EXPECT_EQ(shown["capabilities"].back(), "insert");
}

TEST_F(FillTest, IsRefusedByNameWhereTheModelCannot) {
  start_with_fill();
  const ClientResponse openai =
      post("/v1/completions", R"({"model":"tiny","prompt":"a","suffix":"b"})");
  EXPECT_EQ(openai.status, 400);
  const OrderedJson error = OrderedJson::parse(openai.body)["error"];
  EXPECT_EQ(error["param"], "suffix");
  EXPECT_EQ(error["code"], "unsupported_parameter");
  const ClientResponse ollama =
      post("/api/generate", R"({"model":"tiny","prompt":"a","suffix":"b"})");
  EXPECT_EQ(ollama.status, 400);
  EXPECT_NE(ollama.body.find("'suffix'"), std::string::npos);
  EXPECT_EQ(post("/v1/completions", R"({"model":"tiny","prompt":"a","suffix":""})").status, 200);
}

}  // namespace
}  // namespace minim::serve
