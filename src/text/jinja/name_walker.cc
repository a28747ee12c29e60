#include "text/jinja/name_walker.h"

#include "base/error.h"

namespace minim::jinja {
namespace {

// Visits every name of a statement and of what is in it. `read`: a use; `write`: an assignment or
// (with is_parameter) a parameter's declaration.
class Walker {
 public:
  explicit Walker(Effort& effort) : effort_(effort) {}

  std::function<void(const std::string&)> read;
  std::function<void(const std::string&, int line, bool is_parameter)> write;

  void walk(const Block& block) {
    for (const auto& statement : block) walk(*statement);
  }

  void walk(const Expression* expression) {
    if (expression == nullptr) return;
    walk_names(*expression, [this](const std::string& name) {
      effort_.spend(2);
      read(name);
    });
  }

  void walk(const Target& target, bool is_parameter) {
    if (target.kind == TargetKind::kName) write(target.name, target.line, is_parameter);
    for (const Target& item : target.items) walk(item, is_parameter);
  }

  void walk(const Statement& statement) {
    effort_.spend(2);
    switch (statement.kind) {
      case StatementKind::kText:
      case StatementKind::kBreak:
      case StatementKind::kContinue: return;
      case StatementKind::kOutput:
        return walk(static_cast<const OutputStatement&>(statement).value.get());
      case StatementKind::kFor: return walk_for(static_cast<const ForStatement&>(statement));
      case StatementKind::kIf: return walk_if(static_cast<const IfStatement&>(statement));
      case StatementKind::kSet: {
        const auto& set = static_cast<const SetStatement&>(statement);
        walk(set.target, false);
        return walk(set.value.get());
      }
      case StatementKind::kSetBlock: {
        const auto& set = static_cast<const SetBlockStatement&>(statement);
        walk(set.target, false);
        walk(set.filter.get());
        return walk(set.body);
      }
      case StatementKind::kMacro:
      case StatementKind::kCallBlock:
      case StatementKind::kGeneration:
        return walk_macro(static_cast<const MacroStatement&>(statement));
      case StatementKind::kFilterBlock: {
        const auto& block = static_cast<const FilterBlockStatement&>(statement);
        walk(block.body);
        return walk(block.filter.get());
      }
      case StatementKind::kWith: {
        const auto& with = static_cast<const WithStatement&>(statement);
        for (const Target& target : with.targets) walk(target, true);
        for (const auto& value : with.values) walk(value.get());
        return walk(with.body);
      }
    }
  }

  void walk_for(const ForStatement& loop) {
    walk(loop.target, false);
    walk(loop.iterable.get());
    walk(loop.body);
    walk(loop.else_body);
    walk(loop.test.get());
  }

 private:
  void walk_if(const IfStatement& statement) {
    walk(statement.test.get());
    walk(statement.body);
    for (const auto& elif : statement.elifs) walk_if(*elif);
    walk(statement.else_body);
  }

  void walk_macro(const MacroStatement& macro) {
    walk(macro.call.get());
    for (const Target& parameter : macro.parameters) walk(parameter, true);
    for (const auto& value : macro.defaults) walk(value.get());
    walk(macro.body);
  }

  Effort& effort_;
};

}  // namespace

void walk_names(const Expression& expression,
                const std::function<void(const std::string&)>& visit) {
  if (expression.kind == ExpressionKind::kName) visit(expression.text);
  for (const auto& operand : expression.operands) {
    if (operand) walk_names(*operand, visit);
  }
  for (const Argument& argument : expression.arguments) walk_names(*argument.value, visit);
}

void Effort::fail() {
  throw Error(ErrorCode::kLimit,
              "chat template: its blocks are nested with too many names in them; simplify it");
}

std::set<std::string> find_undeclared(const Block& block, std::set<std::string> names,
                                      Effort& effort) {
  std::set<std::string> found;
  Walker walker(effort);
  walker.read = [&](const std::string& name) {
    if (names.contains(name)) found.insert(name);
  };
  walker.write = [&](const std::string& name, int, bool) { names.erase(name); };
  walker.walk(block);
  return found;
}

int find_assignment(const ForStatement& loop, const std::string& name, Effort& effort) {
  int line = 0;
  Walker walker(effort);
  walker.read = [](const std::string&) {};
  walker.write = [&](const std::string& written, int at, bool is_parameter) {
    if (line == 0 && !is_parameter && written == name) line = at;
  };
  walker.walk_for(loop);
  return line;
}

}  // namespace minim::jinja
