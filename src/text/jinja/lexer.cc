#include "text/jinja/lexer.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "text/jinja/text_case.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

bool is_ascii_digit(char character) { return character >= '0' && character <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) read_data();
    add(TokenKind::kEnd, source_.size(), source_.size());
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return source_.substr(position_); }

  // Tokens come in order, so lines are counted as they go by.
  int line_at(size_t position) {
    for (; counted_ < position; ++counted_) line_ += source_[counted_] == '\n';
    return line_;
  }

  void add(TokenKind kind, size_t begin, size_t end) {
    tokens_.push_back({kind, line_at(begin), source_.substr(begin, end - begin)});
  }

  size_t skip_space(size_t position) const {
    while (position < source_.size()) {
      const Utf8Character character = utf8_at(source_, position);
      if (!is_space(character.code)) break;
      position += character.length;
    }
    return position;
  }

  // The end of source_[begin, end) without the white space at its end.
  size_t strip_end(size_t begin, size_t end) const {
    while (end > begin) {
      size_t start = end - 1;
      while (start > begin && (static_cast<uint8_t>(source_[start]) & 0xC0) == 0x80) --start;
      if (!is_space(utf8_at(source_, start).code)) break;
      end = start;
    }
    return end;
  }

  // Text up to a tag: `sign` is the tag's, '-', '+' or 0.
  void add_data(size_t end, char sign, bool is_variable) {
    size_t kept = end;
    if (sign == '-') {
      kept = strip_end(position_, end);
    } else if (sign != '+' && !is_variable) {
      const size_t stripped = strip_end(position_, end);
      const size_t newline = source_.substr(position_, end - position_).rfind('\n');
      const bool found = newline != std::string_view::npos;
      const size_t line_start = found ? position_ + newline + 1 : position_;
      if ((found || line_starting_) && stripped <= line_start) kept = line_start;
    }
    if (kept > position_) add(TokenKind::kData, position_, kept);
  }

  void read_data() {
    size_t tag = position_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
        add(TokenKind::kData, position_, source_.size());
        position_ = source_.size();
        return;
      }
      const char next = source_[tag + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    size_t after = tag + 2;
    const char sign = sign_at(after);
    if (sign != 0) ++after;
    const char type = source_[tag + 1];
    add_data(tag, sign, type == '{');
    if (type == '%' && read_raw(tag, after)) return;
    position_ = after;
    line_starting_ = false;
    if (type == '#') return read_comment(tag);
    const bool is_block = type == '%';
    add(is_block ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, tag, after);
    read_tag(is_block);
  }

  char sign_at(size_t position) const {
    if (position >= source_.size()) return 0;
    return source_[position] == '-' || source_[position] == '+' ? source_[position] : 0;
  }

  bool starts_with_at(size_t position, std::string_view text) const {
    return source_.substr(std::min(position, source_.size())).starts_with(text);
  }

  void leave_tag(size_t end) {
    line_starting_ = end > 0 && source_[end - 1] == '\n';
    position_ = end;
  }

  // The end of a closing tag ("%}" or "#}") whose sign, if any, stands at `position`; npos if there
  // is none. A newline right after the tag belongs to it.
  size_t closing_end(size_t position, std::string_view closing, bool may_keep) const {
    if (starts_with_at(position, closing)) {
      const size_t end = position + closing.size();
      return starts_with_at(end, "\n") ? end + 1 : end;
    }
    if (!starts_with_at(position + 1, closing)) return std::string_view::npos;
    const size_t end = position + 1 + closing.size();
    if (source_[position] == '-') return skip_space(end);
    return source_[position] == '+' && may_keep ? end : std::string_view::npos;
  }

  void read_comment(size_t tag) {
    if (position_ == source_.size()) return;  // jinja2 minds an open comment only if it has text
    const size_t closing = source_.find("#}", position_);
    if (closing == std::string_view::npos) {
      fail_syntax(line_at(tag), "a comment is not closed: '#}' is missing");
    }
    const bool has_sign = closing > position_ && sign_at(closing - 1) != 0;
    leave_tag(closing_end(has_sign ? closing - 1 : closing, "#}", true));
  }

  // {% raw %} ... {% endraw %}; false where the tag is another one.
  bool read_raw(size_t tag, size_t after_sign) {
    size_t at = skip_space(after_sign);
    if (!starts_with_at(at, "raw")) return false;
    at = skip_space(at + 3);
    if (starts_with_at(at, "-%}")) {
      at = skip_space(at + 3);
    } else if (starts_with_at(at, "%}")) {
      at += 2;
    } else {
      return false;
    }
    leave_tag(at);
    if (position_ == source_.size()) return true;  // the same for {% raw %}
    for (size_t end = source_.find("{%", position_); end != std::string_view::npos;
         end = source_.find("{%", end + 1)) {
      const char sign = sign_at(end + 2);
      const size_t word = skip_space(end + 2 + (sign != 0));
      if (!starts_with_at(word, "endraw")) continue;
      const size_t closing = closing_end(skip_space(word + 6), "%}", true);
      if (closing == std::string_view::npos) continue;
      add_data(end, sign, false);
      leave_tag(closing);
      return true;
    }
    fail_syntax(line_at(tag), "{% raw %} is not closed: {% endraw %} is missing");
  }

  void read_tag(bool is_block) {
    while (position_ < source_.size()) {
      if (brackets_.empty() && read_tag_end(is_block)) return;
      const size_t after_space = skip_space(position_);
      if (after_space > position_) {
        position_ = after_space;
        continue;
      }
      read_token();
    }
    brackets_.clear();
  }

  bool read_tag_end(bool is_block) {
    size_t end = std::string_view::npos;
    if (is_block) {
      end = closing_end(position_, "%}", true);
    } else if (starts_with_at(position_, "-}}")) {
      end = skip_space(position_ + 3);
    } else if (starts_with_at(position_, "}}")) {
      end = position_ + 2;
    }
    if (end == std::string_view::npos) return false;
    add(is_block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, position_, end);
    leave_tag(end);
    return true;
  }

  void read_token() {
    const char first = source_[position_];
    if (is_ascii_digit(first)) return read_number();
    if (first == '"' || first == '\'') return read_string();
    if (is_word(utf8_at(source_, position_).code)) return read_name();
    read_operator();
  }

  void take(TokenKind kind, size_t end) {
    add(kind, position_, end);
    position_ = end;
  }

  // Digits with single underscores between them; `position` itself where there are none.
  size_t digits_end(size_t position, bool (*is_one)(char)) const {
    size_t end = position;
    while (end < source_.size()) {
      if (is_one(source_[end])) {
        ++end;
      } else if (end > position && source_[end] == '_' && end + 1 < source_.size() &&
                 is_one(source_[end + 1])) {
        end += 2;
      } else {
        break;
      }
    }
    return end;
  }

  void read_number() {
    const size_t whole = digits_end(position_, is_ascii_digit);
    size_t end = whole;
    bool is_float = false;
    // After a dot ("x.0.1") digits are an item's number, never the start of a float.
    if (position_ == 0 || source_[position_ - 1] != '.') {
      if (end < source_.size() && source_[end] == '.') {
        const size_t fraction = digits_end(end + 1, is_ascii_digit);
        if (fraction > end + 1) {
          end = fraction;
          is_float = true;
        }
      }
      if (end < source_.size() && (source_[end] | 0x20) == 'e') {
        const size_t start = end + 1 + (sign_at(end + 1) != 0);
        const size_t exponent = digits_end(start, is_ascii_digit);
        if (exponent > start) {
          end = exponent;
          is_float = true;
        }
      }
    }
    if (is_float) return take(TokenKind::kFloat, end);
    take(TokenKind::kInteger, integer_end(whole));
  }

  size_t integer_end(size_t decimal_end) const {
    if (source_[position_] != '0') return decimal_end;
    const char base = position_ + 1 < source_.size() ? source_[position_ + 1] | 0x20 : 0;
    bool (*is_one)(char) = nullptr;
    if (base == 'b') is_one = [](char c) { return c == '0' || c == '1'; };
    if (base == 'o') is_one = [](char c) { return c >= '0' && c <= '7'; };
    if (base == 'x') {
      is_one = [](char c) { return is_ascii_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); };
    }
    if (is_one != nullptr) {
      const size_t skip = position_ + 2 + starts_with_at(position_ + 2, "_");
      const size_t end = digits_end(skip, is_one);
      if (end > skip) return end;
    }
    return digits_end(position_, [](char c) { return c == '0'; });
  }

  void read_string() {
    const char quote = source_[position_];
    size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_syntax(line_at(position_), "a string is not closed");
    take(TokenKind::kString, end + 1);
  }

  void read_name() {
    size_t end = position_;
    const char32_t first = utf8_at(source_, position_).code;
    const bool valid = first == '_' || is_letter(first);
    while (end < source_.size()) {
      const Utf8Character character = utf8_at(source_, end);
      if (!is_word(character.code)) break;
      end += character.length;
    }
    if (!valid) fail_syntax(line_at(position_), "a name begins with a character that it may not");
    take(TokenKind::kName, end);
  }

  void read_operator() {
    static constexpr std::string_view kOperators[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view symbol : kOperators) {
      if (!rest().starts_with(symbol)) continue;
      balance(symbol[0]);
      return take(TokenKind::kOperator, position_ + symbol.size());
    }
    const Utf8Character character = utf8_at(source_, position_);
    fail_syntax(line_at(position_), fmt::format("unexpected character '{}'",
                                                source_.substr(position_, character.length)));
  }

  void balance(char symbol) {
    if (symbol == '(') brackets_ += ')';
    if (symbol == '[') brackets_ += ']';
    if (symbol == '{') brackets_ += '}';
    if (symbol != ')' && symbol != ']' && symbol != '}') return;
    if (brackets_.empty() || brackets_.back() != symbol) {
      const std::string wanted =
          brackets_.empty() ? "" : fmt::format(", expected '{}'", brackets_.back());
      fail_syntax(line_at(position_), fmt::format("unexpected '{}'{}", symbol, wanted));
    }
    brackets_.pop_back();
  }

  const std::string_view source_;
  size_t position_ = 0;
  bool line_starting_ = true;  // the tag before ended with its line
  std::string brackets_;       // the closing ones that are awaited
  size_t counted_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

