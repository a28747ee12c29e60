// Every architecture against what transformers computes: tests/golden/model, made by
// scripts/golden/models.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/gguf/gguf_writer.h"
#include "model/model.h"
#include "model/testing/sequence.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::forward_all;
using testing::golden_path;
using testing::greatest;
using testing::ModelTestContext;
using testing::TestChunk;
using testing::TestSequence;

constexpr float kTolerance = 1e-4f;
constexpr int64_t kTokensMax = 64;

struct Golden {
  std::shared_ptr<const Model> model;
  std::vector<int32_t> prompt;
  std::vector<int32_t> greedy;
  std::vector<float> logits;  // [prompt, vocabulary]
};

class GoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  Path folder() const { return golden_path("golden/model") / GetParam(); }

  std::shared_ptr<const ModelFile> open() const { return adapt(open_model_file(folder())); }

  // transformers has no static NTK scaling: its model has the base that the scaling comes to, and
  // here the same is said in another way.
  std::shared_ptr<const ModelFile> adapt(std::shared_ptr<const ModelFile> file) const {
    if (std::string_view(GetParam()) != "llama-ntk") return file;
    Metadata metadata = file->metadata();
    metadata.set_float32("llama.rope.freq_base", 10000.0f);
    metadata.set_string("llama.rope.scaling.type", "ntk");
    metadata.set_float32("llama.rope.scaling.factor", 4.0f);
    return std::make_shared<const ModelFile>(file->path(), file->format(), metadata,
                                             file->tensors());
  }

  Golden load(std::shared_ptr<const ModelFile> file) {
    Golden golden;
    LoadOptions options;
    options.precision = MatmulPrecision::kFloat32;
    // The prompt and its continuation fit in what this model was first trained on.
    if (std::string_view(GetParam()) == "phi3-short") options.context_length = 48;
    golden.model = Model::load(*context_, std::move(file), options);
    const Json expected = parse_json(read_file(folder() / "expected.json"), "expected.json");
    golden.prompt = expected["prompt"].get<std::vector<int32_t>>();
    golden.greedy = expected["greedy"].get<std::vector<int32_t>>();
    const std::string bytes = read_file(folder() / "logits.bin");
    golden.logits.resize(bytes.size() / sizeof(float));
    std::memcpy(golden.logits.data(), bytes.data(), bytes.size());
    EXPECT_EQ(golden.logits.size(), golden.prompt.size() * vocabulary(golden));
    return golden;
  }

  static size_t vocabulary(const Golden& golden) {
    return static_cast<size_t>(golden.model->config().vocabulary_size);
  }

  static void expect_near(std::span<const float> found, std::span<const float> expected) {
    ASSERT_EQ(found.size(), expected.size());
    float worst = 0.0f;
    for (size_t i = 0; i < found.size(); ++i) {
      const float error = std::abs(found[i] - expected[i]);
      worst = error <= worst ? worst : error;  // a NaN sticks
    }
    EXPECT_LE(worst, kTolerance);
  }

  void expect_greedy(const Golden& golden) {
    TestSequence sequence(*golden.model, kTokensMax);
    std::vector<int32_t> next = golden.prompt;
    std::vector<int32_t> text;
    while (text.size() < golden.greedy.size()) {
      const auto logits = forward_all(*context_, *golden.model, sequence, next);
      text.push_back(greatest(std::span(logits).last(vocabulary(golden))));
      next = {text.back()};
    }
    EXPECT_EQ(text, golden.greedy);
  }

  void expect_logits(const Golden& golden) {
    TestSequence sequence(*golden.model, kTokensMax);
    expect_near(forward_all(*context_, *golden.model, sequence, golden.prompt), golden.logits);
  }

  ModelTestContext context_;
};

TEST_P(GoldenTest, LogitsAgree) {
  expect_logits(load(open()));
  EXPECT_TRUE(context_.warnings().empty()) << context_.warnings().front();
}

TEST_P(GoldenTest, GreedyTextIsIdentical) { expect_greedy(load(open())); }

TEST_P(GoldenTest, PrefillInChunksAgrees) {
  const Golden golden = load(open());
  for (const size_t size : {size_t{1}, size_t{5}, size_t{16}}) {
    SCOPED_TRACE(size);
    TestSequence sequence(*golden.model, kTokensMax);
    std::vector<float> logits;
    for (size_t begin = 0; begin < golden.prompt.size(); begin += size) {
      const size_t count = std::min(size, golden.prompt.size() - begin);
      const auto chunk = std::span(golden.prompt).subspan(begin, count);
      const auto part = forward_all(*context_, *golden.model, sequence, chunk);
      logits.insert(logits.end(), part.begin(), part.end());
    }
    expect_near(logits, golden.logits);
  }
}

// The prompt in the company of two other sequences: one that is far ahead, one that begins.
TEST_P(GoldenTest, BatchedWithOthersAgrees) {
  const Golden golden = load(open());
  TestSequence ahead(*golden.model, kTokensMax);
  TestSequence sequence(*golden.model, kTokensMax, 32);
  TestSequence beginner(*golden.model, kTokensMax, 4);
  const std::vector<int32_t> other(golden.prompt.rbegin(), golden.prompt.rend());
  forward_all(*context_, *golden.model, ahead, other);

  const auto first = std::span(golden.prompt).first(9);
  const auto rest = std::span(golden.prompt).subspan(9);
  const TestChunk first_batch[] = {{&ahead, {1}}, {&sequence, {first.begin(), first.end()}}};
  const TestChunk second_batch[] = {
      {&ahead, {2, 3}}, {&sequence, {rest.begin(), rest.end()}}, {&beginner, other}};
  const auto first_logits = forward_all(*context_, *golden.model, first_batch);
  const auto second_logits = forward_all(*context_, *golden.model, second_batch);

  const size_t width = vocabulary(golden);
  const auto expected = std::span(golden.logits);
  expect_near(std::span(first_logits).subspan(width, 9 * width), expected.first(9 * width));
  expect_near(std::span(second_logits).subspan(2 * width, rest.size() * width),
              expected.subspan(9 * width));
}

TEST_P(GoldenTest, AgreesAfterConversionToGguf) {
  const testing::TemporaryFolder temporary;
  const Path path = temporary.path() / "model.gguf";
  const auto file = open();
  save_gguf(path, file->metadata(), file->tensors());
  const Golden golden = load(open_model_file(path));
  expect_logits(golden);
  expect_greedy(golden);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest,
                         ::testing::Values("llama-gqa-tied", "llama-mqa-bias", "llama-linear",
                                           "llama-ntk", "llama-yarn", "llama-llama3",
                                           "mistral-window", "qwen2-untied", "qwen2-yarn-tied",
                                           "qwen3-wide-heads", "gemma3-window", "gemma3-soft-caps",
                                           "phi3-window", "phi3-short", "phi3-long-partial", "gpt2",
                                           "qwen3moe-normed", "qwen3moe-raw"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Files of which other programs wrote the names and the layout.
class GgufGoldenTest : public GoldenTest {};

TEST_P(GgufGoldenTest, Agrees) {
  const Golden golden = load(open_model_file(folder() / "model.gguf"));
  expect_logits(golden);
  expect_greedy(golden);
}

INSTANTIATE_TEST_SUITE_P(Models, GgufGoldenTest,
                         ::testing::Values("llama-yarn", "qwen3-wide-heads", "gemma3-window",
                                           "phi3-long-partial", "gpt2", "qwen3moe-normed"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace minim
