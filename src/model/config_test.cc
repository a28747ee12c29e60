#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "model/architecture.h"
#include "model/rotary.h"
#include "model/testing/tiny_model.h"

namespace minim {
namespace {

using testing::tiny_config;

Metadata tiny_metadata(const std::string& architecture = "llama") {
  Metadata metadata;
  write_model_config(tiny_config(architecture), metadata);
  return metadata;
}

// Parsing must throw an error whose text contains `part`.
void expect_error(const Metadata& metadata, ErrorCode code, std::string_view part) {
  try {
    parse_model_config(metadata);
    ADD_FAILURE() << "accepted; expected an error about " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

TEST(ConfigTest, EveryArchitectureReadsWhatItWrites) {
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    ModelConfig config = tiny_config(architecture->name);
    config.head_dim = 12;  // not dim / heads
    if (config.rope.dimension_count > 0) config.rope.dimension_count = 6;
    config.attention_scale = 0.25f;
    config.final_soft_cap = 30.0f;
    config.norm_epsilon = 1e-6f;
    config.sliding_window = 5;
    config.global_interval = 3;
    Metadata metadata;
    write_model_config(config, metadata);
    const ModelConfig read = parse_model_config(metadata);
    EXPECT_EQ(read.architecture, config.architecture);
    EXPECT_EQ(read.head_dim, 12);
    EXPECT_EQ(read.rope.dimension_count, config.rope.dimension_count);
    EXPECT_EQ(read.attention_scale, 0.25f);
    EXPECT_EQ(read.final_soft_cap, 30.0f);
    EXPECT_EQ(read.norm_epsilon, 1e-6f);
    EXPECT_EQ(read.window(0), 5);
    EXPECT_EQ(read.window(2), 0);
    EXPECT_EQ(read.embedding_scale, config.embedding_scale);
    EXPECT_EQ(read.expert_count, config.expert_count);
    EXPECT_EQ(read.expert_used_count, config.expert_used_count);
    EXPECT_EQ(read.learned_positions, config.learned_positions);
    EXPECT_EQ(read.vocabulary_size, 48);
  }
}

TEST(ConfigTest, EveryRopeScalingSurvives) {
  for (const RopeScaling scaling : {RopeScaling::kNone, RopeScaling::kLinear, RopeScaling::kYarn,
                                    RopeScaling::kLlama3, RopeScaling::kLongRope}) {
    ModelConfig config = tiny_config();
    config.rope.scaling = scaling;
    config.rope.factor = scaling == RopeScaling::kNone ? 1.0 : 4.0;
    config.rope.original_context_length = scaling == RopeScaling::kNone ? 64 : 16;
    config.rope.beta_fast = scaling == RopeScaling::kYarn ? 16.0 : 32.0;
    config.rope.high_frequency_factor = scaling == RopeScaling::kLlama3 ? 8.0 : 4.0;
    Metadata metadata;
    write_model_config(config, metadata);
    const RopeConfig read = parse_model_config(metadata).rope;
    EXPECT_EQ(read.scaling, scaling);
    EXPECT_EQ(read.factor, config.rope.factor);
    EXPECT_EQ(read.original_context_length, config.rope.original_context_length);
    EXPECT_EQ(read.beta_fast, config.rope.beta_fast);
    EXPECT_EQ(read.high_frequency_factor, config.rope.high_frequency_factor);
  }
}

TEST(ConfigTest, NtkScalingIsWrittenAsItsBase) {
  ModelConfig config = tiny_config();
  config.rope.scaling = RopeScaling::kNtk;
  config.rope.factor = 4.0;
  Metadata metadata;
  write_model_config(config, metadata);
  const RopeConfig read = parse_model_config(metadata).rope;
  EXPECT_EQ(read.scaling, RopeScaling::kNone);
  const auto wanted = make_rotary(config.rope, RopePairing::kHalves).frequencies;
  const auto found = make_rotary(read, RopePairing::kHalves).frequencies;
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_FLOAT_EQ(found[i], wanted[i]);
}

TEST(ConfigTest, MissingKeysAreNamed) {
  for (const char* key : {"general.architecture", "llama.block_count", "llama.embedding_length",
                          "llama.context_length", "llama.attention.head_count",
                          "llama.feed_forward_length", "llama.attention.layer_norm_rms_epsilon"}) {
    Metadata metadata = tiny_metadata();
    metadata.erase(key);
    expect_error(metadata, ErrorCode::kFormat, key);
  }
}

TEST(ConfigTest, WrongTypesAreNamed) {
  for (const char* key :
       {"llama.block_count", "llama.embedding_length", "llama.context_length",
        "llama.attention.head_count", "llama.attention.head_count_kv", "llama.feed_forward_length",
        "llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base",
        "llama.rope.dimension_count", "llama.attention.sliding_window", "llama.attention.scale",
        "llama.final_logit_softcapping", "llama.expert_count", "llama.rope.scaling.factor"}) {
    Metadata metadata = tiny_metadata();
    metadata.set_string(key, "2");
    expect_error(metadata, ErrorCode::kFormat, key);
    metadata.set_int32s(key, {2, 2});
    expect_error(metadata, ErrorCode::kFormat, key);
  }
  Metadata metadata = tiny_metadata();
  metadata.set_uint32("general.architecture", 1);
  expect_error(metadata, ErrorCode::kFormat, "general.architecture");
  metadata = tiny_metadata();
  metadata.set_uint32("llama.rope.scaling.type", 1);
  expect_error(metadata, ErrorCode::kFormat, "llama.rope.scaling.type");
}

TEST(ConfigTest, SizesHaveBounds) {
  struct Case {
    const char* key;
    uint64_t value;
  };
  for (const auto& [key, value] : {Case{"llama.block_count", 0},
                                   Case{"llama.block_count", 513},
                                   Case{"llama.block_count", uint64_t{1} << 63},
                                   Case{"llama.embedding_length", 0},
                                   Case{"llama.embedding_length", uint64_t{1} << 32},
                                   Case{"llama.context_length", 0},
                                   Case{"llama.context_length", uint64_t{1} << 40},
                                   Case{"llama.attention.head_count", 0},
                                   Case{"llama.attention.head_count", 1 << 20},
                                   Case{"llama.attention.head_count", 3},
                                   Case{"llama.attention.head_count_kv", 0},
                                   Case{"llama.attention.head_count_kv", 3},
                                   Case{"llama.attention.head_count_kv", 8},
                                   Case{"llama.feed_forward_length", 0},
                                   Case{"llama.feed_forward_length", uint64_t{1} << 62},
                                   Case{"llama.attention.key_length", 0},
                                   Case{"llama.attention.key_length", 1026},
                                   Case{"llama.attention.sliding_window", uint64_t{1} << 33},
                                   Case{"llama.vocab_size", 0},
                                   Case{"llama.vocab_size", uint64_t{1} << 33}}) {
    SCOPED_TRACE(key);
    SCOPED_TRACE(value);
    Metadata metadata = tiny_metadata();
    metadata.set_uint64(key, value);
    expect_error(metadata, ErrorCode::kFormat, key);
  }
}

TEST(ConfigTest, HeadsAreEven) {
  Metadata metadata = tiny_metadata();
  metadata.set_uint32("llama.attention.key_length", 7);
  metadata.set_uint32("llama.attention.value_length", 7);
  expect_error(metadata, ErrorCode::kFormat, "even");
  metadata = tiny_metadata();
  metadata.set_uint32("llama.rope.dimension_count", 7);
  expect_error(metadata, ErrorCode::kFormat, "rotary dimensions");
  metadata.set_uint32("llama.rope.dimension_count", 10);
  expect_error(metadata, ErrorCode::kFormat, "rotary dimensions");
  metadata.set_uint32("llama.rope.dimension_count", 0);
  expect_error(metadata, ErrorCode::kFormat, "llama.rope.dimension_count");
  metadata = tiny_metadata();
  metadata.set_uint32("llama.attention.value_length", 4);
  expect_error(metadata, ErrorCode::kUnsupported, "llama.attention.value_length");
}

TEST(ConfigTest, NumbersAreFiniteAndInRange) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const char* key :
       {"llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base", "llama.attention.scale",
        "llama.rope.scaling.factor", "llama.attn_logit_softcapping",
        "llama.final_logit_softcapping", "llama.embedding_scale"}) {
    for (const float value : {kNan, kInfinity, -kInfinity, -1.0f, 1e30f}) {
      SCOPED_TRACE(key);
      SCOPED_TRACE(value);
      Metadata metadata = tiny_metadata();
      metadata.set_float32(key, value);
      EXPECT_THROW(parse_model_config(metadata), Error);
    }
  }
  Metadata metadata = tiny_metadata();
  metadata.set_float32("llama.rope.freq_base", 1.0f);
  expect_error(metadata, ErrorCode::kFormat, "rotary base");
  metadata = tiny_metadata();
  metadata.set_float32("llama.rope.scaling.low_freq_factor", 4.0f);
  expect_error(metadata, ErrorCode::kFormat, "Llama 3");
}

TEST(ConfigTest, ForeignFeaturesAreRefused) {
  Metadata metadata = tiny_metadata();
  metadata.set_string("general.architecture", "mamba");
  expect_error(metadata, ErrorCode::kUnsupported, "'mamba'");
  metadata = tiny_metadata();
  metadata.set_string("llama.rope.scaling.type", "spiral");
  expect_error(metadata, ErrorCode::kUnsupported, "'spiral'");
  metadata = tiny_metadata();
  metadata.set_float32("llama.attention.max_alibi_bias", 8.0f);
  expect_error(metadata, ErrorCode::kUnsupported, "llama.attention.max_alibi_bias");
  metadata = tiny_metadata();
  metadata.set_bool("llama.attention.causal", false);
  expect_error(metadata, ErrorCode::kUnsupported, "llama.attention.causal");
  metadata.set_bool("llama.attention.causal", true);
  EXPECT_NO_THROW(parse_model_config(metadata));
  metadata.set_uint32("llama.expert_count", 8);
  metadata.set_uint32("llama.expert_used_count", 2);
  metadata.set_uint32("llama.expert_feed_forward_length", 16);
  expect_error(metadata, ErrorCode::kUnsupported, "llama.expert_count");
  metadata = tiny_metadata("gpt2");
  metadata.set_uint32("gpt2.rope.dimension_count", 8);
  expect_error(metadata, ErrorCode::kUnsupported, "GPT-2");
}

TEST(ConfigTest, ExpertsHaveBounds) {
  Metadata metadata = tiny_metadata("qwen3moe");
  metadata.set_uint32("qwen3moe.expert_used_count", 5);
  expect_error(metadata, ErrorCode::kFormat, "experts used");
  metadata.set_uint32("qwen3moe.expert_used_count", 0);
  expect_error(metadata, ErrorCode::kFormat, "qwen3moe.expert_used_count");
  metadata = tiny_metadata("qwen3moe");
  metadata.erase("qwen3moe.expert_feed_forward_length");
  expect_error(metadata, ErrorCode::kFormat, "qwen3moe.expert_feed_forward_length");
  metadata = tiny_metadata("qwen3moe");
  metadata.erase("qwen3moe.expert_count");
  metadata.set_uint32("qwen3moe.feed_forward_length", 8);
  expect_error(metadata, ErrorCode::kFormat, "qwen3moe.expert_count");
}

MetadataValue flags(std::vector<uint64_t> values) {
  return {MetadataType::kArray, MetadataArray{MetadataType::kBool, std::move(values)}};
}

TEST(ConfigTest, WindowPatternMayBeAListOfLayers) {
  Metadata metadata = tiny_metadata("gemma3");
  metadata.set_uint32("gemma3.block_count", 6);
  metadata.set("gemma3.attention.sliding_window_pattern", flags({1, 1, 0, 1, 1, 0}));
  EXPECT_EQ(parse_model_config(metadata).global_interval, 3);
  metadata.set("gemma3.attention.sliding_window_pattern", flags({1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(parse_model_config(metadata).global_interval, 0);
  metadata.set("gemma3.attention.sliding_window_pattern", flags({1, 1, 0, 1, 0, 0}));
  expect_error(metadata, ErrorCode::kUnsupported, "sliding_window_pattern");
  metadata.set("gemma3.attention.sliding_window_pattern", flags({1, 1}));
  expect_error(metadata, ErrorCode::kFormat, "sliding_window_pattern");
  metadata.set_strings("gemma3.attention.sliding_window_pattern", {"a", "b", "c", "d", "e", "f"});
  expect_error(metadata, ErrorCode::kFormat, "sliding_window_pattern");
}

TEST(ConfigTest, Gemma3HasItsDefaults) {
  Metadata metadata = tiny_metadata("gemma3");
  const ModelConfig config = parse_model_config(metadata);
  EXPECT_EQ(config.global_interval, 6);
  EXPECT_EQ(config.rope_base_local, 10000.0);
  EXPECT_FLOAT_EQ(config.embedding_scale, std::sqrt(32.0f));
  metadata.erase("gemma3.attention.sliding_window");
  expect_error(metadata, ErrorCode::kFormat, "gemma3.attention.sliding_window");
}

}  // namespace
}  // namespace minim
