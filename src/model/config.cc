#include "model/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"
#include "model/architecture.h"

namespace minim {
namespace {

constexpr int64_t kLayersMax = 512;
constexpr int64_t kDimMax = int64_t{1} << 17;
constexpr int64_t kFfnDimMax = int64_t{1} << 20;
constexpr int64_t kHeadsMax = 4096;
constexpr int64_t kHeadDimMax = 1024;
constexpr int64_t kContextMax = int64_t{1} << 30;
constexpr int64_t kVocabularyMax = int64_t{1} << 24;
constexpr double kRopeBaseMin = 1.001;  // YaRN divides by its logarithm
constexpr int64_t kExpertsMax = 4096;
constexpr int64_t kExpertsUsedMax = 64;

constexpr std::pair<RopeScaling, std::string_view> kScalingNames[] = {
    {RopeScaling::kNone, "none"},     {RopeScaling::kLinear, "linear"},
    {RopeScaling::kNtk, "ntk"},       {RopeScaling::kYarn, "yarn"},
    {RopeScaling::kLlama3, "llama3"}, {RopeScaling::kLongRope, "longrope"},
};

[[noreturn]] void throw_format(const std::string& message) {
  throw Error(ErrorCode::kFormat, "model: " + message);
}

void require(bool condition, const std::string& message) {
  if (!condition) throw_format(message);
}

// The metadata of one architecture: keys are given without their prefix.
class Reader {
 public:
  Reader(const Metadata& metadata, std::string prefix)
      : metadata_(metadata), prefix_(std::move(prefix)) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", prefix_, name); }

  int integer(std::string_view name, int64_t min, int64_t max) const {
    return static_cast<int>(metadata_.require_integer(key(name), min, max));
  }
  int integer(std::string_view name, int64_t min, int64_t max, int64_t fallback) const {
    if (!metadata_.contains(key(name))) return static_cast<int>(fallback);
    return integer(name, min, max);
  }
  std::optional<double> number(std::string_view name) const {
    const auto value = metadata_.number(key(name));
    if (value && !std::isfinite(*value)) throw_format(fmt::format("'{}' is not finite", key(name)));
    return value;
  }
  double number(std::string_view name, double fallback) const {
    return number(name).value_or(fallback);
  }
  float number(std::string_view name, float fallback) const {
    return static_cast<float>(number(name, static_cast<double>(fallback)));
  }
  std::optional<bool> boolean(std::string_view name) const { return metadata_.boolean(key(name)); }
  std::optional<std::string> string(std::string_view name) const {
    return metadata_.string(key(name));
  }
  const MetadataValue* find(std::string_view name) const { return metadata_.find(key(name)); }

 private:
  const Metadata& metadata_;
  std::string prefix_;
};

// Features of other graphs: a file that asks for one must not be run without it.
void refuse_unsupported(const Reader& reader) {
  static constexpr std::pair<std::string_view, double> kNeutral[] = {
      {"attention.max_alibi_bias", 0.0},
      {"attention.clamp_kqv", 0.0},
      {"attention.causal", 1.0},
      {"use_parallel_residual", 0.0},
      {"logit_scale", 1.0},
      {"residual_scale", 1.0},
      {"expert_shared_count", 0.0},
      {"expert_group_count", 1.0},
      {"expert_gating_func", 1.0},  // softmax
      {"leading_dense_block_count", 0.0},
      {"rope.scaling.yarn_log_multiplier", 0.0},
      {"rope.scaling.yarn_ext_factor", 1.0},
      {"nextn_predict_layers", 0.0},
  };
  for (const auto& [name, neutral] : kNeutral) {
    const MetadataValue* value = reader.find(name);
    if (value == nullptr) continue;
    const bool* flag = std::get_if<bool>(&value->value);
    const double found = flag != nullptr ? (*flag ? 1.0 : 0.0) : *reader.number(name);
    if (found != neutral) {
      throw Error(ErrorCode::kUnsupported, fmt::format("model: '{}' is {}; minim can only run {}",
                                                       reader.key(name), found, neutral));
    }
  }
}

void read_shape(const Reader& reader, ModelConfig& config) {
  config.layer_count = reader.integer("block_count", 1, kLayersMax);
  config.dim = reader.integer("embedding_length", 1, kDimMax);
  config.context_length = reader.integer("context_length", 1, kContextMax);
  config.head_count = reader.integer("attention.head_count", 1, kHeadsMax);
  config.kv_head_count = reader.integer("attention.head_count_kv", 1, kHeadsMax, config.head_count);
  const bool has_length = reader.find("attention.key_length") != nullptr;
  require(
      has_length || config.dim % config.head_count == 0,
      fmt::format("'{}' is {}, which does not divide '{}' ({})", reader.key("attention.head_count"),
                  config.head_count, reader.key("embedding_length"), config.dim));
  config.head_dim =
      reader.integer("attention.key_length", 2, kHeadDimMax, config.dim / config.head_count);
  const int value_dim =
      reader.integer("attention.value_length", 1, kHeadDimMax, config.dim / config.head_count);
  if (value_dim != config.head_dim) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("model: values of {} and keys of {} a head ('{}'): minim needs them "
                            "alike",
                            value_dim, config.head_dim, reader.key("attention.value_length")));
  }
}

