#include "cli/sampling_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"

namespace minim::cli {
namespace {

constexpr const char* kTextGroup = "What is said";
constexpr v1::OptionInfo list_option(const char* name, const char* help) {
  return {sizeof(v1::OptionInfo), MINIM_OPTION_TEXT_LIST, name, kTextGroup, help, "", ""};
}
constexpr v1::OptionInfo kStop =
    list_option("stop", "End the text before this; \\n is a newline; may be given again");
constexpr v1::OptionInfo kStopToken = list_option("stop-token", "End the text at this token");
constexpr v1::OptionInfo kBanToken = list_option("ban-token", "Never choose this token");
constexpr v1::OptionInfo kLogitBias =
    list_option("logit-bias", "Add a value to a token's logit, such as 42=-1.5; -inf bans it");
constexpr v1::OptionInfo kLists[] = {kStop, kStopToken, kBanToken, kLogitBias};

template <typename Value>
CLI::Option* add_list(CLI::App& app, const std::string& flag, std::vector<Value>& values,
                      const std::string& help, const char* type) {
  // One value for each time that the flag is given, so that it does not swallow a prompt.
  return app.add_option(flag, values, help)->allow_extra_args(false)->type_name(type);
}

CLI::Option* add_named(CLI::App& app, const v1::OptionInfo& info, SamplingOptions& options) {
  const std::string name = info.name;
  const std::string flag = "--" + name;
  if (info.kind == MINIM_OPTION_SWITCH) {
    return app.add_flag_function(
        flag, [&options, name](int64_t) { options.values[name] = "1"; }, info.help);
  }
  if (info.kind == MINIM_OPTION_TEXT_LIST) {
    return add_list(app, flag, options.lists[name], info.help, "TEXT");
  }
  const auto keep = [&options, name](const std::string& text) { options.values[name] = text; };
  CLI::Option* option = app.add_option_function<std::string>(flag, keep, info.help);
  option->default_str(info.default_value);
  if (info.kind == MINIM_OPTION_NUMBER) option->type_name("FLOAT");
  if (info.kind == MINIM_OPTION_INTEGER) option->type_name("INT");
  return option;
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

std::pair<int32_t, float> parse_bias(const std::string& text) {
  const char* const end = text.data() + text.size();
  std::pair<int32_t, float> bias;
  const auto token = std::from_chars(text.data(), end, bias.first);
  if (token.ec == std::errc() && token.ptr != end && *token.ptr == '=') {
    const char* begin = token.ptr + 1;
    if (begin != end && *begin == '+') ++begin;
    const auto value = std::from_chars(begin, end, bias.second);
    if (value.ec == std::errc() && value.ptr == end) return bias;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("sampling: logit-bias '{}' is not TOKEN=VALUE, such as 42=-1.5 or "
                          "42=-inf; minim tokenize shows the numbers of tokens",
                          text));
}

int32_t parse_token(const char* option, const std::string& text) {
  int32_t token = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, token);
  if (read.ec == std::errc() && read.ptr == end) return token;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("sampling: {} '{}' is not the number of a token; minim tokenize shows "
                          "them",
                          option, text));
}

void ban(v1::Sampling& sampling, int32_t token) {
  sampling.set_bias(token, -std::numeric_limits<float>::infinity());
}

// The library names options in backquotes; here they are flags.
std::string with_flags(std::string_view message) {
  const size_t room = message.find(": ");
  std::string result = "run";
  bool begins = true;
  for (const char c : message.substr(room == std::string_view::npos ? 0 : room)) {
    if (c != '`') {
      result += c;
    } else if (std::exchange(begins, !begins)) {
      result += "--";
    }
  }
  return result;
}

void check_effect(const v1::Sampling& sampling) {
  try {
    sampling.check();
  } catch (const v1::Error& error) {
    if (std::string_view(error.what()).find('`') == std::string_view::npos) throw;
    throw Error(ErrorCode::kInvalidArgument, with_flags(error.what()));
  }
}

}  // namespace

void add_sampling_options(CLI::App& app, SamplingOptions& options) {
  for (const v1::OptionInfo& info : v1::Sampling::options()) {
    add_named(app, info, options)->group(info.group);
  }
  const auto add = [&app](const v1::OptionInfo& info, auto& values, const char* type) {
    add_list(app, std::string("--") + info.name, values, info.help, type)->group(info.group);
  };
  add(kStop, options.stop_strings, "TEXT");
  add(kStopToken, options.stop_tokens, "ID");
  add(kBanToken, options.banned_tokens, "ID");
  add(kLogitBias, options.biases, "ID=VALUE");
}

std::span<const v1::OptionInfo> list_options() { return kLists; }

void set_option(v1::Sampling& sampling, const v1::OptionInfo& option, const std::string& value) {
  const std::string_view name = option.name;
  if (name == kStop.name) {
    sampling.add_stop(unescape(value));
  } else if (name == kStopToken.name) {
    sampling.add_stop_token(parse_token(option.name, value));
  } else if (name == kBanToken.name) {
    ban(sampling, parse_token(option.name, value));
  } else if (name == kLogitBias.name) {
    const auto [token, bias] = parse_bias(value);
    sampling.set_bias(token, bias);
  } else {
    sampling.set(option.name, option.kind == MINIM_OPTION_TEXT_LIST ? unescape(value) : value);
  }
}

v1::Sampling make_sampling(SamplingOptions& options) {
  std::string& seed = options.values["seed"];
  if (seed.empty() || seed == "0") {
    seed = std::to_string(
        static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
  }
  v1::Sampling sampling;
  for (const auto& [name, value] : options.values) sampling.set(name, value);
  for (const auto& [name, values] : options.lists) {
    for (const std::string& value : values) sampling.set(name, unescape(value));
  }
  for (const std::string& text : options.stop_strings) sampling.add_stop(unescape(text));
  for (const int32_t token : options.stop_tokens) sampling.add_stop_token(token);
  for (const std::string& text : options.biases) {
    const auto [token, bias] = parse_bias(text);
    sampling.set_bias(token, bias);
  }
  for (const int32_t token : options.banned_tokens) ban(sampling, token);
  check_effect(sampling);
  return sampling;
}

}  // namespace minim::cli
