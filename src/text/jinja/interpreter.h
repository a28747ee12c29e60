// Runs a parsed template once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/jinja/natives.h"
#include "text/jinja/sandbox.h"
#include "text/jinja/syntax_tree.h"

namespace minim::jinja {

class Interpreter {
 public:
  // REQUIRES: `program` has its variables resolved; it and `variables` outlive the interpreter.
  Interpreter(const Template& program, const OrderedJson& variables,
              const ChatTemplateLimits& limits, int64_t now);
  std::string run();

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class Capture;      // what is written goes to a string of its own
  class FrameSwitch;  // another frame is the running one
  class CallLevel;    // one nested call of a macro or recursive loop

  // Statements (interpreter.cc).
  Flow execute(const Block& block);
  Flow execute(const Statement& statement);
  Flow execute_if(const IfStatement& statement);
  Flow execute_set_block(const SetBlockStatement& set);
  Flow execute_filter_block(const FilterBlockStatement& block);
  Flow execute_with(const WithStatement& with);
  void execute_call_block(const MacroStatement& block);
  void enter(const Scope& scope);
  void leave(const Scope& scope);
  void assign(const Target& target, Value value);
  void unpack(const Target& target, const Value& value);
  void write(std::string_view text);
  void write_text(const Value& value);

  // Loops and calls (interpreter_calls.cc).
  Flow execute_for(const ForStatement& loop);
  Flow run_loop(const ForStatement& statement, const Value& iterable, int depth0,
                Ref<Frame> closure);
  Flow run_iterations(const ForStatement& statement, const Ref<Iterator>& iterator, Loop* loop,
                      bool& finished_one);
  Value run_recursive_loop(const ForStatement& loop, const Value& iterable, int depth0,
                           Ref<Frame> closure);
  Ref<Iterator> filtered(const ForStatement& loop, const Value& iterable, Ref<Frame> closure);
  Value call(const Value& callee, CallArguments arguments);
  Value call_macro(const Macro& macro, CallArguments arguments);
  void bind_parameters(const MacroStatement& macro, CallArguments arguments, Frame& frame);
  void bind_special(const MacroStatement& macro, CallArguments& arguments, bool found_caller,
                    Frame& frame);
  void fill_defaults(const MacroStatement& macro);
  CallArguments evaluate_arguments(const Expression& call);
  void spread_list(const Value& list, CallArguments& arguments);
  void spread_dict(const Value& dict, CallArguments& arguments);

  // Expressions (interpreter_expressions.cc).
  Value evaluate(const Expression& expression);
  Value evaluate_name(const Expression& expression);
  Value evaluate_items(const Expression& expression);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_call(const Expression& expression);
  Value evaluate_native(const Expression& expression, const Value* block);
  Value evaluate_concatenation(const Expression& expression);
  Value evaluate_comparison(const Expression& expression);
  Value evaluate_conditional(const Expression& expression);
  bool compare(Comparison comparison, const Value& a, const Value& b);

  // Variables.
  Value& slot(const Slot& where);
  Value resolve(const std::string& name);
  Value to_value(const OrderedJson& json, int depth);

  Sandbox box_;  // first: everything below lives in its heap
  const Template& template_;
  const OrderedJson& variables_;
  Values constants_;
  std::unordered_map<std::string, Value> resolved_;
  Ref<Frame> frame_;
  std::string output_;
  size_t captured_ = 0;  // bytes of output_ charged to the heap; 0 for the real output
  bool capturing_ = false;
  int call_depth_ = 0;
};

class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  Value take();

 private:
  Interpreter& interpreter_;
  std::string outer_output_;
  size_t outer_captured_;
  bool outer_capturing_;
};

class Interpreter::FrameSwitch {
 public:
  FrameSwitch(Interpreter& interpreter, Ref<Frame> frame)
      : interpreter_(interpreter), outer_(std::exchange(interpreter.frame_, std::move(frame))) {}
  ~FrameSwitch() { interpreter_.frame_ = std::move(outer_); }
  FrameSwitch(const FrameSwitch&) = delete;
  FrameSwitch& operator=(const FrameSwitch&) = delete;

 private:
  Interpreter& interpreter_;
  Ref<Frame> outer_;
};

class Interpreter::CallLevel {
 public:
  explicit CallLevel(Interpreter& interpreter);
  ~CallLevel() { --interpreter_.call_depth_; }
  CallLevel(const CallLevel&) = delete;
  CallLevel& operator=(const CallLevel&) = delete;

 private:
  Interpreter& interpreter_;
};

}  // namespace minim::jinja
