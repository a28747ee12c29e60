#include "model/fingerprint.h"

#include <gtest/gtest.h>

#include <set>

#include "model/model.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"

namespace minim {
namespace {

uint64_t fingerprint_of(const ModelConfig& config, uint64_t seed = 1, int64_t context_length = 0) {
  const testing::ModelTestContext context;
  return Model::load(*context, testing::tiny_file(config, seed), {.context_length = context_length})
      ->fingerprint();
}

TEST(Fingerprint, IsThatOfTheModelAlone) {
  ModelConfig config = testing::tiny_config();
  const uint64_t fingerprint = fingerprint_of(config);
  EXPECT_EQ(fingerprint_of(config), fingerprint);
  EXPECT_EQ(fingerprint_of(config, 1, 20), fingerprint);
  config.name = "another name";
  EXPECT_EQ(fingerprint_of(config), fingerprint);
}

TEST(Fingerprint, ChangesWithWhatChangesTheModel) {
  std::set<uint64_t> seen;
  const auto add = [&](const char* what, uint64_t fingerprint) {
    EXPECT_TRUE(seen.insert(fingerprint).second) << what;
  };
  const ModelConfig config = testing::tiny_config();
  add("the model", fingerprint_of(config));
  add("its weights", fingerprint_of(config, 2));
  const auto changed = [&](const char* what, auto change) {
    ModelConfig other = config;
    change(other);
    add(what, fingerprint_of(other));
  };
  changed("the base", [](ModelConfig& other) { other.rope.base = 5000; });
  changed("the window", [](ModelConfig& other) { other.sliding_window = 8; });
  changed("the epsilon", [](ModelConfig& other) { other.norm_epsilon = 1e-6f; });
  changed("the layers", [](ModelConfig& other) { other.layer_count = 1; });
  changed("the scale", [](ModelConfig& other) { other.attention_scale = 0.5f; });
  for (const char* architecture : {"qwen2", "qwen3", "qwen3moe", "gemma3", "phi3", "gpt2"}) {
    add(architecture, fingerprint_of(testing::tiny_config(architecture)));
  }
}

}  // namespace
}  // namespace minim
