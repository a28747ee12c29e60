#include "text/stop_strings.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace minim {
namespace {

constexpr size_t kBytesMax = 4096;

void check(const std::string& string) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, "text: a stop string " + what);
  };
  if (string.empty()) refuse("is empty; every text would end at once");
  if (string.size() > kBytesMax) {
    refuse(fmt::format("has {} bytes; at most {} are supported", string.size(), kBytesMax));
  }
  if (!is_valid_utf8(string)) refuse("is not valid UTF-8");
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  for (const std::string& string : strings_) check(string);
  // Of those that are complete at the same place the longest is found first.
  std::stable_sort(strings_.begin(), strings_.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string StopStrings::push(std::string_view piece) {
  if (stopped_) return {};
  const size_t new_begin = held_.size();
  held_ += piece;
  if (find_stop(new_begin)) return std::exchange(held_, {});
  const size_t certain = held_.size() - held_bytes();
  std::string text = held_.substr(0, certain);
  held_.erase(0, certain);
  return text;
}

std::string StopStrings::finish() {
  stopped_.reset();
  return std::exchange(held_, {});
}

std::optional<std::string_view> StopStrings::stopped() const {
  if (!stopped_) return std::nullopt;
  return strings_[*stopped_];
}

// Looks for a string that is complete past new_begin; cuts the text before it.
bool StopStrings::find_stop(size_t new_begin) {
  if (strings_.empty()) return false;
  const std::string_view text = held_;
  for (size_t end = new_begin + 1; end <= text.size(); ++end) {
    for (size_t i = 0; i < strings_.size(); ++i) {
      if (!text.substr(0, end).ends_with(strings_[i])) continue;
      held_.resize(end - strings_[i].size());
      stopped_ = i;
      return true;
    }
  }
  return false;
}

// The longest end of the text that is the beginning of a string.
size_t StopStrings::held_bytes() const {
  const std::string_view text = held_;
  size_t held = 0;
  for (const std::string_view string : strings_) {
    for (size_t count = std::min(string.size() - 1, text.size()); count > held; --count) {
      if (text.ends_with(string.substr(0, count))) held = count;
    }
  }
  return held;
}

}  // namespace minim
