#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "text/jinja/natives.h"
#include "text/jinja/parser.h"

namespace minim::jinja {

ExpressionPointer Parser::make(ExpressionKind kind, int line) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

ExpressionPointer Parser::constant(Literal value, int line) {
  ExpressionPointer node = make(ExpressionKind::kConstant, line);
  node->constant = static_cast<int>(template_.constants.size());
  template_.constants.push_back(std::move(value));
  return node;
}

// Chains like a + a + a nest without nesting in the text, so depth is bounded here too.
void Parser::deepen(Expression& parent, const Expression& child) const {
  parent.depth = std::max(parent.depth, child.depth + 1);
  const int depth_max = 4 * limits_.depth_max;
  if (parent.depth <= depth_max) return;
  throw Error(ErrorCode::kLimit,
              fmt::format("chat template: line {}: an expression of more than {} steps in a row; "
                          "split it with {{% set %}}",
                          child.line, depth_max));
}

void Parser::adopt(Expression& parent, ExpressionPointer child) const {
  if (child) deepen(parent, *child);
  parent.operands.push_back(std::move(child));
}

void Parser::adopt_argument(Expression& parent, Argument argument) const {
  deepen(parent, *argument.value);
  parent.arguments.push_back(std::move(argument));
}

ExpressionPointer Parser::binary(ExpressionKind kind, ExpressionPointer left,
                                 ExpressionPointer right, int line) const {
  ExpressionPointer node = make(kind, line);
  adopt(*node, std::move(left));
  adopt(*node, std::move(right));
  return node;
}

bool Parser::at_tuple_end(std::string_view end_word) const {
  const Token& token = current();
  if (token.kind == TokenKind::kVariableEnd || token.kind == TokenKind::kBlockEnd) return true;
  if (token.is_operator(")")) return true;
  return !end_word.empty() && token.is_name(end_word);
}

ExpressionPointer Parser::parse_tuple(bool allow_conditional, std::string_view end_word,
                                      bool in_parentheses) {
  const int line = current().line;
  ExpressionPointer tuple = make(ExpressionKind::kTuple, line);
  bool is_tuple = false;
  while (!at_tuple_end(end_word)) {
    adopt(*tuple, allow_conditional ? parse_conditional() : parse_or());
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return tuple;
  if (!tuple->operands.empty()) return std::move(tuple->operands[0]);
  if (!in_parentheses) {
    fail(fmt::format("expected an expression, got {}", describe(current())));
  }
  return tuple;
}

ExpressionPointer Parser::parse_conditional() {
  const Level level(*this);
  const int line = current().line;
  ExpressionPointer value = parse_or();
  while (skip_name("if")) {
    ExpressionPointer node = make(ExpressionKind::kConditional, line);
    adopt(*node, parse_or());
    adopt(*node, std::move(value));
    adopt(*node, skip_name("else") ? parse_conditional() : nullptr);
    value = std::move(node);
  }
  return value;
}

ExpressionPointer Parser::parse_or() {
  const int line = current().line;
  ExpressionPointer left = parse_and();
  while (skip_name("or")) {
    left = binary(ExpressionKind::kOr, std::move(left), parse_and(), line);
  }
  return left;
}

ExpressionPointer Parser::parse_and() {
  const int line = current().line;
  ExpressionPointer left = parse_not();
  while (skip_name("and")) {
    left = binary(ExpressionKind::kAnd, std::move(left), parse_not(), line);
  }
  return left;
}

ExpressionPointer Parser::parse_not() {
  if (!current().is_name("not")) return parse_comparison();
  const Level level(*this);
  ExpressionPointer node = make(ExpressionKind::kNot, take().line);
  adopt(*node, parse_not());
  return node;
}

ExpressionPointer Parser::parse_comparison() {
  static constexpr std::pair<std::string_view, Comparison> kSymbols[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
  ExpressionPointer node = make(ExpressionKind::kCompare, current().line);
  adopt(*node, parse_sum());
  for (;;) {
    const Token& token = current();
    const Comparison* found = nullptr;
    for (const auto& [symbol, comparison] : kSymbols) {
      if (token.is_operator(symbol)) found = &comparison;
    }
    Comparison comparison = Comparison::kIn;
    if (found != nullptr) {
      comparison = *found;
    } else if (token.is_name("not") && next().is_name("in")) {
      take();
      comparison = Comparison::kNotIn;
    } else if (!token.is_name("in")) {
      break;
    }
    take();
    node->comparisons.push_back(comparison);
    adopt(*node, parse_sum());
  }
  return node->comparisons.empty() ? std::move(node->operands[0]) : std::move(node);
}

ExpressionPointer Parser::parse_sum() {
  const int line = current().line;
  ExpressionPointer left = parse_concatenation();
  while (current().is_operator("+") || current().is_operator("-")) {
    const Binary operation = take().text == "+" ? Binary::kAdd : Binary::kSubtract;
    left = binary(ExpressionKind::kBinary, std::move(left), parse_concatenation(), line);
    left->operation = operation;
  }
  return left;
}

ExpressionPointer Parser::parse_concatenation() {
  ExpressionPointer node = make(ExpressionKind::kConcatenate, current().line);
  do {
    adopt(*node, parse_product());
  } while (skip_operator("~"));
  return node->operands.size() == 1 ? std::move(node->operands[0]) : std::move(node);
}

ExpressionPointer Parser::parse_product() {
  static constexpr std::pair<std::string_view, Binary> kSymbols[] = {{"*", Binary::kMultiply},
                                                                     {"/", Binary::kDivide},
                                                                     {"//", Binary::kFloorDivide},
                                                                     {"%", Binary::kModulo}};
  const int line = current().line;
  ExpressionPointer left = parse_power();
  for (;;) {
    const Binary* operation = nullptr;
    for (const auto& [symbol, meaning] : kSymbols) {
      if (current().is_operator(symbol)) operation = &meaning;
    }
    if (operation == nullptr) return left;
    take();
    left = binary(ExpressionKind::kBinary, std::move(left), parse_power(), line);
    left->operation = *operation;
  }
}

// Binds to the left, unlike Python's.
ExpressionPointer Parser::parse_power() {
  const int line = current().line;
  ExpressionPointer left = parse_unary(true);
  while (skip_operator("**")) {
    left = binary(ExpressionKind::kBinary, std::move(left), parse_unary(true), line);
    left->operation = Binary::kPower;
  }
  return left;
}

ExpressionPointer Parser::parse_unary(bool with_filter) {
  const Level level(*this);
  ExpressionPointer value;
  if (current().is_operator("-") || current().is_operator("+")) {
    const bool negates = current().is_operator("-");
    value = make(negates ? ExpressionKind::kNegate : ExpressionKind::kPlus, take().line);
    adopt(*value, parse_unary(false));
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filter ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPointer Parser::parse_primary() {
  const Token& token = current();
  switch (token.kind) {
    case TokenKind::kName: {
      take();
      if (token.text == "true" || token.text == "True") return constant(true, token.line);
      if (token.text == "false" || token.text == "False") return constant(false, token.line);
      if (token.text == "none" || token.text == "None") return constant({}, token.line);
      ExpressionPointer name = make(ExpressionKind::kName, token.line);
      name->text = token.text;
      return name;
    }
    case TokenKind::kString: return parse_string();
    case TokenKind::kInteger:
    case TokenKind::kFloat: return parse_number();
    case TokenKind::kOperator:
      if (token.text == "[") return parse_list();
      if (token.text == "{") return parse_dict();
      if (skip_operator("(")) {
        ExpressionPointer value = parse_tuple(true, "", true);
        expect_operator(")");
        return value;
      }
      break;
    default: break;
  }
  fail(fmt::format("unexpected {}", describe(token)));
}

// Strings that stand next to each other are one.
ExpressionPointer Parser::parse_string() {
  const int line = current().line;
  std::string text;
  while (current().kind == TokenKind::kString) text += decode_string(take());
  return constant(std::move(text), line);
}

ExpressionPointer Parser::parse_number() {
  const Token& token = take();
  std::string digits;
  for (const char character : token.text) {
    if (character != '_') digits += character;
  }
  if (token.kind == TokenKind::kFloat) {
    double value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    // Out of range: strtod tells infinity from zero.
    if (result.ec != std::errc()) value = std::strtod(digits.c_str(), nullptr);
    return constant(value, token.line);
  }
  const std::optional<Int> value = parse_integer_literal(digits);
  if (!value) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("chat template: line {}: an integer beyond 127 bits", token.line));
  }
  return constant(*value, token.line);
}

ExpressionPointer Parser::parse_list() {
  ExpressionPointer list = make(ExpressionKind::kList, take().line);
  while (!current().is_operator("]")) {
    if (!list->operands.empty()) expect_operator(",");
    if (current().is_operator("]")) break;
    adopt(*list, parse_expression());
  }
  expect_operator("]");
  return list;
}

ExpressionPointer Parser::parse_dict() {
  ExpressionPointer dict = make(ExpressionKind::kDict, take().line);
  while (!current().is_operator("}")) {
    if (!dict->operands.empty()) expect_operator(",");
    if (current().is_operator("}")) break;
    adopt(*dict, parse_expression());
    expect_operator(":");
    adopt(*dict, parse_expression());
  }
  expect_operator("}");
  return dict;
}

ExpressionPointer Parser::parse_postfix(ExpressionPointer value) {
  for (;;) {
    if (current().is_operator(".") || current().is_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (current().is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPointer Parser::parse_filters_and_tests(ExpressionPointer value) {
  for (;;) {
    if (skip_operator("|")) {
      value = parse_filter(std::move(value));
    } else if (current().is_name("is")) {
      value = parse_test(std::move(value));
    } else if (current().is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPointer Parser::parse_subscript(ExpressionPointer value) {
  const Token& token = take();
  if (token.text == "[") return parse_bracket(std::move(value), token.line);
  if (current().kind == TokenKind::kName) {
    ExpressionPointer attribute = make(ExpressionKind::kAttribute, token.line);
    attribute->text = take().text;
    adopt(*attribute, std::move(value));
    return attribute;
  }
  if (current().kind != TokenKind::kInteger) fail("expected a name or a number after '.'");
  ExpressionPointer number = parse_number();
  return binary(ExpressionKind::kItem, std::move(value), std::move(number), token.line);
}

ExpressionPointer Parser::parse_bracket(ExpressionPointer value, int line) {
  if (skip_operator("]")) {  // jinja2 takes nothing for the empty tuple
    return binary(ExpressionKind::kItem, std::move(value), make(ExpressionKind::kTuple, line),
                  line);
  }
  ExpressionPointer key = current().is_operator(":") ? nullptr : parse_expression();
  if (!current().is_operator(":")) {
    if (current().is_operator(",")) {
      ExpressionPointer tuple = make(ExpressionKind::kTuple, line);
      adopt(*tuple, std::move(key));
      while (skip_operator(",")) adopt(*tuple, parse_expression());
      key = std::move(tuple);
    }
    expect_operator("]");
    return binary(ExpressionKind::kItem, std::move(value), std::move(key), line);
  }
  const auto at_end = [&] { return current().is_operator("]") || current().is_operator(":"); };
  ExpressionPointer slice = make(ExpressionKind::kSlice, line);
  adopt(*slice, std::move(value));
  adopt(*slice, std::move(key));
  take();
  adopt(*slice, at_end() ? nullptr : parse_expression());
  adopt(*slice, skip_operator(":") && !at_end() ? parse_expression() : nullptr);
  expect_operator("]");
  return slice;
}

ExpressionPointer Parser::parse_call(ExpressionPointer callee) {
  ExpressionPointer call = make(ExpressionKind::kCall, current().line);
  adopt(*call, std::move(callee));
  parse_arguments(*call);
  return call;
}

std::string Parser::parse_dotted_name() {
  std::string name(expect(TokenKind::kName, "a name").text);
  while (skip_operator(".")) {
    name += '.';
    name += expect(TokenKind::kName, "a name").text;
  }
  return name;
}

ExpressionPointer Parser::parse_filter(ExpressionPointer input) {
  ExpressionPointer filter = make(ExpressionKind::kFilter, current().line);
  adopt(*filter, std::move(input));
  filter->text = parse_dotted_name();
  filter->native = find_filter(filter->text);
  if (current().is_operator("(")) parse_arguments(*filter);
  return filter;
}

ExpressionPointer Parser::parse_test(ExpressionPointer value) {
  ExpressionPointer test = make(ExpressionKind::kTest, take().line);
  const bool negated = skip_name("not");
  adopt(*test, std::move(value));
  test->text = parse_dotted_name();
  test->native = find_test(test->text);
  const Token& token = current();
  if (token.is_operator("(")) {
    parse_arguments(*test);
  } else if (token.kind == TokenKind::kName || token.kind == TokenKind::kString ||
             token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat ||
             token.is_operator("[") || token.is_operator("{")) {
    if (token.is_name("is")) fail("tests cannot be chained with 'is'");
    if (!token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
      const Level level(*this);
      adopt_argument(*test, {ArgumentKind::kPositional, "", parse_postfix(parse_primary())});
    }
  }
  if (!negated) return test;
  ExpressionPointer node = make(ExpressionKind::kNot, test->line);
  adopt(*node, std::move(test));
  return node;
}

void Parser::parse_arguments(Expression& call) {
  expect_operator("(");
  while (!current().is_operator(")")) {
    if (!call.arguments.empty()) {
      expect_operator(",");
      if (current().is_operator(")")) break;
    }
    parse_argument(call);
  }
  expect_operator(")");
}

// The order is Python's: positional, named, one *list, one **dict.
void Parser::parse_argument(Expression& call) {
  const auto has = [&](ArgumentKind kind) {
    return std::any_of(call.arguments.begin(), call.arguments.end(),
                       [&](const Argument& argument) { return argument.kind == kind; });
  };
  require_few(call.arguments.size());
  Argument argument;
  bool valid = !has(ArgumentKind::kDoubleStar);
  if (skip_operator("*")) {
    argument.kind = ArgumentKind::kStar;
    valid = valid && !has(ArgumentKind::kStar);
  } else if (skip_operator("**")) {
    argument.kind = ArgumentKind::kDoubleStar;
  } else if (current().kind == TokenKind::kName && next().is_operator("=")) {
    argument.kind = ArgumentKind::kNamed;
    argument.name = take().text;
    take();
    for (const Argument& other : call.arguments) {
      if (other.kind == ArgumentKind::kNamed && other.name == argument.name) {
        fail(fmt::format("the argument '{}' is given twice", argument.name));
      }
    }
  } else {
    valid = valid && !has(ArgumentKind::kNamed) && !has(ArgumentKind::kStar);
  }
  if (!valid) fail("the arguments of a call are out of order");
  argument.value = parse_expression();
  adopt_argument(call, std::move(argument));
}

}  // namespace minim::jinja
