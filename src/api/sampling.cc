#include "api/sampling.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "api/arguments.h"
#include "api/guard.h"
#include "base/error.h"
#include "runtime/sampling/option_table.h"
#include "text/stop_strings.h"

namespace minim::api {
namespace {

constexpr std::string_view kSteps = "samplers";

[[noreturn]] void refuse_value(std::string_view name, std::string_view value,
                               std::string_view wanted) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("sampler: {} is {}, but must be {}", name, value, wanted));
}

const SamplerOptionRow& find_row(std::string_view name) {
  for (const SamplerOptionRow& row : sampler_option_rows()) {
    if (row.name == name) return row;
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("sampler: there is no option '{}'; minim_sampling_option() and 'minim "
                          "run --help' list them",
                          name));
}

template <typename Value>
Value whole_number(const SamplerOptionRow& row, double value) {
  // Written so that NaN fails. Not every bound of the table is one of the type.
  const bool fits = value >= row.min && value <= row.max && value == std::trunc(value) &&
                    value < std::ldexp(1.0, std::numeric_limits<Value>::digits);
  if (!fits) {
    refuse_value(row.name, fmt::format("{}", value), fmt::format("{}, a whole number", row.wanted));
  }
  return static_cast<Value>(value);
}

template <typename Value>
Value parse_number(const SamplerOptionRow& row, std::string_view text) {
  Value value{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) {
    refuse_value(row.name, fmt::format("'{}'", text), row.wanted);
  }
  return value;
}

// Calls set(field of `options`), and keeps what it did if the value is in its bounds.
template <typename Set>
void change(SamplerOptions& options, const SamplerOptionRow& row, Set&& set) {
  SamplerOptions alone;
  std::visit([&](auto field) { set(field(alone)); }, row.field);
  check_sampler_options(alone);
  std::visit([&](auto field) { field(options) = field(alone); }, row.field);
}

bool contains(const std::vector<SamplerStep>& steps, SamplerStep step) {
  return std::find(steps.begin(), steps.end(), step) != steps.end();
}

}  // namespace

void NamedSampling::set_number(std::string_view name, double value) {
  if (name == kSteps) refuse_value(name, fmt::format("{}", value), "a text");
  const SamplerOptionRow& row = find_row(name);
  change(sampler_, row, [&](auto& field) {
    using Value = std::remove_reference_t<decltype(field)>;
    if constexpr (std::is_same_v<Value, bool>) {
      if (value != 0 && value != 1) refuse_value(name, fmt::format("{}", value), "0 or 1");
      field = value == 1;
    } else if constexpr (std::is_same_v<Value, float>) {
      field = static_cast<float>(value);
    } else if constexpr (std::is_integral_v<Value>) {
      field = whole_number<Value>(row, value);
    } else {
      refuse_value(name, fmt::format("{}", value), "a text");
    }
  });
  given_.emplace(name);
}

void NamedSampling::set_text(std::string_view name, std::string_view value) {
  if (name == kSteps) {
    sampler_.steps = parse_sampler_steps(value);
    given_.emplace(name);
    return;
  }
  const SamplerOptionRow& row = find_row(name);
  const bool is_first = !given_.contains(name);
  const SamplerOptions before = sampler_;
  change(sampler_, row, [&](auto& field) {
    using Value = std::remove_reference_t<decltype(field)>;
    if constexpr (std::is_same_v<Value, bool>) {
      if (value != "0" && value != "1") refuse_value(name, value, "0 or 1");
      field = value == "1";
    } else if constexpr (std::is_arithmetic_v<Value>) {
      field = parse_number<Value>(row, value);
    } else {
      // The first one replaces the defaults.
      SamplerOptions so_far = before;
      field = is_first ? Value{} : std::get<Value& (*)(SamplerOptions&)>(row.field)(so_far);
      field.emplace_back(value);
    }
  });
  given_.emplace(name);
}

void NamedSampling::add_stop(std::string_view text) {
  std::vector<std::string> strings = stop_strings_;
  strings.emplace_back(text);
  const StopStrings checked(strings);
  stop_strings_ = std::move(strings);
}

void NamedSampling::add_stop_token(TokenId token) {
  if (token < 0) refuse(fmt::format("stop token {} is in no vocabulary", token));
  stop_tokens_.push_back(token);
}

void NamedSampling::set_bias(TokenId token, float bias) {
  if (token < 0 || std::isnan(bias)) refuse(fmt::format("a bias of {} for token {}", bias, token));
  std::erase_if(sampler_.biases, [&](const LogitBias& other) { return other.token == token; });
  sampler_.biases.push_back({token, bias});
}

void NamedSampling::check() const {
  check_sampler_options(sampler_);
  const auto listed = listed_sampler_steps(sampler_);
  const auto active = active_sampler_steps(sampler_);
  const auto refuse_row = [](const SamplerOptionRow& row, const std::string& why) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("sampling: `{}` would do nothing: {}", row.name, why));
  };
  for (const SamplerOptionRow& row : sampler_option_rows()) {
    if (!given_.contains(row.name) || !row.step) continue;
    const char* name = sampler_step_name(*row.step);
    if (!contains(listed, *row.step)) {
      refuse_row(row, sampler_.steps.empty()
                          ? fmt::format("with `mirostat` there is no step '{}', unless `samplers` "
                                        "lists it",
                                        name)
                          : fmt::format("`samplers` does not list '{}'", name));
    }
    if (row.role == SamplerOptionRole::kDetail && !contains(active, *row.step)) {
      refuse_row(row, fmt::format("the step '{}' is switched off", name));
    }
  }
}

}  // namespace minim::api