int hex_value(char character) {
  if (is_ascii_digit(character)) return character - '0';
  const char lower = static_cast<char>(character | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// \xhh, \uhhhh, \Uhhhhhhhh: `text` begins after the letter. Returns the digits taken.
size_t decode_hex(std::string_view text, size_t digits, const Token& token, std::string& out) {
  uint32_t code = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int value = i < text.size() ? hex_value(text[i]) : -1;
    if (value < 0) fail_syntax(token.line, "a string has an escape with too few digits");
    code = code << 4 | static_cast<uint32_t>(value);
  }
  if (code > 0x10FFFF) fail_syntax(token.line, "a string has an escape beyond Unicode");
  if (code >= 0xD800 && code < 0xE000) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("chat template: line {}: half of a surrogate pair in a string; write "
                            "the character itself",
                            token.line));
  }
  append_utf8(code, out);
  return digits;
}

size_t decode_octal(std::string_view text, std::string& out) {
  uint32_t code = 0;
  size_t taken = 0;
  while (taken < 3 && taken < text.size() && text[taken] >= '0' && text[taken] <= '7') {
    code = code * 8 + static_cast<uint32_t>(text[taken++] - '0');
  }
  append_utf8(code, out);
  return taken;
}

// One escape; `text` begins after the backslash. Returns the bytes taken.
size_t decode_escape(std::string_view text, const Token& token, std::string& out) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  const char letter = text[0];
  if (const size_t at = kLetters.find(letter); at != std::string_view::npos) {
    out += kMeanings[at];
    return 1;
  }
  switch (letter) {
    case '\n': return 1;
    case 'x': return 1 + decode_hex(text.substr(1), 2, token, out);
    case 'u': return 1 + decode_hex(text.substr(1), 4, token, out);
    case 'U': return 1 + decode_hex(text.substr(1), 8, token, out);
    case 'N':
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("chat template: line {}: \\N{{...}} in a string; write the "
                              "character itself",
                              token.line));
    default: break;
  }
  if (letter >= '0' && letter <= '7') return decode_octal(text, out);
  out += '\\';  // an unknown escape stands for itself
  return 0;
}

}  // namespace

std::string normalize_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

std::string decode_string(const Token& token) {
  const std::string_view text = token.text.substr(1, token.text.size() - 2);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t backslash = std::min(text.find('\\', i), text.size());
    out += text.substr(i, backslash - i);
    i = backslash;
    if (i < text.size()) i += 1 + decode_escape(text.substr(i + 1), token, out);
  }
  return out;
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd: return "the end of the template";
    case TokenKind::kBlockEnd: return "the end of the tag";
    case TokenKind::kVariableEnd: return "the end of the print statement";
    default: return fmt::format("'{}'", token.text);
  }
}

void fail_syntax(int line, std::string_view message) {
  throw Error(ErrorCode::kFormat, fmt::format("chat template: line {}: {}", line, message));
}

}  // namespace minim::jinja
