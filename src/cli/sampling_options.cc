#include "cli/sampling_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "runtime/sampling/option_table.h"

namespace minim::cli {
namespace {

constexpr const char* kTextGroup = "What is said";

const char* group_name(SamplerOptionGroup group) {
  switch (group) {
    case SamplerOptionGroup::kSampling: return "Sampling";
    case SamplerOptionGroup::kRepetition: return "Against repetition";
    case SamplerOptionGroup::kSteps: return "More about sampling";
    case SamplerOptionGroup::kText: return kTextGroup;
  }
  return "";
}

template <typename Value>
CLI::Option* add_list(CLI::App& app, const std::string& flag, std::vector<Value>& values,
                      const std::string& help, const char* type) {
  // One value for each time that the flag is given, so that it does not swallow a prompt.
  return app.add_option(flag, values, help)->allow_extra_args(false)->type_name(type);
}

CLI::Option* add_row(CLI::App& app, const SamplerOptionRow& row, SamplerOptions& options) {
  const std::string flag = std::string("--") + row.name;
  return std::visit(
      [&](auto field) -> CLI::Option* {
        auto& value = field(options);
        using Value = std::remove_reference_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return app.add_flag(flag, value, row.help);
        } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
          return add_list(app, flag, value, row.help, "TEXT");
        } else {
          return app.add_option(flag, value, row.help)->capture_default_str();
        }
      },
      row.field);
}

bool contains(const std::vector<SamplerStep>& steps, SamplerStep step) {
  return std::find(steps.begin(), steps.end(), step) != steps.end();
}

// \n, \t, \r and \\, which not every shell can write otherwise.
std::string unescape(const std::string& text) {
  static constexpr std::pair<char, char> kEscapes[] = {
      {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}};
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto escape = std::find_if(std::begin(kEscapes), std::end(kEscapes), [&](const auto& e) {
      return text[i] == '\\' && i + 1 < text.size() && text[i + 1] == e.first;
    });
    if (escape == std::end(kEscapes)) {
      result += text[i];
    } else {
      result += escape->second;
      ++i;
    }
  }
  return result;
}

LogitBias parse_bias(const std::string& text) {
  const char* const end = text.data() + text.size();
  LogitBias bias;
  const auto token = std::from_chars(text.data(), end, bias.token);
  if (token.ec == std::errc() && token.ptr != end && *token.ptr == '=') {
    const char* begin = token.ptr + 1;
    if (begin != end && *begin == '+') ++begin;
    const auto value = std::from_chars(begin, end, bias.bias);
    if (value.ec == std::errc() && value.ptr == end) return bias;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("run: --logit-bias '{}' is not TOKEN=VALUE, such as 42=-1.5 or 42=-inf; "
                          "minim tokenize shows the numbers of tokens",
                          text));
}

using GivenRow = std::pair<const SamplerOptionRow*, CLI::Option*>;

void check_given(const std::vector<GivenRow>& rows, const SamplerOptions& options) {
  const auto listed = listed_sampler_steps(options);
  const auto active = active_sampler_steps(options);
  const auto refuse = [](const SamplerOptionRow& row, const std::string& why) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("run: --{} would do nothing: {}", row.name, why));
  };
  for (const auto& [row, option] : rows) {
    if (option->count() == 0 || !row->step) continue;
    const char* name = sampler_step_name(*row->step);
    if (!contains(listed, *row->step)) {
      refuse(*row, options.steps.empty()
                       ? fmt::format("with --mirostat there is no step '{}', unless --samplers "
                                     "lists it",
                                     name)
                       : fmt::format("--samplers does not list '{}'", name));
    }
    if (row->role == SamplerOptionRole::kDetail && !contains(active, *row->step)) {
      refuse(*row, fmt::format("the step '{}' is switched off", name));
    }
  }
}

}  // namespace

void add_sampling_options(CLI::App& app, SamplingOptions& options) {
  std::vector<GivenRow> rows;
  for (const SamplerOptionRow& row : sampler_option_rows()) {
    rows.emplace_back(&row, add_row(app, row, options.sampler)->group(group_name(row.group)));
  }
  std::string names;
  for (const SamplerStep step : sampler_steps()) {
    names += std::string(names.empty() ? "" : ";") + sampler_step_name(step);
  }
  app.add_option("--samplers", options.steps,
                 "The steps to take, in this order (default: " + names + ")")
      ->group(group_name(SamplerOptionGroup::kSteps));
  add_list(app, "--stop", options.stop_strings,
           "End the text before this; \\n is a newline; may be given again", "TEXT")
      ->group(kTextGroup);
  add_list(app, "--stop-token", options.stop_tokens, "End the text at this token", "ID")
      ->group(kTextGroup);
  add_list(app, "--ban-token", options.sampler.banned_tokens, "Never choose this token", "ID")
      ->group(kTextGroup);
  add_list(app, "--logit-bias", options.biases,
           "Add a value to a token's logit, such as 42=-1.5; -inf bans it", "ID=VALUE")
      ->group(kTextGroup);
  options.check_effect = [rows](const SamplerOptions& given) { check_given(rows, given); };
}

void finish_sampling_options(SamplingOptions& options) {
  SamplerOptions& sampler = options.sampler;
  sampler.steps = parse_sampler_steps(options.steps);
  for (const std::string& bias : options.biases) sampler.biases.push_back(parse_bias(bias));
  for (auto* texts : {&options.stop_strings, &sampler.banned_texts, &sampler.dry.breakers}) {
    for (std::string& text : *texts) text = unescape(text);
  }
  options.check_effect(sampler);
  if (sampler.seed == 0) {
    sampler.seed =
        static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  }
}

}  // namespace minim::cli
