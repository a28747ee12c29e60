#include "text/tools/tool_call_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace minim {
namespace {

constexpr std::string_view kSpace = " \n\r\t";
constexpr std::string_view kArguments = "[ARGS]";
constexpr std::string_view kCallId = "[CALL_ID]";
constexpr size_t kParametersMax = 1024;
constexpr size_t kHeadBytesMax = 160;  // of a name and what stands before its arguments

// What may stand before a call that has no mark of its own, and between two of them.
constexpr std::array<std::string_view, 5> kLeads = {"<|python_tag|>", "```tool_code", "```json",
                                                    "```", ";"};

// Whether `text` goes on as `mark`, or may do so once there is more of it.
enum class Match { kNone, kPart, kWhole };
Match match(std::string_view text, std::string_view mark) {
  if (text.starts_with(mark)) return Match::kWhole;
  return mark.starts_with(text) ? Match::kPart : Match::kNone;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  const size_t end = text.find_last_not_of(kSpace);
  return end == std::string_view::npos ? "" : text.substr(begin, end + 1 - begin);
}

std::string as_json(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

ToolCallParser::ToolCallParser(ToolNotation notation, const ToolList& tools, ToolCallPieces pieces)
    : notation_(notation), pieces_(pieces), syntax_(tool_syntax(notation)) {
  for (const Tool& tool : tools.tools) names_.push_back(tool.name);
  if (syntax_.tagged) parameters_ = ToolParameters(tools);
}

ToolCallParser::Output ToolCallParser::push(std::string_view piece) {
  Output output;
  held_ += piece;
  run(output, false);
  held_.erase(0, front_);
  place_ -= front_;
  if (json_begin_ != std::string::npos) json_begin_ -= std::min(json_begin_, front_);
  front_ = 0;
  return output;
}

ToolCallParser::Output ToolCallParser::finish() {
  Output output;
  run(output, true);
  say(output, std::string_view(held_).substr(front_));
  held_.clear();
  space_.clear();
  front_ = place_ = 0;
  return output;
}

void ToolCallParser::run(Output& output, bool is_last) {
  for (bool goes_on = true; goes_on;) {
    switch (state_) {
      case State::kText:
        goes_on = syntax_.begins.empty() ? take_start(output, is_last) : take_text(output, is_last);
        break;
      case State::kName: goes_on = take_name(output, is_last); break;
      case State::kJson: goes_on = take_json(output, is_last); break;
      case State::kTags: goes_on = take_tags(output, is_last); break;
      case State::kEnd: goes_on = take_end(output, is_last); break;
    }
  }
}

// White space behind a call waits for what follows.
void ToolCallParser::say(Output& output, std::string_view text) {
  if (after_call_) {
    const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
    space_ += text.substr(0, begin);
    text.remove_prefix(begin);
    if (text.empty()) return;
    output.text += std::exchange(space_, {});
    after_call_ = false;
  }
  output.text += text;
}

void ToolCallParser::skip_space() {
  place_ = std::min(held_.find_first_not_of(kSpace, place_), held_.size());
}

// What was taken for a call is text, unless some of it was told.
bool ToolCallParser::give_up(Output& output) {
  const bool told = std::exchange(told_, 0) > 0;
  if (!told) say(output, std::string_view(held_).substr(front_, place_ - front_));
  front_ = place_;
  said_text_ = true;
  state_ = State::kText;
  return true;
}

void ToolCallParser::begin(size_t mark_size) {
  place_ += mark_size;
  name_.clear();
  calls_.clear();
  json_ = PartialJson();
  json_begin_ = std::string::npos;
  told_ = 0;
  value_begin_ = 0;
  arguments_ = OrderedJson::object();
  end_missing_ = syntax_.end.empty();
  const bool may_be_named =
      notation_ == ToolNotation::kMistral || notation_ == ToolNotation::kMistralArgs;
  state_ = may_be_named ? State::kName : syntax_.tagged ? State::kTags : State::kJson;
}

bool ToolCallParser::take_text(Output& output, bool is_last) {
  std::string firsts;
  for (const std::string_view mark : syntax_.begins) firsts += mark[0];
  for (place_ = front_; (place_ = held_.find_first_of(firsts, place_)) != std::string::npos;
       ++place_) {
    for (const std::string_view mark : syntax_.begins) {
      const Match found = match(ahead(), mark);
      if (found == Match::kNone || (found == Match::kPart && is_last)) continue;
      say(output, std::string_view(held_).substr(front_, place_ - front_));
      front_ = place_;
      if (found == Match::kPart) return false;
      // That of a function is read again, with its name.
      begin(mark == ToolTags::kFunction ? 0 : mark.size());
      end_missing_ = end_missing_ || (syntax_.ends_open && mark != syntax_.begins[0]);
      return true;
    }
  }
  place_ = held_.size();
  say(output, std::string_view(held_).substr(front_));
  front_ = place_;
  return false;
}

// In a notation without marks.
bool ToolCallParser::take_start(Output& output, bool is_last) {
  while (!said_text_) {
    skip_space();
    if (place_ == held_.size()) return false;
    if (held_[place_] == '{') {
      begin(0);
      return true;
    }
    bool may_grow = false;
    size_t lead = 0;
    for (const std::string_view mark : kLeads) {
      const Match found = match(ahead(), mark);
      may_grow = may_grow || (found == Match::kPart && !is_last);
      if (found == Match::kWhole) lead = std::max(lead, mark.size());
    }
    if (may_grow) return false;
    if (lead == 0) break;
    place_ += lead;
    // Behind a call these are none of the text.
    if (after_call_) front_ = place_;
  }
  place_ = held_.size();
  give_up(output);
  return false;
}

bool ToolCallParser::take_name(Output& output, bool is_last) {
  skip_space();
  if (place_ == held_.size()) return is_last && give_up(output);
  if (held_[place_] == '[' || held_[place_] == '{') {
    state_ = State::kJson;
    return true;
  }
  const size_t end = ahead().find(kArguments);
  if (end == std::string_view::npos) {
    const bool too_long = ahead().size() >= kHeadBytesMax + kArguments.size();
    return (is_last || too_long) && give_up(output);
  }
  std::string_view head = ahead().substr(0, end);
  name_ = trimmed(head.substr(0, head.find(kCallId)));
  if (name_.empty() || end > kHeadBytesMax) return give_up(output);
  place_ += end + kArguments.size();
  state_ = State::kJson;
  return true;
}

bool ToolCallParser::take_json(Output& output, bool is_last) {
  if (json_begin_ == std::string::npos) {
    skip_space();
    if (place_ == held_.size()) return is_last && give_up(output);
    if (held_[place_] != '{' && held_[place_] != '[') return give_up(output);
    json_begin_ = place_;
    written_ = CallArguments(name_);
  }
  while (place_ < held_.size() && !json_.done() && !json_.failed() &&
         place_ - json_begin_ <= kCallBytesMax) {
    json_.push(std::string_view(held_).substr(place_++, 1));
    if (pieces_ == ToolCallPieces::kWhole || json_.failed() || !written_.tells()) continue;
    const char c = held_[place_ - 1];
    tell(written_.push(c), c, output);
  }
  const size_t size = place_ - json_begin_;
  if (json_.failed()) --place_;  // a call may begin there
  if (json_.failed() || size > kCallBytesMax) return give_up(output);
  if (!json_.done()) return is_last && give_up(output);
  if (!read_calls(std::string_view(held_).substr(json_begin_, size))) return give_up(output);
  state_ = State::kEnd;
  return true;
}

bool ToolCallParser::take_tags(Output& output, bool is_last) {
  for (Step step = Step::kDone; step == Step::kDone && state_ == State::kTags;) {
    step = value_begin_ > 0 ? take_value(output) : take_tag(is_last, output);
    const bool too_long = place_ - front_ > kCallBytesMax;
    if (step == Step::kFails || too_long || (step == Step::kWaits && is_last)) {
      if (place_ == front_) ++place_;  // past the mark that begins no call
      return give_up(output);
    }
    if (step == Step::kWaits) return false;
  }
  return true;
}

// The beginning of a function or a parameter, or the end of a function.
ToolCallParser::Step ToolCallParser::take_tag(bool is_last, Output& output) {
  skip_space();
  if (place_ == held_.size()) return Step::kWaits;
  if (name_.empty()) {
    // Some write JSON between the same marks.
    if (held_[place_] == '{') return state_ = State::kJson, Step::kDone;
    const Step step = take_tag_name(ToolTags::kFunction, is_last, name_);
    if (step == Step::kDone && pieces_ == ToolCallPieces::kAsWritten && count_ < kCallsMax) {
      begin_piece(name_, output);
      add_piece("{", false, output);
    }
    return step;
  }
  const Match end = match(ahead(), ToolTags::kFunctionEnd);
  if (end == Match::kPart) return Step::kWaits;
  if (end == Match::kNone) {
    const Step step = take_tag_name(ToolTags::kParameter, is_last, parameter_);
    const bool is_new = !arguments_.contains(parameter_) && arguments_.size() < kParametersMax;
    if (step != Step::kDone) return step;
    value_begin_ = place_ - front_;
    return is_new ? Step::kDone : Step::kFails;
  }
  place_ += ToolTags::kFunctionEnd.size();
  calls_.push_back({name_, as_json(arguments_)});
  if (told_ > 0) add_piece("}", true, output);
  state_ = State::kEnd;
  return told_ > 0 || count_ < kCallsMax ? Step::kDone : Step::kFails;
}

ToolCallParser::Step ToolCallParser::take_tag_name(std::string_view mark, bool is_last,
                                                   std::string& name) {
  const Match found = match(ahead(), mark);
  if (found != Match::kWhole) {
    return found == Match::kPart && !is_last ? Step::kWaits : Step::kFails;
  }
  const std::string_view rest = ahead().substr(mark.size(), kHeadBytesMax);
  const size_t end = rest.find_first_of(">\n<");
  if (end == std::string_view::npos) {
    return rest.size() < kHeadBytesMax ? Step::kWaits : Step::kFails;
  }
  name = trimmed(rest.substr(0, end));
  if (name.empty() || rest[end] != '>') return Step::kFails;
  place_ += mark.size() + end + 1;
  return Step::kDone;
}

// Without the line breaks that are written around it.
ToolCallParser::Step ToolCallParser::take_value(Output& output) {
  const size_t begin = front_ + value_begin_;
  const size_t limit = front_ + kCallBytesMax;
  const size_t end = held_.find(ToolTags::kParameterEnd, place_);
  if (end == std::string::npos || end > limit) {
    // The last bytes may be a part of the mark.
    const size_t looked_at =
        held_.size() - std::min(held_.size(), ToolTags::kParameterEnd.size() - 1);
    place_ = std::max(place_, std::min(looked_at, limit));
    return looked_at > limit ? Step::kFails : Step::kWaits;
  }
  std::string_view value = std::string_view(held_).substr(begin, end - begin);
  if (value.starts_with('\n')) value.remove_prefix(1);
  if (value.ends_with('\n')) value.remove_suffix(1);
  const bool is_first = arguments_.empty();
  const OrderedJson& read = arguments_[parameter_] = parameters_.read(name_, parameter_, value);
  if (told_ > 0) {
    add_piece((is_first ? "" : ",") + as_json(parameter_) + ":" + as_json(read), false, output);
  }
  place_ = end + ToolTags::kParameterEnd.size();
  value_begin_ = 0;
  return Step::kDone;
}

bool ToolCallParser::take_end(Output& output, bool is_last) {
  if (syntax_.end.empty()) return keep_calls(output);
  const size_t json_end = place_;
  skip_space();
  const Match found = match(ahead(), syntax_.end);
  if (found == Match::kWhole) {
    place_ += syntax_.end.size();
    return keep_calls(output);
  }
  if (found == Match::kPart && is_last) {
    place_ = held_.size();  // cut in the middle of the mark
    return keep_calls(output);
  }
  if (found == Match::kPart) {
    place_ = json_end;
    return false;
  }
  if (!end_missing_) return give_up(output);
  place_ = json_end;
  return keep_calls(output);
}

bool ToolCallParser::keep_calls(Output& output) {
  // Those that were told are the first ones.
  for (size_t i = std::exchange(told_, 0); i < calls_.size(); ++i) {
    output.calls.push_back({.index = count_++, .call = std::move(calls_[i])});
  }
  front_ = place_;
  after_call_ = true;
  space_.clear();
  state_ = State::kText;
  return true;
}

bool ToolCallParser::is_known(std::string_view name) const {
  return names_.empty() || std::find(names_.begin(), names_.end(), name) != names_.end();
}

void ToolCallParser::tell(CallArguments::Event event, char c, Output& output) {
  using Event = CallArguments::Event;
  if (event == Event::kNone) return;
  if (event == Event::kBegin) {
    const bool must_be_known = syntax_.begins.empty();
    if (count_ == kCallsMax || (must_be_known && !is_known(written_.name()))) {
      return written_.stop();
    }
    begin_piece(written_.name(), output);
  }
  add_piece({&c, 1}, event == Event::kEnd, output);
}

void ToolCallParser::begin_piece(const std::string& name, Output& output) {
  output.calls.push_back({.index = count_++, .call = {.name = name}, .ends = false});
  ++told_;
}

// Of the call that was begun last.
void ToolCallParser::add_piece(std::string_view arguments, bool ends, Output& output) {
  if (output.calls.empty() || output.calls.back().ends) {
    output.calls.push_back({.index = count_ - 1, .begins = false, .ends = false});
  }
  output.calls.back().call.arguments += arguments;
  output.calls.back().ends = ends;
}

bool ToolCallParser::read_calls(std::string_view json) {
  try {
    const OrderedJson value = parse_ordered_json(json, "tool call", {.depth_max = 64});
    if (!name_.empty()) {
      if (!value.is_object()) return false;
      calls_.push_back({name_, value.dump()});
    } else if (value.is_array()) {
      if (!std::all_of(value.begin(), value.end(),
                       [this](const OrderedJson& item) { return read_call(item); })) {
        return false;
      }
    } else if (!read_call(value)) {
      return false;
    }
  } catch (const Error&) {
    return false;
  }
  const size_t count = static_cast<size_t>(count_) + calls_.size() - std::min(told_, calls_.size());
  return !calls_.empty() && count <= size_t{kCallsMax};
}

bool ToolCallParser::read_call(const OrderedJson& value) {
  if (!value.is_object()) return false;
  if (value.contains("function") && value["function"].is_object()) {
    return !value["function"].contains("function") && read_call(value["function"]);
  }
  if (!value.contains("name") || !value["name"].is_string()) return false;
  const auto name = value["name"].get<std::string>();
  if (name.empty() || (syntax_.begins.empty() && !is_known(name))) return false;
  OrderedJson arguments = OrderedJson::object();
  for (const char* key : {"parameters", "arguments"}) {
    if (value.contains(key)) arguments = value[key];
  }
  // Some write them as text that holds JSON.
  if (arguments.is_string()) {
    const auto text = arguments.get<std::string>();
    arguments = parse_ordered_json(text, "arguments", {.depth_max = 64});
  }
  if (!arguments.is_object()) return false;
  calls_.push_back({name, arguments.dump()});
  return true;
}

}  // namespace minim
