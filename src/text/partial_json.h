// JSON that is still being written, completed to a value that can be parsed at every moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace minim {

// Reads RFC 8259 byte by byte, in constant time for each. The value begins at the first { or [ of
// the text; what comes before it and after its end is passed over.
class PartialJson {
 public:
  static constexpr size_t kDepthMax = 256;

  // The next piece of the text, which is UTF-8; returns whether completed() is another one now.
  bool push(std::string_view piece);

  // What was written so far: open strings, arrays and objects closed; keys without a value and
  // literals, numbers and escapes that are not finished left out. Empty before the value begins.
  std::string completed() const;

  // The value is whole.
  bool done() const { return state_ == State::kDone; }
  // The text broke JSON's rules, or is nested deeper than kDepthMax; completed() is then that of
  // the text before it, for good.
  bool failed() const { return state_ == State::kFailed; }

 private:
  enum class State : uint8_t {
    kOutside,
    kValue,       // must come now
    kFirstValue,  // or ]
    kFirstKey,    // or }
    kKey,
    kColon,
    kComma,  // or the end of what is open
    kString,
    kEscape,
    kHexDigits,
    kSurrogateSlash,  // after a high surrogate the low one must follow
    kSurrogateU,
    kNumber,
    kLiteral,
    kDone,
    kFailed,
  };
  // Where in a number.
  enum class Number : uint8_t { kMinus, kZero, kDigits, kPoint, kFraction, kE, kSign, kExponent };

  void step(char c);
  void begin_value(char c);
  void open(char closer, State next);
  void close();
  void end_value();
  void step_string(char c);
  void step_escape(char c);
  void step_hex_digit(char c);
  bool step_number(char c);
  void keep_string();
  void keep();

  std::string text_;     // from the first { or [ on
  std::string closers_;  // of what is open, the innermost last
  size_t kept_ = 0;      // of text_, what completed() shows
  bool quote_ = false;   // whether it ends within a string
  State state_ = State::kOutside;
  Number number_ = Number::kMinus;
  bool is_key_ = false;         // the string at hand
  std::string_view literal_;    // what must still come
  int hex_digits_ = 0;          // read of an escape
  uint32_t code_ = 0;           // that they say
  bool low_surrogate_ = false;  // must they be one
};

}  // namespace minim
