// Loops, macros and calls.
#include <fmt/core.h>

#include "text/jinja/interpreter.h"
#include "text/jinja/iteration.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace minim::jinja {

Interpreter::Flow Interpreter::execute_for(const ForStatement& loop) {
  const Value iterable = evaluate(*loop.iterable);
  if (!loop.recursive) return run_loop(loop, iterable, 0, frame_);
  write(run_recursive_loop(loop, iterable, 0, frame_).text());
  return Flow::kNormal;
}

Value Interpreter::run_recursive_loop(const ForStatement& loop, const Value& iterable, int depth0,
                                      Ref<Frame> closure) {
  const CallLevel call_level(*this);
  const FrameSwitch frame_switch(
      *this, Ref<Frame>(new Frame(box_.heap(), static_cast<size_t>(loop.slot_count), closure)));
  Capture capture(*this);
  run_loop(loop, iterable, depth0, std::move(closure));
  return capture.take();
}

// The items that pass the loop's `if`, each tested when it is asked for.
Ref<Iterator> Interpreter::filtered(const ForStatement& loop, const Value& iterable,
                                    Ref<Frame> closure) {
  const Ref<Frame> frame(
      new Frame(box_.heap(), static_cast<size_t>(loop.test_slot_count), closure));
  const Value source = jinja::to_value(iterate(box_, iterable));
  bool entered = false;
  const auto next = [this, &loop, frame, source, entered](Sandbox& box, Value& item) mutable {
    const FrameSwitch frame_switch(*this, frame);
    if (!std::exchange(entered, true)) enter(loop.test_scope);
    while (source.as<Iterator>().next(box, item)) {
      assign(loop.test_target, item);
      if (truth(evaluate(*loop.test))) return true;
    }
    return false;
  };
  const Value generator_value = generator(box_, next);
  return Ref<Iterator>(&generator_value.as<Iterator>());
}

Interpreter::Flow Interpreter::run_loop(const ForStatement& statement, const Value& iterable,
                                        int depth0, Ref<Frame> closure) {
  const Ref<Iterator> iterator =
      statement.test ? filtered(statement, iterable, closure) : iterate(box_, iterable);
  bool finished_one = false;
  if (statement.uses_loop) {
    const Value value = box_.make<Loop>(Kind::kLoop);
    Loop& loop = value.as<Loop>();
    loop.iterator = iterator;
    if (!statement.test) loop.known_length = length_of(iterable);
    loop.depth0 = depth0;
    if (statement.recursive) {
      loop.recursion = &statement;
      loop.closure = closure;
    }
    run_iterations(statement, iterator, &loop, finished_one);
  } else {
    run_iterations(statement, iterator, nullptr, finished_one);
  }
  leave(statement.scope);
  // jinja2 marks a loop as not empty at the end of an iteration, so one whose every iteration ends
  // in {% continue %} or {% break %} has its {% else %} run.
  if (finished_one || statement.else_body.empty()) return Flow::kNormal;
  enter(statement.else_scope);
  const Flow flow = execute(statement.else_body);
  leave(statement.else_scope);
  return flow;
}

Interpreter::Flow Interpreter::run_iterations(const ForStatement& statement,
                                              const Ref<Iterator>& iterator, Loop* loop,
                                              bool& finished_one) {
  const Value loop_value = loop == nullptr ? Value() : Value(Kind::kLoop, loop);
  for (;;) {
    box_.step();
    Value item;
    if (loop != nullptr) {
      if (!loop->advance(box_)) return Flow::kNormal;
      item = loop->current;
    } else if (!iterator->next(box_, item)) {
      return Flow::kNormal;
    }
    assign(statement.target, std::move(item));
    if (loop != nullptr) frame_->slots[static_cast<size_t>(statement.loop_slot)] = loop_value;
    enter(statement.scope);
    const Flow flow = execute(statement.body);
    if (flow == Flow::kBreak) return Flow::kNormal;
    finished_one = finished_one || flow == Flow::kNormal;
  }
}

Value Interpreter::call(const Value& callee, CallArguments arguments) {
  const Sandbox::Level level(box_);
  switch (callee.kind()) {
    case Kind::kFunction: {
      const Function& function = callee.as<Function>();
      return call_native(box_, function.native, function.self, std::move(arguments));
    }
    case Kind::kMacro: return call_macro(callee.as<Macro>(), std::move(arguments));
    case Kind::kLoop: {
      const Loop& loop = callee.as<Loop>();
      if (loop.recursion == nullptr) {
        box_.fail("the loop must have the 'recursive' marker to be called recursively");
      }
      if (arguments.positional.size() != 1 || !arguments.named.empty()) {
        box_.fail("loop() takes what to loop over");
      }
      return run_recursive_loop(*loop.recursion, arguments.positional[0], loop.depth0 + 1,
                                loop.closure);
    }
    case Kind::kJoiner: {
      Joiner& joiner = callee.as<Joiner>();
      if (!std::exchange(joiner.used, true)) return box_.string("");
      return joiner.separator;
    }
    case Kind::kUndefined:
      box_.unsupported(fmt::format("{}, so it cannot be called", callee.as<Undefined>().message));
    default: box_.fail(fmt::format("'{}' object is not callable", type_name(callee)));
  }
}

