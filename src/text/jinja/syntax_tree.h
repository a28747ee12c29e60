// A parsed template: statements, expressions, and the variables' places that scope.h works out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/jinja/operators.h"
#include "text/jinja/value.h"

namespace minim::jinja {

// Where a variable lives: `up` functions out from the one that runs, slot `index` of its frame.
struct Slot {
  int up = 0;
  int index = -1;
};

using Literal = std::variant<std::monostate, bool, Int, double, std::string>;  // monostate: none

enum class ExpressionKind : uint8_t {
  kConstant,     // constant
  kName,         // text, slot
  kTuple,        // operands
  kList,         // operands
  kDict,         // operands: key, value, key, value, ...
  kAttribute,    // operands[0].text
  kItem,         // operands[0][operands[1]]
  kSlice,        // operands[0][operands[1]:operands[2]:operands[3]], the last three may be null
  kCall,         // operands[0](arguments)
  kFilter,       // operands[0] | text(arguments); null for the block of {% filter %}
  kTest,         // operands[0] is text(arguments)
  kNot,          // operands[0]
  kNegate,       // operands[0]
  kPlus,         // operands[0]
  kAnd,          // operands[0], operands[1]
  kOr,           // operands[0], operands[1]
  kBinary,       // operands[0] operation operands[1]
  kConcatenate,  // operands[0] ~ operands[1] ~ ...
  kCompare,      // operands[0] comparisons[0] operands[1] comparisons[1] ...
  kConditional,  // operands[1] if operands[0] else operands[2], which may be null
};

enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

enum class ArgumentKind : uint8_t { kPositional, kNamed, kStar, kDoubleStar };

struct Argument {
  ArgumentKind kind = ArgumentKind::kPositional;
  std::string name;
  ExpressionPointer value;
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  Binary operation = Binary::kAdd;
  int line = 0;
  int depth = 1;  // of the tree below, this node included
  int constant = -1;
  Slot slot;
  std::string text;
  const Native* native = nullptr;  // the filter or test, if it is known
  std::vector<ExpressionPointer> operands;
  std::vector<Comparison> comparisons;
  std::vector<Argument> arguments;
};

enum class TargetKind : uint8_t { kName, kTuple, kAttribute };

// What is assigned to: a name, a tuple of targets, an attribute of a namespace.
struct Target {
  TargetKind kind = TargetKind::kName;
  int line = 0;
  std::string name;
  std::string attribute;
  Slot slot;
  std::vector<Target> items;
};

// What entering a scope does to one variable of the running function.
struct Load {
  enum class Action : uint8_t { kResolve, kAlias, kUnset, kParameter };
  Action action = Action::kUnset;
  int target = -1;
  Slot source;       // kAlias
  std::string name;  // kResolve: looked up among the caller's variables and the globals
};

struct Scope {
  std::vector<Load> loads;
};

enum class StatementKind : uint8_t {
  kText,
  kOutput,
  kFor,
  kIf,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kGeneration,
  kFilterBlock,
  kWith,
  kBreak,
  kContinue,
};

struct Statement {
  Statement(StatementKind of, int at) : kind(of), line(at) {}
  virtual ~Statement() = default;
  const StatementKind kind;
  const int line;
};

using Block = std::vector<std::unique_ptr<Statement>>;

struct TextStatement : Statement {
  using Statement::Statement;
  std::string text;
};

struct OutputStatement : Statement {
  using Statement::Statement;
  ExpressionPointer value;
};

struct ForStatement : Statement {
  using Statement::Statement;
  Target target;
  ExpressionPointer iterable;
  ExpressionPointer test;  // may be null
  Block body, else_body;
  bool recursive = false;
  bool uses_loop = false;  // the variable `loop` is needed
  int loop_slot = -1;
  Scope scope, else_scope;
  int slot_count = 0;  // recursive: the body is a function of its own
  Target test_target;  // the target as the function of `test` sees it
  Scope test_scope;
  int test_slot_count = 0;
};

struct IfStatement : Statement {
  using Statement::Statement;
  ExpressionPointer test;
  Block body;
  std::vector<std::unique_ptr<IfStatement>> elifs;  // test and body only
  Block else_body;
};

struct SetStatement : Statement {
  using Statement::Statement;
  Target target;
  ExpressionPointer value;
};

struct SetBlockStatement : Statement {
  using Statement::Statement;
  Target target;
  ExpressionPointer filter;  // may be null
  Block body;
  Scope scope;
};

// A macro; the body of {% call %}; the body of {% generation %}.
struct MacroStatement : Statement {
  using Statement::Statement;
  std::string name;  // empty for the latter two
  Slot name_slot;
  std::vector<Target> parameters;
  std::vector<ExpressionPointer> defaults;  // of the last parameters
  Block body;
  ExpressionPointer call;  // {% call %}
  Scope scope;
  int slot_count = 0;
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1;  // those that the body asks for
};

struct FilterBlockStatement : Statement {
  using Statement::Statement;
  ExpressionPointer filter;
  Block body;
  Scope scope;
};

struct WithStatement : Statement {
  using Statement::Statement;
  std::vector<Target> targets;
  std::vector<ExpressionPointer> values;
  Block body;
  Scope scope;
};

struct Template {
  Block body;
  Scope scope;
  int slot_count = 0;
  std::vector<Literal> constants;
};

}  // namespace minim::jinja