RopeScaling read_scaling_type(const Reader& reader) {
  const auto name = reader.string("rope.scaling.type");
  if (!name) {
    const bool stretched = reader.find("rope.scaling.factor") != nullptr ||
                           reader.find("rope.scale_linear") != nullptr;
    return stretched ? RopeScaling::kLinear : RopeScaling::kNone;
  }
  for (const auto& [scaling, scaling_name] : kScalingNames) {
    if (*name == scaling_name) return scaling;
  }
  throw Error(ErrorCode::kUnsupported, fmt::format("model: '{}' is '{}', which minim does not know",
                                                   reader.key("rope.scaling.type"), *name));
}

void read_rope(const Reader& reader, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  rope.dimension_count =
      reader.integer("rope.dimension_count", 0, kHeadDimMax, rope.dimension_count);
  rope.base = reader.number("rope.freq_base", rope.base);
  config.rope_base_local = reader.number("rope.freq_base_swa", config.rope_base_local);
  rope.scaling = read_scaling_type(reader);
  rope.factor = reader.number("rope.scaling.factor", reader.number("rope.scale_linear", 1.0));
  if (rope.factor == 0.0) rope.factor = 1.0;  // some converters write 0 for "none"
  rope.original_context_length =
      reader.integer("rope.scaling.original_context_length", 1, kContextMax, config.context_length);
  rope.attention_factor = reader.number("rope.scaling.attn_factor", 1.0) *
                          reader.number("rope.scaling.yarn_attn_factor", 1.0);
  rope.beta_fast = reader.number("rope.scaling.yarn_beta_fast", rope.beta_fast);
  rope.beta_slow = reader.number("rope.scaling.yarn_beta_slow", rope.beta_slow);
  rope.low_frequency_factor =
      reader.number("rope.scaling.low_freq_factor", rope.low_frequency_factor);
  rope.high_frequency_factor =
      reader.number("rope.scaling.high_freq_factor", rope.high_frequency_factor);
}

// The pattern of local and global layers: every n-th is global, or one flag a layer (true: local).
int read_global_interval(const Reader& reader, const ModelConfig& config) {
  constexpr std::string_view kName = "attention.sliding_window_pattern";
  const MetadataValue* value = reader.find(kName);
  if (value == nullptr) return config.global_interval;
  const auto* array = std::get_if<MetadataArray>(&value->value);
  if (array == nullptr) return reader.integer(kName, 0, kLayersMax);

  const auto* flags = std::get_if<std::vector<uint64_t>>(&array->values);
  require(flags != nullptr && flags->size() >= static_cast<size_t>(config.layer_count),
          fmt::format("'{}' must be a number or one bool a layer", reader.key(kName)));
  const auto end = flags->begin() + config.layer_count;
  const auto first_global = std::find(flags->begin(), end, 0u);
  if (first_global == end) return 0;
  ModelConfig pattern = config;
  pattern.sliding_window = 1;
  pattern.global_interval = static_cast<int>(first_global - flags->begin()) + 1;
  for (int layer = 0; layer < config.layer_count; ++layer) {
    const bool local = (*flags)[static_cast<size_t>(layer)] != 0;
    if (local == (pattern.window(layer) > 0)) continue;
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("model: '{}' has global layers at irregular distances", reader.key(kName)));
  }
  return pattern.global_interval;
}

