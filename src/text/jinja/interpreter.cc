#include "text/jinja/interpreter.h"

#include <fmt/core.h>

#include "text/jinja/iteration.h"
#include "text/jinja/print.h"
#include "text/utf8.h"

namespace minim::jinja {

Interpreter::Interpreter(const Template& program, const OrderedJson& variables,
                         const ChatTemplateLimits& limits, int64_t now)
    : box_(limits, now), template_(program), variables_(variables) {
  box_.heap().set_metered(false);
  for (const Literal& literal : template_.constants) {
    constants_.push_back(std::visit(
        [&](const auto& content) {
          using T = std::decay_t<decltype(content)>;
          if constexpr (std::is_same_v<T, std::monostate>) {
            return Value::none();
          } else if constexpr (std::is_same_v<T, std::string>) {
            return box_.make<String>(Kind::kString, content, false);
          } else {
            return Value(content);
          }
        },
        literal));
  }
  box_.heap().set_metered(true);
}

std::string Interpreter::run() {
  frame_ =
      Ref<Frame>(new Frame(box_.heap(), static_cast<size_t>(template_.slot_count), Ref<Frame>()));
  enter(template_.scope);
  execute(template_.body);
  return std::move(output_);
}

Interpreter::Flow Interpreter::execute(const Block& block) {
  for (const auto& statement : block) {
    const Flow flow = execute(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  const Sandbox::Level level(box_);
  box_.step();
  box_.set_line(statement.line);
  switch (statement.kind) {
    case StatementKind::kText: write(static_cast<const TextStatement&>(statement).text); break;
    case StatementKind::kOutput: {
      const Value value = evaluate(*static_cast<const OutputStatement&>(statement).value);
      if (value.is_string()) {
        write(value.text());
      } else {
        write(to_text(box_, value));
      }
      break;
    }
    case StatementKind::kFor: return execute_for(static_cast<const ForStatement&>(statement));
    case StatementKind::kIf: return execute_if(static_cast<const IfStatement&>(statement));
    case StatementKind::kSet: {
      const auto& set = static_cast<const SetStatement&>(statement);
      assign(set.target, evaluate(*set.value));
      break;
    }
    case StatementKind::kSetBlock:
      return execute_set_block(static_cast<const SetBlockStatement&>(statement));
    case StatementKind::kMacro: {
      const auto& macro = static_cast<const MacroStatement&>(statement);
      slot(macro.name_slot) = box_.make<Macro>(Kind::kMacro, macro, frame_);
      break;
    }
    case StatementKind::kCallBlock:
    case StatementKind::kGeneration:
      execute_call_block(static_cast<const MacroStatement&>(statement));
      break;
    case StatementKind::kFilterBlock:
      return execute_filter_block(static_cast<const FilterBlockStatement&>(statement));
    case StatementKind::kWith: return execute_with(static_cast<const WithStatement&>(statement));
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute_if(const IfStatement& statement) {
  if (truth(evaluate(*statement.test))) return execute(statement.body);
  for (const auto& elif : statement.elifs) {
    box_.step();
    if (truth(evaluate(*elif->test))) return execute(elif->body);
  }
  return execute(statement.else_body);
}

Interpreter::Flow Interpreter::execute_set_block(const SetBlockStatement& set) {
  enter(set.scope);
  Capture capture(*this);
  const Flow flow = execute(set.body);
  if (flow == Flow::kNormal) {
    Value value = capture.take();
    if (set.filter) value = evaluate_native(*set.filter, &value);
    assign(set.target, std::move(value));
  }
  leave(set.scope);
  return flow;
}

Interpreter::Flow Interpreter::execute_filter_block(const FilterBlockStatement& block) {
  enter(block.scope);
  Value result;
  {
    Capture capture(*this);
    const Flow flow = execute(block.body);
    if (flow != Flow::kNormal) return flow;
    const Value text = capture.take();
    result = evaluate_native(*block.filter, &text);
  }
  write_text(result);
  leave(block.scope);
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute_with(const WithStatement& with) {
  enter(with.scope);
  for (size_t i = 0; i < with.targets.size(); ++i) {
    assign(with.targets[i], evaluate(*with.values[i]));
  }
  const Flow flow = execute(with.body);
  leave(with.scope);
  return flow;
}

// {% call %} hands its body to a macro; {% generation %} only marks it, for training masks.
void Interpreter::execute_call_block(const MacroStatement& block) {
  const Value caller = box_.make<Macro>(Kind::kMacro, block, frame_);
  Value result;
  if (block.kind == StatementKind::kGeneration) {
    result = call(caller, {});
  } else {
    const Value callee = evaluate(*block.call->operands[0]);
    CallArguments arguments = evaluate_arguments(*block.call);
    arguments.named.emplace_back("caller", caller);
    box_.set_line(block.line);
    result = call(callee, std::move(arguments));
  }
  write_text(result);
}

// What a {% filter %} or {% call %} block gives is not converted: it must be a string already.
void Interpreter::write_text(const Value& value) {
  if (!value.is_string()) {
    box_.fail(fmt::format("a block gave '{}' instead of a string", type_name(value)));
  }
  write(value.text());
}

void Interpreter::enter(const Scope& scope) {
  box_.step(scope.loads.size());
  for (const Load& load : scope.loads) {
    Value& target = frame_->slots[static_cast<size_t>(load.target)];
    switch (load.action) {
      case Load::Action::kParameter: break;
      case Load::Action::kResolve: target = resolve(load.name); break;
      case Load::Action::kAlias: target = slot(load.source); break;
      case Load::Action::kUnset: target = Value(); break;
    }
  }
}

void Interpreter::leave(const Scope& scope) {
  for (const Load& load : scope.loads) frame_->slots[static_cast<size_t>(load.target)] = Value();
}

void Interpreter::assign(const Target& target, Value value) {
  switch (target.kind) {
    case TargetKind::kName: slot(target.slot) = std::move(value); return;
    case TargetKind::kTuple: return unpack(target, value);
    case TargetKind::kAttribute: {
      const Value object = slot(target.slot);
      if (!object.is(Kind::kNamespace)) {
        box_.fail(fmt::format("cannot assign attribute '{}' of '{}': it is not a namespace",
                              target.attribute, target.name));
      }
      return object.as<Namespace>().set(box_, target.attribute, std::move(value));
    }
  }
}

void Interpreter::unpack(const Target& target, const Value& value) {
  const Ref<Iterator> iterator = iterate(box_, value);
  Values items;
  Value item;
  while (items.size() <= target.items.size() && iterator->next(box_, item)) {
    items.push_back(std::move(item));
  }
  if (items.size() != target.items.size()) {
    box_.fail(fmt::format("{} values to unpack (expected {})",
                          items.size() < target.items.size() ? "not enough" : "too many",
                          target.items.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) assign(target.items[i], std::move(items[i]));
}

void Interpreter::write(std::string_view text) {
  box_.work(text.size());
  if (capturing_) {
    box_.heap().charge(text.size());
    captured_ += text.size();
  } else if (text.size() > box_.limits().output_bytes_max - output_.size()) {
    box_.limit(fmt::format("the output is larger than {} bytes (output_bytes_max)",
                           box_.limits().output_bytes_max));
  }
  output_ += text;
}

Value& Interpreter::slot(const Slot& where) {
  Frame* frame = frame_.get();
  for (int i = 0; i < where.up; ++i) frame = frame->parent.get();
  return frame->slots[static_cast<size_t>(where.index)];
}

// A variable of the caller's, else a global function, else missing.
Value Interpreter::resolve(const std::string& name) {
  const auto known = resolved_.find(name);
  if (known != resolved_.end()) return known->second;
  Value value;
  const auto found = variables_.find(name);
  if (found != variables_.end()) {
    box_.heap().set_metered(false);
    value = to_value(*found, 0);
    box_.heap().set_metered(true);
  } else if (const Native* native = find_global(name)) {
    value = box_.make<Function>(Kind::kFunction, *native, Value());
  }
  resolved_.emplace(name, value);
  return value;
}

Value Interpreter::to_value(const OrderedJson& json, int depth) {
  constexpr int kDepthMax = 512;
  if (depth > kDepthMax) box_.limit("a variable is nested too deeply");
  switch (json.type()) {
    case OrderedJson::value_t::null: return Value::none();
    case OrderedJson::value_t::boolean: return Value(json.get<bool>());
    case OrderedJson::value_t::number_integer: return Value(Int(json.get<int64_t>()));
    case OrderedJson::value_t::number_unsigned: return Value(Int(json.get<uint64_t>()));
    case OrderedJson::value_t::number_float: return Value(json.get<double>());
    case OrderedJson::value_t::string: {
      const std::string& text = json.get_ref<const std::string&>();
      if (!is_valid_utf8(text)) box_.fail("a variable's text is not valid UTF-8");
      return box_.make<String>(Kind::kString, text, false);
    }
    case OrderedJson::value_t::array: {
      Values items;
      items.reserve(json.size());
      for (const OrderedJson& item : json) items.push_back(to_value(item, depth + 1));
      return box_.make<Sequence>(Kind::kList, std::move(items));
    }
    case OrderedJson::value_t::object: {
      Value dict = box_.make<Dict>(Kind::kDict);
      for (const auto& [key, item] : json.items()) {
        dict.as<Dict>().set(box_, to_value(OrderedJson(key), depth + 1), to_value(item, depth + 1));
      }
      return dict;
    }
    default: break;
  }
  box_.fail("a variable holds something that JSON text cannot");
}

Interpreter::Capture::Capture(Interpreter& interpreter)
    : interpreter_(interpreter),
      outer_output_(std::exchange(interpreter.output_, {})),
      outer_captured_(std::exchange(interpreter.captured_, 0)),
      outer_capturing_(std::exchange(interpreter.capturing_, true)) {}

Interpreter::Capture::~Capture() {
  interpreter_.box_.heap().credit(interpreter_.captured_);
  interpreter_.output_ = std::move(outer_output_);
  interpreter_.captured_ = outer_captured_;
  interpreter_.capturing_ = outer_capturing_;
}

Value Interpreter::Capture::take() {
  interpreter_.box_.heap().credit(std::exchange(interpreter_.captured_, 0));
  return interpreter_.box_.string(std::exchange(interpreter_.output_, {}));
}

Interpreter::CallLevel::CallLevel(Interpreter& interpreter) : interpreter_(interpreter) {
  if (++interpreter_.call_depth_ <= interpreter_.box_.limits().depth_max) return;
  --interpreter_.call_depth_;
  interpreter_.box_.limit(
      fmt::format("more than {} nested calls (depth_max); does a macro call "
                  "itself without end?",
                  interpreter_.box_.limits().depth_max));
}

}  // namespace minim::jinja