Value Interpreter::call_macro(const Macro& macro, CallArguments arguments) {
  const CallLevel call_level(*this);
  const MacroStatement& definition = macro.definition;
  const Ref<Frame> frame(
      new Frame(box_.heap(), static_cast<size_t>(definition.slot_count), macro.closure));
  bind_parameters(definition, std::move(arguments), *frame);
  const FrameSwitch frame_switch(*this, frame);
  Capture capture(*this);
  enter(definition.scope);
  fill_defaults(definition);
  execute(definition.body);
  return capture.take();
}

void Interpreter::bind_parameters(const MacroStatement& macro, CallArguments arguments,
                                  Frame& frame) {
  auto& [positional, named] = arguments;
  box_.step(macro.parameters.size() * (named.size() + 8) / 8);
  bool found_caller = false;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Target& parameter = macro.parameters[i];
    found_caller = found_caller || parameter.name == "caller";
    Value& target = frame.slots[static_cast<size_t>(parameter.slot.index)];
    if (i < positional.size()) {
      target = positional[i];
      continue;
    }
    for (size_t j = 0; j < named.size(); ++j) {
      if (named[j].first != parameter.name) continue;
      target = std::move(named[j].second);
      named.erase(named.begin() + static_cast<ptrdiff_t>(j));
      break;
    }
  }
  bind_special(macro, arguments, found_caller, frame);
}

void Interpreter::bind_special(const MacroStatement& macro, CallArguments& arguments,
                               bool found_caller, Frame& frame) {
  auto& [positional, named] = arguments;
  if (macro.caller_slot >= 0 && !found_caller) {
    Value caller;
    for (size_t j = 0; j < named.size(); ++j) {
      if (named[j].first != "caller") continue;
      caller = std::move(named[j].second);
      named.erase(named.begin() + static_cast<ptrdiff_t>(j));
      break;
    }
    if (caller.is_missing() || caller.is_none()) caller = box_.undefined("No caller defined");
    frame.slots[static_cast<size_t>(macro.caller_slot)] = std::move(caller);
  }
  if (macro.kwargs_slot >= 0) {
    Value rest = box_.make<Dict>(Kind::kDict);
    for (auto& [name, value] : named) {
      rest.as<Dict>().set(box_, box_.string(name), std::move(value));
    }
    frame.slots[static_cast<size_t>(macro.kwargs_slot)] = std::move(rest);
  } else if (!named.empty()) {
    box_.fail(fmt::format("macro '{}' takes no keyword argument '{}'", macro.name, named[0].first));
  }
  const size_t count = macro.parameters.size();
  if (macro.varargs_slot >= 0) {
    Values rest;
    for (size_t i = count; i < positional.size(); ++i) rest.push_back(std::move(positional[i]));
    frame.slots[static_cast<size_t>(macro.varargs_slot)] = box_.tuple(std::move(rest));
  } else if (positional.size() > count) {
    box_.fail(fmt::format("macro '{}' takes not more than {} argument(s)", macro.name, count));
  }
}

void Interpreter::fill_defaults(const MacroStatement& macro) {
  const size_t plain = macro.parameters.size() - macro.defaults.size();
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Target& parameter = macro.parameters[i];
    if (!slot(parameter.slot).is_missing()) continue;
    Value value =
        i >= plain ? evaluate(*macro.defaults[i - plain])
                   : box_.undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    slot(parameter.slot) = std::move(value);
  }
}

CallArguments Interpreter::evaluate_arguments(const Expression& call) {
  CallArguments arguments;
  for (const Argument& argument : call.arguments) {
    Value value = evaluate(*argument.value);
    switch (argument.kind) {
      case ArgumentKind::kPositional: arguments.positional.push_back(std::move(value)); break;
      case ArgumentKind::kNamed:
        arguments.named.emplace_back(argument.name, std::move(value));
        break;
      case ArgumentKind::kStar: spread_list(value, arguments); break;
      case ArgumentKind::kDoubleStar: spread_dict(value, arguments); break;
    }
  }
  return arguments;
}

void Interpreter::spread_list(const Value& list, CallArguments& arguments) {
  for (Value& item : collect(box_, list)) arguments.positional.push_back(std::move(item));
}

void Interpreter::spread_dict(const Value& dict, CallArguments& arguments) {
  if (!dict.is_dict()) {
    box_.fail(fmt::format("argument after ** must be a mapping, not {}", type_name(dict)));
  }
  constexpr size_t kNamedMax = 1000;  // names are compared with each other
  if (dict.dict().entries.size() > kNamedMax) box_.limit("too many named arguments");
  for (const Dict::Entry& entry : dict.dict().entries) {
    box_.step(arguments.named.size() / 4 + 1);
    if (!entry.key.is_string()) box_.fail("keywords must be strings");
    for (const auto& [name, value] : arguments.named) {
      if (name == entry.key.text()) {
        box_.fail(fmt::format("got multiple values for keyword argument '{}'", name));
      }
    }
    arguments.named.emplace_back(entry.key.text(), entry.value);
  }
}

}  // namespace minim::jinja