void read_features(const Reader& reader, ModelConfig& config) {
  config.attention_scale = reader.number("attention.scale", config.attention_scale);
  config.attention_soft_cap = reader.number("attn_logit_softcapping", config.attention_soft_cap);
  config.final_soft_cap = reader.number("final_logit_softcapping", config.final_soft_cap);
  config.embedding_scale = reader.number("embedding_scale", config.embedding_scale);
  config.sliding_window =
      reader.integer("attention.sliding_window", 0, kContextMax, config.sliding_window);
  config.global_interval = read_global_interval(reader, config);
}

void read_feed_forward(const Reader& reader, ModelConfig& config) {
  config.expert_count = reader.integer("expert_count", 0, kExpertsMax, 0);
  const bool dense = config.expert_count == 0;
  config.ffn_dim = dense ? reader.integer("feed_forward_length", 1, kFfnDimMax)
                         : reader.integer("feed_forward_length", 0, kFfnDimMax, 0);
  if (dense) return;
  config.expert_used_count = reader.integer("expert_used_count", 1, kExpertsUsedMax);
  config.expert_ffn_dim = reader.integer("expert_feed_forward_length", 1, kFfnDimMax);
  config.expert_weights_norm =
      reader.boolean("expert_weights_norm").value_or(config.expert_weights_norm);
  config.expert_weights_scale = reader.number("expert_weights_scale", config.expert_weights_scale);
  if (config.expert_weights_scale == 0.0f) config.expert_weights_scale = 1.0f;  // "none"
}

int read_vocabulary_size(const Metadata& metadata, const Reader& reader) {
  if (const auto* tokens = metadata.strings("tokenizer.ggml.tokens")) {
    require(tokens->size() <= static_cast<size_t>(kVocabularyMax),
            fmt::format("'tokenizer.ggml.tokens' has {} entries", tokens->size()));
    return static_cast<int>(tokens->size());
  }
  return reader.integer("vocab_size", 1, kVocabularyMax, 0);
}

void require_range(std::string_view what, double value, double min, double max) {
  require(value >= min && value <= max,  // false for NaN
          fmt::format("{} is {}, outside {} to {}", what, value, min, max));
}

void validate_rope(const ModelConfig& config) {
  const RopeConfig& rope = config.rope;
  if (rope.dimension_count == 0) return;  // learned positions
  require(rope.dimension_count % 2 == 0 && rope.dimension_count <= config.head_dim,
          fmt::format("{} rotary dimensions do not fit heads of {}", rope.dimension_count,
                      config.head_dim));
  require_range("the rotary base", rope.base, kRopeBaseMin, 1e15);
  if (config.rope_base_local != 0.0) {
    require_range("the rotary base of local layers", config.rope_base_local, kRopeBaseMin, 1e15);
  }
  require_range("the rotary scaling factor", rope.factor, 1e-3, 1e6);
  require_range("the rotary attention factor", rope.attention_factor, 1e-3, 1e3);
  require_range("the original context", static_cast<double>(rope.original_context_length), 1.0,
                static_cast<double>(kContextMax));
  require_range("the YaRN ramp", rope.beta_slow, 1e-3, rope.beta_fast);
  require_range("the YaRN ramp", rope.beta_fast, rope.beta_slow, 1e6);
  require_range("the Llama 3 ramp", rope.low_frequency_factor, 1e-3, 1e6);
  require(rope.high_frequency_factor > rope.low_frequency_factor,
          "the ends of the Llama 3 ramp are in the wrong order");
  require(rope.scaling != RopeScaling::kNtk || rope.dimension_count > 2,
          "NTK scaling needs more than two rotary dimensions");
}

void validate_experts(const ModelConfig& config) {
  if (config.expert_count == 0) return;
  require_range("the number of experts", config.expert_count, 1, kExpertsMax);
  require_range("the number of experts used", config.expert_used_count, 1,
                std::min<double>(config.expert_count, kExpertsUsedMax));
  require_range("the width of an expert", config.expert_ffn_dim, 1, kFfnDimMax);
  require_range("the scale of the expert weights", config.expert_weights_scale, 1e-6, 1e6);
}

