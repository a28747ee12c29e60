#include "cli/chat/chat_sampling.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "cli/nearest_name.h"
#include "cli/sampling_options.h"

namespace minim::cli {

ChatSampling::ChatSampling(v1::Sampling sampling, std::map<std::string, std::string> given)
    : sampling_(std::move(sampling)), given_(std::move(given)), options_(v1::Sampling::options()) {
  const auto lists = list_options();
  options_.insert(options_.end(), lists.begin(), lists.end());
}

void ChatSampling::set(const std::string& name, const std::string& value) {
  const v1::OptionInfo& option = find(name);
  v1::Sampling changed = sampling_.clone();
  set_option(changed, option, value);
  changed.check();
  sampling_ = std::move(changed);
  std::string& known = given_[name];
  // Each call of a list's adds to it.
  known = option.kind == MINIM_OPTION_TEXT_LIST && !known.empty() ? known + ", " + value : value;
}

const v1::OptionInfo& ChatSampling::find(const std::string& name) const {
  const auto option = std::find_if(options_.begin(), options_.end(),
                                   [&](const auto& info) { return name == info.name; });
  if (option != options_.end()) return *option;
  std::vector<std::string_view> known;
  for (const v1::OptionInfo& info : options_) known.push_back(info.name);
  const auto nearest = nearest_name(name, known);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("chat: there is no sampling option '{}'{}; /set lists them", name,
                          nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
}

std::string ChatSampling::line(const v1::OptionInfo& option) const {
  const auto given = given_.find(option.name);
  const std::string standard = option.default_value;
  if (given == given_.end()) return fmt::format("{} = {}", option.name, standard);
  if (given->second == standard) return fmt::format("{} = {}", option.name, standard);
  return fmt::format("{} = {} (default: {})", option.name, given->second,
                     standard.empty() ? "none" : standard);
}

std::string ChatSampling::show(const std::string& name) const {
  const v1::OptionInfo& option = find(name);
  const std::string bounds = option.bounds;
  return fmt::format("{}\n  {}{}", line(option), option.help, bounds.empty() ? "" : "; " + bounds);
}

std::string ChatSampling::show_all() const {
  std::string lines;
  for (const v1::OptionInfo& option : options_) {
    lines += (lines.empty() ? "" : "\n") + line(option);
  }
  return lines;
}

std::vector<std::string> ChatSampling::names() const {
  std::vector<std::string> names;
  for (const v1::OptionInfo& option : options_) names.emplace_back(option.name);
  return names;
}

v1::Sampling ChatSampling::for_attempt(uint64_t number) const {
  v1::Sampling sampling = sampling_.clone();
  const auto given = given_.find("seed");
  uint64_t seed = 0;
  if (given != given_.end()) {
    const std::string& text = given->second;
    std::from_chars(text.data(), text.data() + text.size(), seed);
  }
  // Without a seed each generation has another one anyway.
  if (seed != 0 && number != 0) sampling.set("seed", std::to_string(seed + number));
  return sampling;
}

}  // namespace minim::cli
