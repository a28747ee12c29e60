#include "text/tool_calls.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace minim {
namespace {

constexpr std::string_view kBegin = "<tool_call>";
constexpr std::string_view kEnd = "</tool_call>";

std::optional<std::string> parse_call(std::string_view text) {
  try {
    const OrderedJson call = parse_ordered_json(text, "tool call", {.depth_max = 64});
    if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) return {};
    const OrderedJson arguments = call.value("arguments", OrderedJson::object());
    if (!arguments.is_object()) return {};
    const OrderedJson result = {{"name", call["name"]}, {"arguments", arguments}};
    return result.dump();
  } catch (const Error&) {
    return {};
  }
}

// How much of the end of `text` could be the beginning of `mark`.
size_t open_end(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (text.ends_with(mark.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

bool has_json_tool_calls(std::string_view chat_template) {
  const auto contains = [&](std::string_view part) {
    return chat_template.find(part) != std::string_view::npos;
  };
  // Others write XML between the same marks.
  return contains(kBegin) && contains(kEnd) && contains("arguments") && !contains("<function=") &&
         !contains("<arg_key>");
}

ToolCalls::Output ToolCalls::push(std::string_view piece) {
  Output output;
  held_ += piece;
  while (in_call_ ? take_call(output) : take_text(output)) {
  }
  return output;
}

bool ToolCalls::take_text(Output& output) {
  const size_t begin = held_.find(kBegin);
  in_call_ = begin != std::string::npos;
  const size_t certain = in_call_ ? begin : held_.size() - open_end(held_, kBegin);
  output.text += held_.substr(0, certain);
  held_.erase(0, certain);
  searched_ = 0;
  return in_call_;
}

bool ToolCalls::take_call(Output& output) {
  const size_t end = held_.find(kEnd, searched_);
  if (end == std::string::npos) {
    searched_ = held_.size() - std::min(held_.size(), kEnd.size() - 1);
    if (held_.size() <= kCallBytesMax) return false;
    output.text += std::exchange(held_, {});
    in_call_ = false;
    return false;
  }
  const std::string_view inside = std::string_view(held_).substr(0, end).substr(kBegin.size());
  const size_t taken = end + kEnd.size();
  if (auto call = parse_call(inside)) {
    output.calls.push_back(*std::move(call));
  } else {
    output.text += held_.substr(0, taken);
  }
  held_.erase(0, taken);
  in_call_ = false;
  return true;
}

std::string ToolCalls::finish() {
  in_call_ = false;
  return std::exchange(held_, {});
}

}  // namespace minim
