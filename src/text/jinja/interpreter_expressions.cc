#include <fmt/core.h>

#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace minim::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  const Sandbox::Level level(box_);
  box_.step();
  const auto operand = [&](size_t i) { return evaluate(*expression.operands[i]); };
  switch (expression.kind) {
    case ExpressionKind::kConstant: return constants_[static_cast<size_t>(expression.constant)];
    case ExpressionKind::kName: return evaluate_name(expression);
    case ExpressionKind::kTuple:
    case ExpressionKind::kList: return evaluate_items(expression);
    case ExpressionKind::kDict: return evaluate_dict(expression);
    case ExpressionKind::kAttribute: {
      const Value object = operand(0);
      box_.set_line(expression.line);
      return get_attribute(box_, object, expression.text);
    }
    case ExpressionKind::kItem: {
      const Value object = operand(0);
      const Value key = operand(1);
      box_.set_line(expression.line);
      return get_item(box_, object, key);
    }
    case ExpressionKind::kSlice: return evaluate_slice(expression);
    case ExpressionKind::kCall: return evaluate_call(expression);
    case ExpressionKind::kFilter:
    case ExpressionKind::kTest: return evaluate_native(expression, nullptr);
    case ExpressionKind::kNot: return Value(!truth(operand(0)));
    case ExpressionKind::kNegate: return negated(box_, operand(0));
    case ExpressionKind::kPlus: return plus(box_, operand(0));
    case ExpressionKind::kAnd: {
      Value left = operand(0);
      return truth(left) ? operand(1) : left;
    }
    case ExpressionKind::kOr: {
      Value left = operand(0);
      return truth(left) ? left : operand(1);
    }
    case ExpressionKind::kBinary: {
      const Value left = operand(0);
      const Value right = operand(1);
      box_.set_line(expression.line);
      return apply(box_, expression.operation, left, right);
    }
    case ExpressionKind::kConcatenate: return evaluate_concatenation(expression);
    case ExpressionKind::kCompare: return evaluate_comparison(expression);
    case ExpressionKind::kConditional: return evaluate_conditional(expression);
  }
  return Value::none();
}

Value Interpreter::evaluate_name(const Expression& expression) {
  const Value& value = slot(expression.slot);
  if (!value.is_missing()) return value;
  box_.set_line(expression.line);
  return box_.undefined(fmt::format("'{}' is undefined", expression.text));
}

Value Interpreter::evaluate_items(const Expression& expression) {
  Values items;
  items.reserve(expression.operands.size());
  for (const auto& operand : expression.operands) items.push_back(evaluate(*operand));
  return expression.kind == ExpressionKind::kList ? box_.list(std::move(items))
                                                  : box_.tuple(std::move(items));
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  Value dict = box_.make<Dict>(Kind::kDict);
  for (size_t i = 0; i < expression.operands.size(); i += 2) {
    Value key = evaluate(*expression.operands[i]);
    Value value = evaluate(*expression.operands[i + 1]);
    box_.set_line(expression.line);
    dict.as<Dict>().set(box_, std::move(key), std::move(value));
  }
  return dict;
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  const Value object = evaluate(*expression.operands[0]);
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    const ExpressionPointer& bound = expression.operands[i + 1];
    bounds[i] = bound ? evaluate(*bound) : Value::none();
  }
  box_.set_line(expression.line);
  return get_slice(box_, object, bounds[0], bounds[1], bounds[2]);
}

Value Interpreter::evaluate_call(const Expression& expression) {
  const Value callee = evaluate(*expression.operands[0]);
  CallArguments arguments = evaluate_arguments(expression);
  box_.set_line(expression.line);
  return call(callee, std::move(arguments));
}

// A filter or a test. `block` is what a {% filter %} or {% set %} block wrote: the innermost filter
// of the chain has no operand and takes that.
Value Interpreter::evaluate_native(const Expression& expression, const Value* block) {
  Value input;
  if (!expression.operands[0]) {
    input = *block;
  } else if (block != nullptr) {
    const Sandbox::Level level(box_);
    input = evaluate_native(*expression.operands[0], block);
  } else {
    input = evaluate(*expression.operands[0]);
  }
  CallArguments arguments = evaluate_arguments(expression);
  box_.set_line(expression.line);
  if (expression.native == nullptr) {
    const bool is_filter = expression.kind == ExpressionKind::kFilter;
    box_.unsupported(
        fmt::format("the {} '{}' is not known", is_filter ? "filter" : "test", expression.text));
  }
  return call_native(box_, *expression.native, input, std::move(arguments));
}

Value Interpreter::evaluate_concatenation(const Expression& expression) {
  TextBuilder text(box_);
  for (const auto& operand : expression.operands) {
    const Value value = evaluate(*operand);
    if (value.is_string()) {
      text.append(value.text());
    } else {
      text.append(to_text(box_, value));
    }
  }
  return text.take_value();
}

bool Interpreter::compare(Comparison comparison, const Value& a, const Value& b) {
  switch (comparison) {
    case Comparison::kEqual: return equal(box_, a, b);
    case Comparison::kNotEqual: return !equal(box_, a, b);
    case Comparison::kLess: return ordered(box_, Order::kLess, a, b);
    case Comparison::kLessEqual: return ordered(box_, Order::kLessEqual, a, b);
    case Comparison::kGreater: return ordered(box_, Order::kGreater, a, b);
    case Comparison::kGreaterEqual: return ordered(box_, Order::kGreaterEqual, a, b);
    case Comparison::kIn: return contains(box_, b, a);
    case Comparison::kNotIn: return !contains(box_, b, a);
  }
  return false;
}

// a < b < c, each evaluated once and only as far as needed.
Value Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = evaluate(*expression.operands[0]);
  for (size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = evaluate(*expression.operands[i + 1]);
    box_.set_line(expression.line);
    if (!compare(expression.comparisons[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::evaluate_conditional(const Expression& expression) {
  if (truth(evaluate(*expression.operands[0]))) return evaluate(*expression.operands[1]);
  if (expression.operands[2]) return evaluate(*expression.operands[2]);
  return box_.undefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no else section was "
                  "defined.",
                  expression.line));
}

}  // namespace minim::jinja
