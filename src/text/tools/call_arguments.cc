#include "text/tools/call_arguments.h"

#include <utility>

namespace minim {
namespace {

constexpr std::string_view kSpace = " \n\r\t";
constexpr size_t kTextMax = 160;  // of keys and names

}  // namespace

CallArguments::Event CallArguments::push(char c) {
  const Event inside = in_arguments_ ? Event::kByte : Event::kNone;
  if (!in_string_) {
    if (kSpace.find(c) != std::string_view::npos) return Event::kNone;
    const Event event = push_structure(c);
    return event == Event::kNone ? inside : event;
  }
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_string_ = false;
    end_string();
    return inside;
  }
  if (read_ == Read::kNothing) return inside;
  // What is not a plain short word is none of the keys and names that are looked for.
  if (c == '\\' || text_.size() == kTextMax) tells_ = false;
  text_ += c;
  return inside;
}

void CallArguments::end_string() {
  if (read_ == Read::kKey) key_ = std::exchange(text_, {});
  if (read_ == Read::kName) name_ = std::exchange(text_, {});
  read_ = Read::kNothing;
}

CallArguments::Event CallArguments::push_structure(char c) {
  const bool in_call = depth_ == call_depth() && !in_arguments_ && !named_ && tells_;
  switch (c) {
    case '"':
      in_string_ = true;
      if (!in_call) break;
      if (key_comes_) read_ = Read::kKey;
      if (!key_comes_ && key_ == "name") read_ = Read::kName;
      if (!key_comes_ && has_arguments_key()) tells_ = false;
      break;
    case ':':
    case ',':
      if (in_call) key_comes_ = c == ',';
      break;
    case '[':
      if (depth_++ == 0) is_list_ = true;
      break;
    case '{': return open_object(in_call && !key_comes_);
    case ']':
    case '}': return close();
    default: break;
  }
  return Event::kNone;
}

CallArguments::Event CallArguments::open_object(bool is_value_of_call) {
  ++depth_;
  if (!tells_ || in_arguments_) return Event::kNone;
  if (named_ ? depth_ == 1 : is_value_of_call && has_arguments_key()) {
    if (name_.empty() || told_) return tells_ = false, Event::kNone;
    in_arguments_ = told_ = true;
    return Event::kBegin;
  }
  if (is_value_of_call && key_ == "function") tells_ = false;
  if (!named_ && depth_ == call_depth()) {
    name_.clear();
    key_.clear();
    key_comes_ = true;
    told_ = false;
  }
  return Event::kNone;
}

CallArguments::Event CallArguments::close() {
  --depth_;
  if (in_arguments_ && depth_ == (named_ ? 0 : call_depth())) {
    in_arguments_ = false;
    return Event::kEnd;
  }
  if (!in_arguments_ && depth_ == call_depth() - 1 && !told_) tells_ = false;
  return Event::kNone;
}

}  // namespace minim
