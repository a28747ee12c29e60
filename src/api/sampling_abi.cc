#include <fmt/core.h>

#include <type_traits>

#include "api/arguments.h"
#include "api/guard.h"
#include "api/sampling.h"
#include "base/error.h"
#include "runtime/sampling/option_table.h"

namespace minim::api {
namespace {

const char* group_name(SamplerOptionGroup group) {
  switch (group) {
    case SamplerOptionGroup::kSampling: return "Sampling";
    case SamplerOptionGroup::kRepetition: return "Against repetition";
    case SamplerOptionGroup::kSteps: return "More about sampling";
    case SamplerOptionGroup::kText: return "What is said";
  }
  return "";
}

struct OptionText {
  minim_option_kind kind;
  std::string default_value;
};

OptionText describe(const SamplerOptionRow& row) {
  SamplerOptions defaults;
  return std::visit(
      [&](auto field) -> OptionText {
        auto& value = field(defaults);
        using Value = std::remove_reference_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return {MINIM_OPTION_SWITCH, value ? "1" : "0"};
        } else if constexpr (std::is_same_v<Value, float>) {
          return {MINIM_OPTION_NUMBER, fmt::format("{}", value)};
        } else if constexpr (std::is_integral_v<Value>) {
          return {MINIM_OPTION_INTEGER, fmt::format("{}", value)};
        } else {
          return {MINIM_OPTION_TEXT_LIST, ""};
        }
      },
      row.field);
}

std::string step_names() {
  std::string names;
  for (const SamplerStep step : sampler_steps()) {
    names += std::string(names.empty() ? "" : ";") + sampler_step_name(step);
  }
  return names;
}

// The table of the sampler and the order of its steps, as others see them.
const std::vector<minim_option_info>& option_infos() {
  static const std::vector<OptionText> texts = [] {
    std::vector<OptionText> all;
    for (const SamplerOptionRow& row : sampler_option_rows()) all.push_back(describe(row));
    all.push_back({MINIM_OPTION_TEXT, step_names()});
    return all;
  }();
  static const std::vector<minim_option_info> infos = [] {
    std::vector<minim_option_info> all;
    for (const SamplerOptionRow& row : sampler_option_rows()) {
      const OptionText& text = texts[all.size()];
      all.push_back({sizeof(minim_option_info), text.kind, row.name, group_name(row.group),
                     row.help, text.default_value.c_str(), row.wanted});
    }
    all.push_back({sizeof(minim_option_info), MINIM_OPTION_TEXT, "samplers",
                   group_name(SamplerOptionGroup::kSteps), "The steps to take, in this order",
                   texts.back().default_value.c_str(), ""});
    return all;
  }();
  return infos;
}

}  // namespace
}  // namespace minim::api

using minim::api::guard;
using minim::api::required;
using minim::api::text_argument;

minim_status minim_sampling_new(minim_sampling** sampling, minim_error* error) noexcept {
  return guard(error, [&] {
    minim_sampling*& result = required(sampling, "sampling");
    result = new minim_sampling;
  });
}

minim_status minim_sampling_clone(const minim_sampling* sampling, minim_sampling** clone,
                                  minim_error* error) noexcept {
  return guard(error, [&] {
    minim_sampling*& result = required(clone, "clone");
    result = new minim_sampling(required(sampling, "sampling"));
  });
}

void minim_sampling_release(minim_sampling* sampling) noexcept { delete sampling; }

minim_status minim_sampling_set_number(minim_sampling* sampling, const char* name, double value,
                                       minim_error* error) noexcept {
  return guard(error, [&] {
    required(sampling, "sampling").options.set_number(text_argument(name, "name"), value);
  });
}

minim_status minim_sampling_set_text(minim_sampling* sampling, const char* name, const char* value,
                                     size_t size, minim_error* error) noexcept {
  return guard(error, [&] {
    required(sampling, "sampling")
        .options.set_text(text_argument(name, "name"), text_argument(value, size, "value"));
  });
}

minim_status minim_sampling_add_stop(minim_sampling* sampling, const char* text, size_t size,
                                     minim_error* error) noexcept {
  return guard(error, [&] {
    required(sampling, "sampling").options.add_stop(text_argument(text, size, "text"));
  });
}

minim_status minim_sampling_add_stop_token(minim_sampling* sampling, int32_t token,
                                           minim_error* error) noexcept {
  return guard(error, [&] { required(sampling, "sampling").options.add_stop_token(token); });
}

minim_status minim_sampling_set_bias(minim_sampling* sampling, int32_t token, float bias,
                                     minim_error* error) noexcept {
  return guard(error, [&] { required(sampling, "sampling").options.set_bias(token, bias); });
}

minim_status minim_sampling_check(const minim_sampling* sampling, minim_error* error) noexcept {
  return guard(error, [&] { required(sampling, "sampling").options.check(); });
}

minim_status minim_sampling_option(size_t index, minim_option_info* info,
                                   minim_error* error) noexcept {
  return guard(error, [&] {
    const auto& infos = minim::api::option_infos();
    if (index >= infos.size()) {
      throw minim::Error(minim::ErrorCode::kNotFound,
                         fmt::format("api: there are {} options", infos.size()));
    }
    minim::api::write_struct(infos[index], info, "info");
  });
}
