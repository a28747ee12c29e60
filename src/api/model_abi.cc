#include <fmt/core.h>

#include <algorithm>

#include "api/arguments.h"
#include "api/conversation.h"
#include "api/guard.h"
#include "api/model.h"
#include "api/tokenize.h"
#include "base/machine.h"
#include "eval/forecast.h"
#include "model/memory.h"

namespace minim::api {

EncodeOptions encode_options(uint32_t flags) {
  constexpr uint32_t kKnown = MINIM_TOKENIZE_ADD_SPECIAL | MINIM_TOKENIZE_PARSE_SPECIAL;
  if ((flags & ~kKnown) != 0) refuse(fmt::format("'flags' is {:#x}", flags));
  return {.add_special = (flags & MINIM_TOKENIZE_ADD_SPECIAL) != 0,
          .parse_special = (flags & MINIM_TOKENIZE_PARSE_SPECIAL) != 0};
}

namespace {

OpenModel& shared(const minim_model* model) { return *required(model, "model").shared; }

const minim_model_options kModelDefaults = MINIM_MODEL_OPTIONS_INIT;

minim_forecast forecast(SharedEngine& engine, std::string_view path,
                        const minim_model_options& options) {
  check_model_options(options);
  const auto file = open_model_file(
      Path(path), {.tokenizer = options.tokenizer == nullptr ? Path() : Path(options.tokenizer)});
  const ModelShape shape = model_shape(*file);
  const int64_t context = context_tokens(options, *file);
  const MemoryEstimate memory =
      estimate_memory(*file, {.cache_type = cache_type(options),
                              .batch_rows_max = std::min(batch_tokens(options), context)});
  const Machine machine = read_machine(engine.system_root());
  minim_forecast result = MINIM_FORECAST_INIT;
  result.weight_bytes = memory.weight_bytes;
  result.cache_bytes = memory.kv_bytes_per_token * static_cast<uint64_t>(context);
  result.activation_bytes = memory.activation_bytes;
  result.available_bytes = machine.memory_bytes == 0 ? 0 : machine.available_bytes;
  const uint64_t total = result.weight_bytes + result.cache_bytes + result.activation_bytes;
  result.fits = machine.memory_bytes == 0 || total <= machine.available_bytes;
  const Turns::Turn turn(engine.turns());
  const Forecast speed = forecast_speed(engine.context(), shape,
                                        {.prompt_tokens = std::min(batch_tokens(options), context),
                                         .cache_type = cache_type(options),
                                         .precision = precision(options)});
  result.prompt_tokens_per_second = speed.prompt_tokens_per_second;
  result.generated_tokens_per_second = speed.generation_tokens_per_second;
  return result;
}

}  // namespace
}  // namespace minim::api

using minim::api::guard;
using minim::api::kModelDefaults;
using minim::api::list_argument;
using minim::api::read_struct;
using minim::api::required;
using minim::api::shared;
using minim::api::text_argument;
using minim::api::write_struct;

minim_status minim_model_forecast(minim_engine* engine, const char* path,
                                  const minim_model_options* options, minim_forecast* result,
                                  minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::SharedEngine& computes = *required(engine, "engine").shared;
    minim::api::check_struct_size(required(result, "forecast").struct_size, "forecast");
    write_struct(minim::api::forecast(computes, text_argument(path, "path"),
                                      read_struct(options, kModelDefaults, "options")),
                 result, "forecast");
  });
}

minim_status minim_model_open(minim_engine* engine, const char* path,
                              const minim_model_options* options, minim_model** model,
                              minim_error* error) noexcept {
  return guard(error, [&] {
    minim_model*& result = required(model, "model");
    const auto& owner = required(engine, "engine").shared;
    result = new minim_model{std::make_shared<minim::api::OpenModel>(
        owner, text_argument(path, "path"), read_struct(options, kModelDefaults, "options"))};
  });
}

void minim_model_release(minim_model* model) noexcept { delete model; }

minim_status minim_model_get_info(const minim_model* model, minim_model_info* info,
                                  minim_error* error) noexcept {
  return guard(error, [&] { write_struct(shared(model).info(), info, "info"); });
}

const char* minim_model_metadata(const minim_model* model, const char* key) noexcept {
  if (model == nullptr || key == nullptr) return nullptr;
  const char* value = nullptr;
  guard(nullptr, [&] { value = model->shared->metadata(key); });
  return value;
}

const char* minim_model_fallback(const minim_model* model, int32_t index) noexcept {
  if (model == nullptr || index < 0) return nullptr;
  const auto& all = model->shared->fallbacks();
  return static_cast<size_t>(index) < all.size() ? all[static_cast<size_t>(index)].c_str()
                                                 : nullptr;
}

minim_status minim_model_get_statistics(const minim_model* model,
                                        minim_model_statistics* statistics,
                                        minim_error* error) noexcept {
  return guard(error, [&] { write_struct(shared(model).statistics(), statistics, "statistics"); });
}

minim_status minim_tokenize(const minim_model* model, const char* text, size_t size, uint32_t flags,
                            int32_t* tokens, size_t capacity, size_t* count,
                            minim_error* error) noexcept {
  return guard(error, [&] {
    const std::vector<minim::TokenId> encoded = shared(model).tokenizer()->encode(
        text_argument(text, size, "text"), minim::api::encode_options(flags));
    minim::api::write_list(std::span<const int32_t>(encoded), tokens, capacity, count);
  });
}

minim_status minim_detokenize(const minim_model* model, const int32_t* tokens, size_t token_count,
                              char* text, size_t capacity, size_t* size,
                              minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::write_text(
        shared(model).tokenizer()->decode(list_argument(tokens, token_count, "tokens")), text,
        capacity, size);
  });
}

minim_status minim_token_bytes(const minim_model* model, int32_t token, char* bytes,
                               size_t capacity, size_t* size, minim_error* error) noexcept {
  return guard(error, [&] {
    const minim::Tokenizer& tokenizer = *shared(model).tokenizer();
    if (token < 0 || token >= tokenizer.size()) {
      minim::api::refuse(
          fmt::format("token {} is outside the vocabulary of {}", token, tokenizer.size()));
    }
    minim::api::write_text(tokenizer.token_bytes(token), bytes, capacity, size);
  });
}

minim_status minim_chat_text(const minim_model* model, const char* messages_json,
                             size_t messages_size, const minim_chat_options* options, char* text,
                             size_t capacity, size_t* size, minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::OpenModel& source = shared(model);
    auto messages =
        minim::api::parse_messages(text_argument(messages_json, messages_size, "messages_json"));
    minim::api::write_text(
        source.chat().render(minim::api::chat_variables(source, std::move(messages), options),
                             minim::api::local_time()),
        text, capacity, size);
  });
}
