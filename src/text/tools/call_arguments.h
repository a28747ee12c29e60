// The arguments of tool calls in the JSON of the calls, told while it is written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace minim {

// Reads {"name": NAME, "arguments": {...}}, or a list of these, byte by byte in constant time. A
// call that is written otherwise (its arguments before its name, within "function", as a string,
// with escapes in its name) is not told, and none that follows it.
class CallArguments {
 public:
  enum class Event : uint8_t {
    kNone,
    kBegin,  // the arguments of name() begin with this byte
    kByte,   // a further one of them; white space between their values is none
    kEnd,    // their last one
  };

  // With a name, the JSON is the arguments of that call.
  explicit CallArguments(std::string name = {}) : name_(std::move(name)), named_(!name_.empty()) {}

  // REQUIRES: c continues what begins a JSON text.
  Event push(char c);

  const std::string& name() const { return name_; }
  // Whether a call may still be told.
  bool tells() const { return tells_; }
  // No further one is.
  void stop() { tells_ = false; }

 private:
  enum class Read : uint8_t { kNothing, kKey, kName };

  Event push_structure(char c);
  Event open_object(bool is_value_of_call);
  Event close();
  void end_string();
  int call_depth() const { return is_list_ ? 2 : 1; }
  bool has_arguments_key() const { return key_ == "arguments" || key_ == "parameters"; }

  std::string name_;
  bool named_;
  bool tells_ = true;
  bool is_list_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
  bool in_arguments_ = false;
  bool told_ = false;           // the call at hand
  bool key_comes_ = false;      // the next string is one
  int depth_ = 0;               // of open arrays and objects
  Read read_ = Read::kNothing;  // what the string at hand is
  std::string text_;            // of it
  std::string key_;             // of the call, whose value comes
};

}  // namespace minim
