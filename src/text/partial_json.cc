#include "text/partial_json.h"

namespace minim {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool PartialJson::push(std::string_view piece) {
  const size_t kept = kept_;
  const size_t depth = closers_.size();
  const bool quote = quote_;
  for (const char c : piece) {
    if (done() || failed()) break;
    if (state_ == State::kOutside && c != '{' && c != '[') continue;
    text_ += c;
    step(c);
  }
  return kept_ != kept || quote_ != quote || closers_.size() != depth;
}

std::string PartialJson::completed() const {
  std::string value = text_.substr(0, kept_);
  if (quote_) value += '"';
  value.append(closers_.rbegin(), closers_.rend());
  return value;
}

void PartialJson::keep() {
  kept_ = text_.size();
  quote_ = false;
}

// A key is shown once its value begins.
void PartialJson::keep_string() {
  if (is_key_) return;
  kept_ = text_.size();
  quote_ = true;
}

void PartialJson::open(char closer, State next) {
  if (closers_.size() == kDepthMax) {
    state_ = State::kFailed;
    return;
  }
  closers_ += closer;
  state_ = next;
  keep();
}

void PartialJson::close() {
  closers_.pop_back();
  keep();
  end_value();
}

void PartialJson::end_value() { state_ = closers_.empty() ? State::kDone : State::kComma; }

void PartialJson::step(char c) {
  switch (state_) {
    case State::kString: return step_string(c);
    case State::kEscape: return step_escape(c);
    case State::kHexDigits: return step_hex_digit(c);
    case State::kSurrogateSlash: state_ = c == '\\' ? State::kSurrogateU : State::kFailed; return;
    case State::kSurrogateU:
      state_ = c == 'u' ? State::kHexDigits : State::kFailed;
      hex_digits_ = 0;
      code_ = 0;
      return;
    case State::kLiteral:
      if (literal_.front() != c) {
        state_ = State::kFailed;
        return;
      }
      literal_.remove_prefix(1);
      if (literal_.empty()) {
        keep();
        end_value();
      }
      return;
    case State::kNumber:
      if (step_number(c)) return;
      break;  // it ended before this one
    default: break;
  }
  if (is_space(c) || state_ == State::kFailed) return;
  if (state_ == State::kComma && c == ',') {
    state_ = closers_.back() == '}' ? State::kKey : State::kValue;
  } else if ((state_ == State::kComma && c == closers_.back()) ||
             (state_ == State::kFirstValue && c == ']') ||
             (state_ == State::kFirstKey && c == '}')) {
    close();
  } else if (state_ == State::kColon && c == ':') {
    state_ = State::kValue;
  } else if ((state_ == State::kKey || state_ == State::kFirstKey) && c == '"') {
    is_key_ = true;
    state_ = State::kString;
  } else if (state_ == State::kOutside || state_ == State::kValue || state_ == State::kFirstValue) {
    begin_value(c);
  } else {
    state_ = State::kFailed;
  }
}

void PartialJson::begin_value(char c) {
  if (c == '{') return open('}', State::kFirstKey);
  if (c == '[') return open(']', State::kFirstValue);
  if (c == '"') {
    is_key_ = false;
    state_ = State::kString;
    return keep_string();
  }
  if (c == '-' || is_digit(c)) {
    state_ = State::kNumber;
    number_ = c == '-' ? Number::kMinus : (c == '0' ? Number::kZero : Number::kDigits);
    if (c != '-') keep();
    return;
  }
  literal_ = c == 't' ? "rue" : c == 'f' ? "alse" : c == 'n' ? "ull" : "";
  state_ = literal_.empty() ? State::kFailed : State::kLiteral;
}

void PartialJson::step_string(char c) {
  if (c == '"') {
    if (is_key_) {
      state_ = State::kColon;
    } else {
      keep();
      end_value();
    }
  } else if (c == '\\') {
    state_ = State::kEscape;
  } else if (static_cast<unsigned char>(c) < 0x20) {
    state_ = State::kFailed;
  } else {
    keep_string();
  }
}

void PartialJson::step_escape(char c) {
  constexpr std::string_view kSimple = "\"\\/bfnrt";
  if (c == 'u') {
    state_ = State::kHexDigits;
    hex_digits_ = 0;
    code_ = 0;
    low_surrogate_ = false;
  } else if (kSimple.find(c) != std::string_view::npos) {
    state_ = State::kString;
    keep_string();
  } else {
    state_ = State::kFailed;
  }
}

// Half of a pair of surrogates is no character: it is shown with the other half.
void PartialJson::step_hex_digit(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c);
  if (digit == std::string_view::npos) {
    state_ = State::kFailed;
    return;
  }
  code_ = code_ * 16 + static_cast<uint32_t>(digit);
  if (++hex_digits_ < 4) return;
  const bool is_low = code_ >= 0xDC00 && code_ < 0xE000;
  const bool is_high = code_ >= 0xD800 && code_ < 0xDC00;
  if (is_low != low_surrogate_) {
    state_ = State::kFailed;
  } else if (is_high) {
    low_surrogate_ = true;
    state_ = State::kSurrogateSlash;
  } else {
    low_surrogate_ = false;
    state_ = State::kString;
    keep_string();
  }
}

// Whether `c` belongs to the number; if not, the number has ended.
bool PartialJson::step_number(char c) {
  const bool has_exponent = number_ == Number::kExponent;
  const bool whole = number_ == Number::kZero || number_ == Number::kDigits;
  const bool may_end = whole || number_ == Number::kFraction || has_exponent;
  if (is_digit(c) && number_ != Number::kZero) {
    switch (number_) {
      case Number::kMinus: number_ = c == '0' ? Number::kZero : Number::kDigits; break;
      case Number::kPoint: number_ = Number::kFraction; break;
      case Number::kE:
      case Number::kSign: number_ = Number::kExponent; break;
      default: break;
    }
    keep();
    return true;
  }
  if (c == '.' && whole) {
    number_ = Number::kPoint;
  } else if ((c == 'e' || c == 'E') && may_end && !has_exponent) {
    number_ = Number::kE;
  } else if ((c == '+' || c == '-') && number_ == Number::kE) {
    number_ = Number::kSign;
  } else {
    may_end ? end_value() : static_cast<void>(state_ = State::kFailed);
    return false;
  }
  return true;
}

}  // namespace minim
