#include "serve/ollama/options.h"

#include <ctime>
#include <string_view>

#include "serve/request/generation_numbers.h"
#include "serve/request/json_text.h"

namespace minim::serve {

std::string ollama_model_id(Fields& fields) {
  std::string id = fields.text("model").value_or("");
  if (auto name = fields.text("name"); id.empty() && name) id = *name;
  constexpr std::string_view kLatest = ":latest";
  if (id.ends_with(kLatest)) id.resize(id.size() - kLatest.size());
  return id;
}

TextGeneratorOptions read_ollama_options(Fields& fields, const ServedModel& model,
                                         const GenerationLimits& limits) {
  TextGeneratorOptions result;
  SamplerOptions& sampler = result.generator.sampler;
  sampler = plain_sampling();
  sampler.temperature = 0.8f;
  sampler.top_k = 40;
  sampler.top_p = 0.9f;
  sampler.penalties.generated_only = false;
  sampler.penalties.window = 64;
  auto options = fields.object("options");
  if (!options) return result;
  const auto set = [&](const char* name, NumberRange range, float& value) {
    if (const auto given = options->number(name, range)) value = static_cast<float>(*given);
  };
  set("temperature", {0, 100}, sampler.temperature);
  set("min_p", {0, 1}, sampler.min_p);
  set("typical_p", {1e-6, 1}, sampler.typical_p);
  set("repeat_penalty", {0.01, 10}, sampler.penalties.repetition);
  set("presence_penalty", {-2, 2}, sampler.penalties.presence);
  set("frequency_penalty", {-2, 2}, sampler.penalties.frequency);
  if (options->value("top_p") != nullptr) set_top_p(*options, sampler);
  if (const auto top_k = options->integer("top_k", {0, 1 << 24})) {
    sampler.top_k = static_cast<int>(*top_k);
  }
  if (const auto window = options->integer("repeat_last_n", {-1, 1 << 24})) {
    sampler.penalties.window = static_cast<int>(*window);
  }
  if (const auto seed = options->integer("seed", {INT64_MIN, INT64_MAX})) {
    sampler.seed = static_cast<uint64_t>(*seed);
  }
  if (const auto most = options->integer("num_predict", {-2, model.context_tokens()})) {
    result.generator.tokens_max = *most < 0 ? -1 : *most;
  }
  if (const auto context = options->integer("num_ctx", {1, INT64_MAX});
      context && *context > model.context_tokens()) {
    options->refuse("num_ctx", "is more than the context that the model was loaded with: " +
                                   std::to_string(model.context_tokens()) +
                                   "; start the server with a larger --context");
  }
  result.stop_strings = read_stop_strings(*options, "stop", limits.stop_strings_max);
  options->ignore({"num_keep", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "numa",
                   "low_vram"});
  options->finish();
  return result;
}

std::optional<AnswerFormat> read_ollama_format(Fields& fields) {
  const OrderedJson* format = fields.value("format");
  if (format == nullptr || *format == "") return std::nullopt;
  if (*format == "json") return AnswerFormat{{.kind = ConstraintKind::kJsonObject}, "format"};
  if (!format->is_object()) fields.refuse("format", "must be \"json\" or a JSON schema");
  return AnswerFormat{{.kind = ConstraintKind::kSchema, .text = json_text(*format)}, "format"};
}

void ignore_keep_alive(Fields& fields) { fields.ignore({"keep_alive"}); }

std::string rfc3339(int64_t seconds_since_1970) {
  const std::time_t time = seconds_since_1970;
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char text[40];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace minim::serve
