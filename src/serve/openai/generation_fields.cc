#include "serve/openai/generation_fields.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <utility>

namespace minim::serve {
namespace {

constexpr size_t kBiasesMax = 2048;

std::vector<LogitBias> read_biases(Fields& fields, const Tokenizer& tokenizer) {
  std::vector<LogitBias> biases;
  const OrderedJson* given = fields.value("logit_bias");
  if (given == nullptr) return biases;
  const std::string path = fields.path_of("logit_bias");
  const Fields checked(*given, path);  // an object
  if (given->size() > kBiasesMax) {
    refuse_value(path, fmt::format("has {} tokens, and may have {}", given->size(), kBiasesMax));
  }
  for (const auto& [key, value] : given->items()) {
    TokenId token = -1;
    const auto* end = key.data() + key.size();
    const auto parsed = std::from_chars(key.data(), end, token);
    const std::string at = fmt::format("{}.{}", path, key.substr(0, 32));
    if (parsed.ptr != end || parsed.ec != std::errc() || token < 0 || token >= tokenizer.size()) {
      refuse_value(at,
                   fmt::format("must name a token of the model, 0 to {}", tokenizer.size() - 1));
    }
    if (!value.is_number()) {
      refuse_value(at, fmt::format("must be a number, but is {}", kind_of(value)), "invalid_type");
    }
    const auto bias = value.get<double>();
    if (!(bias >= -100 && bias <= 100)) {
      refuse_value(at, fmt::format("must be from -100 to 100, but is {}", value.dump()));
    }
    // The ends mean never, and nothing else.
    biases.push_back({token, bias <= -100 ? -INFINITY : static_cast<float>(bias)});
  }
  return biases;
}

}  // namespace

StreamFields read_stream(Fields& fields) {
  StreamFields result;
  result.stream = fields.boolean("stream").value_or(false);
  if (auto options = fields.object("stream_options")) {
    if (!result.stream) fields.refuse("stream_options", "is only for requests with 'stream'");
    result.include_usage = options->boolean("include_usage").value_or(false);
    options->ignore({"include_obfuscation"});
    options->finish();
  }
  return result;
}

TextGeneratorOptions read_sampling(Fields& fields, const Tokenizer& tokenizer,
                                   const GenerationLimits& limits) {
  TextGeneratorOptions options;
  SamplerOptions& sampler = options.generator.sampler;
  sampler = plain_sampling();
  sampler.temperature = static_cast<float>(fields.number("temperature", {0, 2}).value_or(1.0));
  set_top_p(fields, sampler);
  sampler.top_k = static_cast<int>(fields.integer("top_k", {-1, 1 << 24}).value_or(0));
  if (sampler.top_k < 0) sampler.top_k = 0;
  sampler.min_p = static_cast<float>(fields.number("min_p", {0, 1}).value_or(0.0));
  sampler.penalties.presence =
      static_cast<float>(fields.number("presence_penalty", {-2, 2}).value_or(0.0));
  sampler.penalties.frequency =
      static_cast<float>(fields.number("frequency_penalty", {-2, 2}).value_or(0.0));
  sampler.penalties.repetition =
      static_cast<float>(fields.number("repetition_penalty", {0.01, 10}).value_or(1.0));
  sampler.biases = read_biases(fields, tokenizer);
  if (const auto seed = fields.integer("seed", {INT64_MIN, INT64_MAX})) {
    sampler.seed = static_cast<uint64_t>(*seed);
  }
  options.stop_strings = read_stop_strings(fields, "stop", limits.stop_strings_max);
  return options;
}

int64_t read_count(Fields& fields, const GenerationLimits& limits) {
  return fields.integer("n", {1, limits.texts_of_request_max}).value_or(1);
}

void ignore_labels(Fields& fields) {
  fields.ignore(
      {"user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"});
  fields.choice("service_tier", {"auto", "default"});
}

void refuse_to_store(Fields& fields) {
  if (fields.boolean("store").value_or(false)) {
    fields.refuse("store", "is not supported here; /v1/responses keeps what it answers",
                  "unsupported_parameter");
  }
}

}  // namespace minim::serve
