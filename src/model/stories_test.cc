// A real model that others trained: stories260K (karpathy/tinyllamas, a llama2.c checkpoint).
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/vocabulary.h"
#include "model/model.h"
#include "model/testing/sequence.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

using testing::forward_all;
using testing::greatest;
using testing::ModelTestContext;
using testing::TestSequence;

constexpr std::string_view kCheckpoint = "weights/stories260K/stories260K.bin";

struct Stories {
  explicit Stories(const Path& path) {
    OpenModelOptions options;
    options.tokenizer = path.parent_path() / "tok512.bin";
    const auto file = open_model_file(path, options);
    model = Model::load(*context, file);
    tokenizer = Tokenizer::make(read_vocabulary(file->metadata()));
  }

  // The mean negative log-likelihood of every token after the first.
  double loss(std::span<const int32_t> tokens) const {
    TestSequence sequence(*model, static_cast<int64_t>(tokens.size()), 32);
    const auto logits = forward_all(*context, *model, sequence, tokens.first(tokens.size() - 1));
    const auto width = static_cast<size_t>(model->config().vocabulary_size);
    double sum = 0.0;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto row = std::span(logits).subspan(i * width, width);
      double total = 0.0;
      for (const float logit : row) total += std::exp(static_cast<double>(logit));
      sum += std::log(total) - static_cast<double>(row[static_cast<size_t>(tokens[i + 1])]);
    }
    return sum / static_cast<double>(tokens.size() - 1);
  }

  ModelTestContext context;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
};

TEST(StoriesTest, ConfigIsRead) {
  MINIM_DATA_OR_SKIP(path, kCheckpoint);
  const ModelConfig config = Stories(path).model->config();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.dim, 64);
  EXPECT_EQ(config.layer_count, 5);
  EXPECT_EQ(config.head_count, 8);
  EXPECT_EQ(config.kv_head_count, 4);
  EXPECT_EQ(config.vocabulary_size, 512);
  EXPECT_EQ(config.context_length, 512);
}

// The text on the model's card, which llama2.c's own program gives (see SOURCES.md of the data).
TEST(StoriesTest, GreedyTextIsThatOfTheModelCard) {
  MINIM_DATA_OR_SKIP(path, kCheckpoint);
  const Stories stories(path);
  std::string expected = read_file(path.parent_path() / "expected_greedy.txt");
  while (!expected.empty() && expected.back() == '\n') expected.pop_back();

  TestSequence sequence(*stories.model, stories.model->config().context_length, 32);
  std::vector<int32_t> tokens = stories.tokenizer->encode("");
  ASSERT_EQ(tokens.size(), 1u);  // BOS
  std::vector<int32_t> next = tokens;
  std::string text;
  while (text.size() < expected.size() && tokens.size() < 400) {
    next = {greatest(forward_all(*stories.context, *stories.model, sequence, next))};
    tokens.push_back(next.front());
    DecodeOptions options;
    options.skip_special = true;
    text = stories.tokenizer->decode(tokens, options);
  }
  EXPECT_EQ(text, expected);
}

// 1.2304148 is what Transformer of llama2.c's model.py gives in double precision (1.2304149 in
// single, PyTorch 2.15) for the 319 predictions of the first story of tinystories_sample.txt.
TEST(StoriesTest, LossIsThatOfItsOwnProgram) {
  MINIM_DATA_OR_SKIP(path, kCheckpoint);
  MINIM_DATA_OR_SKIP(text_path, "text/tinystories/tinystories_sample.txt.xz");
  const Stories stories(path);
  const std::string sample = testing::read_data(text_path);
  std::string story = sample.substr(0, sample.find("<|endoftext|>"));
  while (!story.empty() && std::isspace(static_cast<unsigned char>(story.back()))) story.pop_back();
  const auto tokens = stories.tokenizer->encode(story);
  ASSERT_EQ(tokens.size(), 320u);
  EXPECT_NEAR(stories.loss(tokens), 1.2304148, 1e-5);
}

}  // namespace
}  // namespace minim