// The tensor that decides how many tokens there are.
void read_embedding(const ModelFile& file, ModelConfig& config) {
  const TensorEntry& embedding = file.require("token_embd.weight");
  const int64_t rows = embedding.shape[1];
  require(embedding.shape[0] == config.dim && embedding.shape[2] == 1 && embedding.shape[3] == 1 &&
              rows >= 1 && rows <= kVocabularyMax,
          fmt::format("tensor 'token_embd.weight' is {} x {}, but the metadata says rows of {}",
                      rows, embedding.shape[0], config.dim));
  require(config.vocabulary_size == 0 || config.vocabulary_size == rows,
          fmt::format("tensor 'token_embd.weight' has {} rows, but the vocabulary has {} tokens",
                      rows, config.vocabulary_size));
  config.vocabulary_size = static_cast<int>(rows);
  config.tied_embeddings = file.find("output.weight") == nullptr;
}

// NTK scaling is nothing but another base, which every program understands.
double effective_rope_base(const RopeConfig& rope) {
  const double d = rope.dimension_count;
  if (rope.scaling != RopeScaling::kNtk) return rope.base;
  return rope.base * std::pow(rope.factor, d / (d - 2.0));
}

using KeyOf = std::function<std::string(std::string_view)>;

// What parse_model_config() would assume for a model of this shape.
ModelConfig default_config(const ModelConfig& config) {
  ModelConfig defaults;
  defaults.layer_count = config.layer_count;
  defaults.dim = config.dim;
  defaults.head_count = config.head_count;
  defaults.head_dim = config.head_dim;
  defaults.context_length = config.context_length;
  defaults.rope.dimension_count = config.head_dim;
  defaults.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  find_architecture(config.architecture).set_defaults(defaults);
  return defaults;
}

void write_rope(const ModelConfig& config, const KeyOf& key, Metadata& metadata) {
  const RopeConfig& rope = config.rope;
  if (rope.dimension_count == 0) return;
  const auto set_float = [&](std::string_view name, double value) {
    metadata.set_float32(key(name), static_cast<float>(value));
  };
  metadata.set_uint32(key("rope.dimension_count"), static_cast<uint32_t>(rope.dimension_count));
  set_float("rope.freq_base", effective_rope_base(rope));
  if (config.rope_base_local != 0.0) set_float("rope.freq_base_swa", config.rope_base_local);
  if (rope.scaling == RopeScaling::kNone || rope.scaling == RopeScaling::kNtk) return;
  for (const auto& [scaling, name] : kScalingNames) {
    if (scaling == rope.scaling) metadata.set_string(key("rope.scaling.type"), std::string(name));
  }
  set_float("rope.scaling.factor", rope.factor);
  metadata.set_uint32(key("rope.scaling.original_context_length"),
                      static_cast<uint32_t>(rope.original_context_length));
  set_float("rope.scaling.attn_factor", rope.attention_factor);
  if (rope.scaling == RopeScaling::kYarn) {
    set_float("rope.scaling.yarn_beta_fast", rope.beta_fast);
    set_float("rope.scaling.yarn_beta_slow", rope.beta_slow);
  }
  if (rope.scaling == RopeScaling::kLlama3) {
    set_float("rope.scaling.low_freq_factor", rope.low_frequency_factor);
    set_float("rope.scaling.high_freq_factor", rope.high_frequency_factor);
  }
}

// Only what differs from the architecture's defaults: other programs know few of these keys.
void write_features(const ModelConfig& config, const KeyOf& key, Metadata& metadata) {
  const ModelConfig defaults = default_config(config);
  const auto set_float = [&](std::string_view name, float value, float fallback) {
    if (value != fallback) metadata.set_float32(key(name), value);
  };
  const auto set_integer = [&](std::string_view name, int value, int fallback) {
    if (value != fallback) metadata.set_uint32(key(name), static_cast<uint32_t>(value));
  };
  set_float("attention.scale", config.attention_scale, defaults.attention_scale);
  set_float("attn_logit_softcapping", config.attention_soft_cap, defaults.attention_soft_cap);
  set_float("final_logit_softcapping", config.final_soft_cap, defaults.final_soft_cap);
  set_float("embedding_scale", config.embedding_scale, defaults.embedding_scale);
  set_integer("attention.sliding_window", config.sliding_window, defaults.sliding_window);
  set_integer("attention.sliding_window_pattern", config.global_interval, defaults.global_interval);
  if (config.expert_count == 0) return;
  set_integer("expert_count", config.expert_count, 0);
  set_integer("expert_used_count", config.expert_used_count, 0);
  set_integer("expert_feed_forward_length", config.expert_ffn_dim, 0);
  if (config.expert_weights_norm != defaults.expert_weights_norm) {
    metadata.set_bool(key("expert_weights_norm"), config.expert_weights_norm);
  }
  set_float("expert_weights_scale", config.expert_weights_scale, defaults.expert_weights_scale);
}

}  // namespace

