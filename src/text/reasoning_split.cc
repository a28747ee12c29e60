#include "text/reasoning_split.h"

#include <algorithm>

namespace minim {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

// How many bytes at the end of `text` begin `tag`, but are not all of it.
size_t begun_tag(std::string_view text, std::string_view tag) {
  for (size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size) {
    if (text.substr(text.size() - size) == tag.substr(0, size)) return size;
  }
  return 0;
}

void add(bool reasoning, std::string_view text, std::vector<ReasoningSplit::Part>& parts) {
  if (text.empty()) return;
  if (!parts.empty() && parts.back().reasoning == reasoning) {
    parts.back().text += text;
  } else {
    parts.push_back({reasoning, std::string(text)});
  }
}

}  // namespace

std::vector<ReasoningSplit::Part> ReasoningSplit::feed(std::string_view piece) {
  pending_ += piece;
  return take(false);
}

std::vector<ReasoningSplit::Part> ReasoningSplit::finish() { return take(true); }

std::vector<ReasoningSplit::Part> ReasoningSplit::take(bool final) {
  std::vector<Part> parts;
  while (!pending_.empty() && step(final, parts)) {
  }
  return parts;
}

bool ReasoningSplit::step(bool final, std::vector<Part>& parts) {
  const std::string_view text = pending_;
  if (place_ == Place::kReasoningStart) return skip_space(final, Place::kReasoning);
  if (place_ == Place::kAnswerStart) return skip_space(final, Place::kAnswer);
  if (place_ == Place::kStart) {
    const size_t begin = std::min(text.size(), text.find_first_not_of(kSpace));
    const std::string_view rest = text.substr(begin);
    if (rest.starts_with(kOpen)) {
      pending_.erase(0, begin + kOpen.size());
      place_ = Place::kReasoningStart;
      return true;
    }
    if (!final && kOpen.starts_with(rest)) return false;
    place_ = Place::kAnswer;
    return true;
  }
  if (place_ == Place::kAnswer) {
    add(false, text, parts);
    pending_.clear();
    return true;
  }
  if (const size_t end = text.find(kClose); end != std::string_view::npos) {
    const size_t last = text.substr(0, end).find_last_not_of(kSpace);
    add(true, text.substr(0, last == std::string_view::npos ? 0 : last + 1), parts);
    pending_.erase(0, end + kClose.size());
    place_ = Place::kAnswerStart;
    return true;
  }
  // White space may turn out to stand before the tag, and the end of the text to begin it.
  const std::string_view certain = text.substr(0, text.size() - begun_tag(text, kClose));
  const size_t last = certain.find_last_not_of(kSpace);
  const size_t shown = final ? text.size() : last == std::string_view::npos ? 0 : last + 1;
  add(true, text.substr(0, shown), parts);
  pending_.erase(0, shown);
  return false;
}

bool ReasoningSplit::skip_space(bool final, Place next) {
  const size_t begin = pending_.find_first_not_of(kSpace);
  if (begin == std::string::npos && !final) return false;
  pending_.erase(0, std::min(begin, pending_.size()));
  place_ = next;
  return true;
}

}  // namespace minim
