#include "text/grammar/gbnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "text/utf8.h"

namespace minim {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const GrammarLimits& limits) : text_(text), grammar_(limits) {
    if (text.size() > limits.source_bytes_max) {
      throw Error(ErrorCode::kLimit, fmt::format("gbnf: a grammar of {} bytes, at most {} are "
                                                 "allowed",
                                                 text.size(), limits.source_bytes_max));
    }
  }

  Grammar run() {
    skip_space(true);
    while (!done()) take_rule();
    const auto root = rules_.find("root");
    if (root == rules_.end() || !grammar_.rules()[root->second].defined) {
      throw Error(ErrorCode::kFormat, "gbnf: there is no rule 'root'; it is where a text begins");
    }
    for (const auto& [name, use] : uses_) {
      if (grammar_.rules()[rules_.at(name)].defined) continue;
      position_ = use;
      fail(fmt::format("rule '{}' is used but not defined", name));
    }
    grammar_.set_start(grammar_.rule(root->second));
    return std::move(grammar_);
  }

 private:
  static constexpr int kDepthMax = 150;
  static constexpr uint32_t kRepeatMax = 1'000'000;

  bool done() const { return position_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[position_]; }
  bool take(std::string_view token) {
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kFormat) const {
    const std::string_view before = text_.substr(0, position_);
    const size_t line_begin = before.rfind('\n') + 1;
    throw Error(code, fmt::format("gbnf: {} at line {}, column {}", what,
                                  1 + std::count(before.begin(), before.end(), '\n'),
                                  position_ - line_begin + 1));
  }

  void skip_space(bool lines) {
    for (; !done(); ++position_) {
      const char c = peek();
      if (c == '#') {
        while (!done() && peek() != '\n' && peek() != '\r') ++position_;
        if (done()) return;
        --position_;
        continue;
      }
      if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r'))) return;
    }
  }

  std::string_view take_name() {
    const size_t begin = position_;
    const auto belongs = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    };
    while (belongs(peek())) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  RuleId rule_of(std::string_view name) {
    const auto [entry, fresh] = rules_.try_emplace(std::string(name), 0);
    if (fresh) entry->second = grammar_.add_rule(std::string(name));
    return entry->second;
  }

  void take_rule() {
    const size_t begin = position_;
    const std::string_view name = take_name();
    if (name.empty()) fail("the name of a rule is missing");
    skip_space(false);
    if (!take("::=")) fail(fmt::format("'::=' is missing after '{}'", name));
    skip_space(true);
    const RuleId rule = rule_of(name);
    if (grammar_.rules()[rule].defined) {
      position_ = begin;
      fail(fmt::format("rule '{}' is defined twice", name));
    }
    grammar_.define(rule, take_choice(0));
    if (!done() && peek() != '\n' && peek() != '\r') fail("an unexpected character");
    skip_space(true);
  }

  // `depth` groups around it; within one, it may go over several lines.
  ExpressionId take_choice(int depth) {
    std::vector<ExpressionId> choices = {take_sequence(depth)};
    while (takes_bar()) {
      skip_space(true);
      choices.push_back(take_sequence(depth));
    }
    return grammar_.choice(std::move(choices));
  }

  // Alternatives may go on in the next line.
  bool takes_bar() {
    const size_t begin = position_;
    skip_space(true);
    if (take("|")) return true;
    position_ = begin;
    return false;
  }

  ExpressionId take_sequence(int depth) {
    std::vector<ExpressionId> parts;
    while (const std::optional<ExpressionId> item = take_item(depth)) {
      skip_space(depth > 0);
      parts.push_back(take_repetition(*item, depth));
    }
    return grammar_.sequence(std::move(parts));
  }

  std::optional<ExpressionId> take_item(int depth) {
    if (peek() == '"') return take_literal();
    if (take("[")) return take_class();
    if (take(".")) return grammar_.characters(CharacterSet::all());
    if (peek() == '(') {
      if (depth >= kDepthMax) {
        fail(fmt::format("groups are nested more than {} deep", kDepthMax), ErrorCode::kLimit);
      }
      ++position_;
      skip_space(true);
      const ExpressionId inner = take_choice(depth + 1);
      if (!take(")")) fail("a ( without its )");
      return inner;
    }
    if (peek() == '<' || peek() == '!') {
      fail("a token by its name or number, which is not supported", ErrorCode::kUnsupported);
    }
    const size_t begin = position_;
    const std::string_view name = take_name();
    if (name.empty()) {
      if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') {
        fail("a repetition of nothing");
      }
      return std::nullopt;
    }
    uses_.try_emplace(std::string(name), begin);
    return grammar_.rule(rule_of(name));
  }

  ExpressionId take_repetition(ExpressionId item, int depth) {
    for (;;) {
      uint32_t min = 0, max = Grammar::kUnbounded;
      if (take("*")) {
      } else if (take("+")) {
        min = 1;
      } else if (take("?")) {
        max = 1;
      } else if (take("{")) {
        take_counts(min, max, depth);
      } else {
        return item;
      }
      skip_space(depth > 0);
      item = grammar_.repeat(item, min, max);
    }
  }

  void take_counts(uint32_t& min, uint32_t& max, int depth) {
    skip_space(depth > 0);
    const auto low = take_number();
    skip_space(depth > 0);
    if (take(",")) {
      skip_space(depth > 0);
      max = take_number().value_or(Grammar::kUnbounded);
      skip_space(depth > 0);
      min = low.value_or(0);
    } else {
      if (!low) fail("a number is missing");
      min = max = *low;
    }
    if (!take("}")) fail("a { without its }");
    if (min > max) fail("a repetition whose bounds are in the wrong order");
  }

  std::optional<uint32_t> take_number() {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    uint32_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++position_) {
      value = value * 10 + uint32_t(peek() - '0');
      if (value > kRepeatMax) {
        fail(fmt::format("a repetition of more than {} times", kRepeatMax), ErrorCode::kLimit);
      }
    }
    return value;
  }

  ExpressionId take_literal() {
    const size_t begin = position_++;
    std::string bytes;
    while (peek() != '"') {
      if (done() || peek() == '\n') {
        position_ = begin;
        fail("a literal without its closing quote");
      }
      append_utf8(take_character(), bytes);
    }
    ++position_;
    return grammar_.literal(bytes);
  }

  ExpressionId take_class() {
    const size_t begin = position_ - 1;
    const bool negated = take("^");
    std::vector<CharacterRange> ranges;
    while (peek() != ']') {
      if (done() || peek() == '\n') {
        position_ = begin;
        fail("a class of characters without its ]");
      }
      const char32_t first = take_character();
      char32_t last = first;
      if (peek() == '-' && position_ + 1 < text_.size() && text_[position_ + 1] != ']') {
        ++position_;
        last = take_character();
        if (last < first) fail("a range that ends before it begins");
      }
      ranges.push_back({first, last});
    }
    ++position_;
    grammar_.budget().spend(4 * int64_t(ranges.size()));
    const CharacterSet set = CharacterSet::of(std::move(ranges));
    return grammar_.characters(negated ? set.complement() : set);
  }

  char32_t take_character() {
    if (take("\\")) return take_escape();
    const Utf8Character character = utf8_at(text_, position_);
    if (!character.valid) fail("a byte that is not UTF-8");
    position_ += character.length;
    return character.code;
  }

  char32_t take_escape() {
    if (done()) fail("an escape without its character");
    const char c = text_[position_++];
    switch (c) {
      case 'x': return take_hex(2);
      case 'u': return take_hex(4);
      case 'U': return take_hex(8);
      case 't': return '\t';
      case 'r': return '\r';
      case 'n': return '\n';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^': return char32_t(c);
      default: --position_; fail("an unknown escape");
    }
  }

  char32_t take_hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail(fmt::format("an escape needs {} hexadecimal digits", digits));
      value = value * 16 + char32_t(digit);
      ++position_;
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      fail("an escape that is no Unicode character");
    }
    return value;
  }

  std::string_view text_;
  Grammar grammar_;
  size_t position_ = 0;
  std::unordered_map<std::string, RuleId> rules_;
  std::unordered_map<std::string, size_t> uses_;  // where a rule is used first
};

}  // namespace

Grammar parse_gbnf(std::string_view text, const GrammarLimits& limits) {
  return Parser(text, limits).run();
}

}  // namespace minim