ModelConfig parse_model_config(const Metadata& metadata) {
  ModelConfig config;
  config.architecture = metadata.require_string("general.architecture");
  config.name = metadata.string("general.name").value_or("");
  const Architecture& architecture = find_architecture(config.architecture);
  const Reader reader(metadata, config.architecture);
  refuse_unsupported(reader);
  read_shape(reader, config);
  config.rope.dimension_count = config.head_dim;
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  architecture.set_defaults(config);
  read_feed_forward(reader, config);
  read_rope(reader, config);
  read_features(reader, config);
  const auto epsilon = reader.number(architecture.epsilon_key);
  require(epsilon.has_value(),
          fmt::format("'{}' is missing", reader.key(architecture.epsilon_key)));
  config.norm_epsilon = static_cast<float>(*epsilon);
  config.vocabulary_size = read_vocabulary_size(metadata, reader);
  validate_model_config(config);
  return config;
}

ModelConfig read_model_config(const ModelFile& file) {
  ModelConfig config = parse_model_config(file.metadata());
  read_embedding(file, config);
  return config;
}

void validate_model_config(const ModelConfig& config) {
  const Architecture& architecture = find_architecture(config.architecture);
  require_range("the number of layers", config.layer_count, 1, kLayersMax);
  require_range("the width", config.dim, 1, kDimMax);
  require_range("the number of heads", config.head_count, 1, kHeadsMax);
  require(
      config.kv_head_count >= 1 && config.head_count % config.kv_head_count == 0,
      fmt::format("{} key and value heads ('{}.attention.head_count_kv') do not divide {} heads",
                  config.kv_head_count, config.architecture, config.head_count));
  require(config.head_dim >= 2 && config.head_dim <= kHeadDimMax && config.head_dim % 2 == 0,
          fmt::format("heads of {} values: must be even, 2 to {}", config.head_dim, kHeadDimMax));
  require_range("the width of the feed-forward block", config.ffn_dim,
                config.expert_count == 0 ? 1 : 0, kFfnDimMax);
  require_range("the vocabulary", config.vocabulary_size, 0, kVocabularyMax);
  require_range("the context", static_cast<double>(config.context_length), 1, kContextMax);
  require_range("the epsilon of the norms", config.norm_epsilon, 0.0, 1.0);
  require_range("the attention scale", config.attention_scale, 1e-6, 1e6);
  require_range("the cap of the scores", config.attention_soft_cap, 0.0, 1e6);
  require_range("the cap of the logits", config.final_soft_cap, 0.0, 1e6);
  require_range("the embedding scale", config.embedding_scale, 1e-6, 1e6);
  require_range("the sliding window", config.sliding_window, 0, kContextMax);
  require_range("the interval of global layers", config.global_interval, 0, kLayersMax);
  validate_rope(config);
  validate_experts(config);
  architecture.check(config);
}

void write_model_config(const ModelConfig& config, Metadata& metadata) {
  const Architecture& architecture = find_architecture(config.architecture);
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.{}", config.architecture, name);
  };
  const auto set_integer = [&](std::string_view name, int64_t value) {
    metadata.set_uint32(key(name), static_cast<uint32_t>(value));
  };
  metadata.set_string("general.architecture", config.architecture);
  if (!config.name.empty()) metadata.set_string("general.name", config.name);
  set_integer("block_count", config.layer_count);
  set_integer("context_length", config.context_length);
  set_integer("embedding_length", config.dim);
  set_integer("feed_forward_length", config.ffn_dim);
  set_integer("attention.head_count", config.head_count);
  set_integer("attention.head_count_kv", config.kv_head_count);
  set_integer("vocab_size", config.vocabulary_size);
  if (config.head_dim * config.head_count != config.dim) {
    set_integer("attention.key_length", config.head_dim);
    set_integer("attention.value_length", config.head_dim);
  }
  metadata.set_float32(key(architecture.epsilon_key), config.norm_epsilon);
  write_rope(config, key, metadata);
  write_features(config, key, metadata);
}

}  // namespace minim
