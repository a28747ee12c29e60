#include "model/random_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/vocabulary.h"
#include "kernels/quantize.h"
#include "model/architecture.h"
#include "model/memory.h"
#include "model/model.h"
#include "model/presets.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace minim {
namespace {

using testing::forward_all;
using testing::ModelTestContext;
using testing::TemporaryFolder;
using testing::TestSequence;
using testing::tiny_config;

ModelConfig small_config(const std::string& architecture = "llama") {
  ModelConfig config = tiny_config(architecture);
  config.vocabulary_size = 600;
  return config;
}

std::string written_bytes(const ModelConfig& config, int thread_count, uint64_t seed,
                          DataType type) {
  const TemporaryFolder folder;
  ModelTestContext context(thread_count);
  RandomModelOptions options;
  options.seed = seed;
  options.type = type;
  write_random_model(*context, config, folder.path() / "m.gguf", options);
  return read_file(folder.path() / "m.gguf");
}

TEST(RandomModelTest, BytesDependOnTheSeedAndNotOnTheThreads) {
  for (const DataType type : {DataType::kQ4_0, DataType::kF16}) {
    const std::string one = written_bytes(small_config(), 1, 1, type);
    EXPECT_EQ(one, written_bytes(small_config(), 3, 1, type));
    EXPECT_NE(one, written_bytes(small_config(), 1, 2, type));
  }
}

TEST(RandomModelTest, SaysWhatCouldNotBeStoredAsAsked) {
  const TemporaryFolder folder;
  const ModelTestContext context;
  ModelConfig config = small_config();
  write_random_model(*context, config, folder.path() / "whole.gguf", {.type = DataType::kQ8_0});
  EXPECT_TRUE(context.warnings().empty());
  write_random_model(*context, config, folder.path() / "odd.gguf", {.type = DataType::kQ4_K});
  ASSERT_EQ(context.warnings().size(), 1u);
  EXPECT_NE(context.warnings()[0].find("not stored as q4_k"), std::string::npos);
}

TEST(RandomModelTest, EveryArchitectureLoadsAndRuns) {
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    const TemporaryFolder folder;
    const Path path = folder.path() / "m.gguf";
    const ModelTestContext writing;  // may warn of rows that are no whole blocks
    write_random_model(*writing, small_config(architecture->name), path);
    const ModelTestContext context;
    const auto file = open_model_file(path);
    const auto model = Model::load(*context, file);
    EXPECT_TRUE(context.warnings().empty()) << context.warnings().front();
    const auto tokenizer = Tokenizer::make(read_vocabulary(file->metadata()));
    const std::string text = "the quick brown fox, 42 \xc3\xa9\n";
    const auto tokens = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(std::span(tokens).subspan(1)), text);
    TestSequence sequence(*model, 64);
    for (const float logit : forward_all(*context, *model, sequence, tokens)) {
      ASSERT_TRUE(std::isfinite(logit));
    }
    EXPECT_EQ(estimate_memory(*file).weight_bytes,
              estimate_memory(small_config(architecture->name), DataType::kQ4_0).weight_bytes);
  }
}

TEST(RandomModelTest, WeightsHaveTheirSpread) {
  const TemporaryFolder folder;
  const Path path = folder.path() / "m.gguf";
  ModelTestContext context;
  RandomModelOptions options;
  options.type = DataType::kF32;
  write_random_model(*context, small_config(), path, options);
  const auto file = open_model_file(path);
  const TensorBytes table = file->require("token_embd.weight").load();
  const auto count = table.bytes.size() / sizeof(float);
  const auto* values = reinterpret_cast<const float*>(table.bytes.data());
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const double value = values[i];
    sum += value;
    squares += value * value;
    fourth += value * value * value * value;
  }
  const double variance = squares / static_cast<double>(count);
  EXPECT_NEAR(sum / static_cast<double>(count), 0.0, 0.001);
  EXPECT_NEAR(std::sqrt(variance), 0.02, 0.0005);
  // Four uniform numbers summed have a kurtosis of 2.7, the normal distribution 3.
  EXPECT_NEAR(fourth / static_cast<double>(count) / (variance * variance), 2.7, 0.1);
  const TensorBytes norm = file->require("output_norm.weight").load();
  EXPECT_EQ(*reinterpret_cast<const float*>(norm.bytes.data()), 1.0f);
}

TEST(RandomModelTest, NonsenseIsRefused) {
  const TemporaryFolder folder;
  const Path path = folder.path() / "m.gguf";
  ModelTestContext context;
  RandomModelOptions options;
  options.type = DataType::kI8;
  EXPECT_THROW(write_random_model(*context, small_config(), path, options), Error);
  ModelConfig config = small_config();
  config.vocabulary_size = 100;
  EXPECT_THROW(write_random_model(*context, config, path), Error);
  config = small_config();
  config.kv_head_count = 3;
  EXPECT_THROW(write_random_model(*context, config, path), Error);
  options = {};
  options.progress = [](const Progress&) { return false; };
  EXPECT_THROW(write_random_model(*context, small_config(), path, options), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
}

// Reckoned by hand: layers * (2 dim^2 + 2 dim kv_dim + 3 dim ffn_dim + 2 dim) + dim, and the
// embedding table of 32,000 * dim, twice where the head is not tied to it.
TEST(PresetsTest, ParameterCounts) {
  const auto count = [](const char* name) { return parameter_count(preset_config(name)); };
  EXPECT_EQ(count("nano-tiny"), 1206986752u);
  EXPECT_EQ(count("nano-small"), 3770354688u);
  EXPECT_EQ(count("nano-base"), 7006851072u);
  EXPECT_EQ(count("bench-15m"), 15191712u);
  EXPECT_EQ(count("bench-135m"), 124635456u);
}

TEST(PresetsTest, TheFamilyKeepsItsPromises) {
  for (const char* name : {"nano-tiny", "nano-small", "nano-base"}) {
    const ModelConfig config = preset_config(name);
    EXPECT_EQ(config.context_length, 32768);
    EXPECT_EQ(config.vocabulary_size, 32000);
    EXPECT_LT(config.kv_head_count, config.head_count);
    // Blocks of 256 fit everywhere.
    EXPECT_EQ(config.dim % 256, 0);
    EXPECT_EQ(config.ffn_dim % 256, 0);
    EXPECT_EQ(config.query_dim() % 256, 0);
  }
  for (const Preset& preset : presets()) {
    EXPECT_NO_THROW(validate_model_config(preset.config())) << preset.name;
    EXPECT_EQ(preset.config().name, preset.name);
  }
  EXPECT_THROW(preset_config("nano-huge"), Error);
}

}  // namespace
}  // namespace minim
