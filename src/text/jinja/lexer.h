// Template text to tokens, with jinja2's rules for white space around tags (trim_blocks and
// lstrip_blocks on, as published chat templates expect).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minim::jinja {

enum class TokenKind : uint8_t {
  kData,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kInteger,
  kFloat,
  kString,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 0;
  std::string_view text;  // of the source; a string with its quotes

  bool is_operator(std::string_view symbol) const {
    return kind == TokenKind::kOperator && text == symbol;
  }
  bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
};

// Line ends become "\n" and one at the very end is dropped.
std::string normalize_source(std::string_view source);

// REQUIRES: `source` is normalized, valid UTF-8, and outlives the tokens. The last token is kEnd.
// Throws kFormat with the line.
std::vector<Token> tokenize(std::string_view source);

// What a string token stands for: its quotes removed, its escapes replaced.
std::string decode_string(const Token& token);

// "'foo'", "end of the template", ...: for messages.
std::string describe(const Token& token);

[[noreturn]] void fail_syntax(int line, std::string_view message);

}  // namespace minim::jinja
