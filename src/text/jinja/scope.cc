#include "text/jinja/scope.h"

#include <fmt/core.h>

#include <map>
#include <set>

#include "base/error.h"
#include "text/jinja/lexer.h"
#include "text/jinja/name_walker.h"

namespace minim::jinja {
namespace {

// A function of the compiled template: one frame at run time.
struct FunctionInfo {
  explicit FunctionInfo(Effort& of) : effort(of) {}
  FunctionInfo(Effort& of, const FunctionInfo& enclosing) : effort(of), parent(&enclosing) {}

  Effort& effort;
  const FunctionInfo* parent = nullptr;
  std::map<std::pair<int, std::string>, int> slots;  // by the level and name of a variable

  int slot(int level, const std::string& name) {
    return slots.try_emplace({level, name}, static_cast<int>(slots.size())).first->second;
  }
};

struct Reference {
  const FunctionInfo* function = nullptr;
  int slot = -1;
};

// The variables of one scope. The branches of an {% if %} are laid over the scope they are in.
class Symbols {
 public:
  Symbols(FunctionInfo& function, Symbols* parent)
      : function_(function), parent_(parent), level_(parent == nullptr ? 0 : parent->level_ + 1) {}
  explicit Symbols(Symbols* base)
      : function_(base->function_), parent_(base->parent_), base_(base), level_(base->level_) {}

  FunctionInfo& function() const { return function_; }

  const Reference* find(const std::string& name) const {
    function_.effort.spend(2);
    for (const Symbols* scope = this; scope != nullptr; scope = scope->parent_) {
      if (const Reference* own = scope->find_own(name)) return own;
    }
    return nullptr;
  }

  void store(const std::string& name) {
    stores_.insert(name);
    if (find_own(name) != nullptr) return;
    const Reference* outer = parent_ == nullptr ? nullptr : parent_->find(name);
    define(name, outer == nullptr ? Load::Action::kUnset : Load::Action::kAlias, outer);
  }

  int declare_parameter(const std::string& name) {
    stores_.insert(name);
    return define(name, Load::Action::kParameter, nullptr);
  }

  void load(const std::string& name) {
    if (find(name) == nullptr) define(name, Load::Action::kResolve, nullptr);
  }

  // Takes in what the branches did: a variable that only some of them set keeps its outer value in
  // the others.
  void merge(const std::vector<const Symbols*>& branches) {
    std::set<std::string> stored;
    for (const Symbols* branch : branches) {
      const size_t entries = branch->stores_.size() + branch->references_.size();
      function_.effort.spend(24 * entries);  // each goes into several trees
      for (const std::string& name : branch->stores_) {
        if (!is_stored(name)) stored.insert(name);
      }
    }
    for (const Symbols* branch : branches) {
      for (const auto& [name, reference] : branch->references_) references_[name] = reference;
      for (const auto& [slot, load] : branch->loads_) loads_[slot] = load;
      stores_.insert(branch->stores_.begin(), branch->stores_.end());
    }
    for (const std::string& name : stored) {
      const Reference* outer = parent_ == nullptr ? nullptr : parent_->find(name);
      const auto action = outer == nullptr ? Load::Action::kResolve : Load::Action::kAlias;
      set_load(find(name)->slot, name, action, outer);
    }
  }

  Scope scope() const {
    Scope result;
    for (const auto& [slot, load] : loads_) result.loads.push_back(load);
    return result;
  }

  Slot slot_of(const Reference& reference) const {
    Slot slot{0, reference.slot};
    for (const FunctionInfo* at = &function_; at != reference.function; at = at->parent) ++slot.up;
    return slot;
  }

 private:
  const Reference* find_own(const std::string& name) const {
    for (const Symbols* layer = this; layer != nullptr; layer = layer->base_) {
      const auto found = layer->references_.find(name);
      if (found != layer->references_.end()) return &found->second;
    }
    return nullptr;
  }

  bool is_stored(const std::string& name) const {
    for (const Symbols* layer = this; layer != nullptr; layer = layer->base_) {
      if (layer->stores_.contains(name)) return true;
    }
    return false;
  }

  int define(const std::string& name, Load::Action action, const Reference* outer) {
    const int slot = function_.slot(level_, name);
    set_load(slot, name, action, outer);
    references_[name] = {&function_, slot};
    return slot;
  }

  void set_load(int slot, const std::string& name, Load::Action action, const Reference* outer) {
    Load load;
    load.action = action;
    load.target = slot;
    if (action == Load::Action::kResolve) load.name = name;
    if (outer != nullptr) load.source = slot_of(*outer);
    loads_[slot] = std::move(load);
  }

  FunctionInfo& function_;
  Symbols* const parent_;
  Symbols* const base_ = nullptr;
  const int level_;
  std::map<std::string, Reference> references_;
  std::map<int, Load> loads_;
  std::set<std::string> stores_;
};

// The first pass over a scope: which names are read and written in it, not in the scopes within.
class SymbolCollector {
 public:
  explicit SymbolCollector(Symbols& symbols) : symbols_(&symbols) {}

  void collect(const Block& block) {
    for (const auto& statement : block) collect(*statement);
  }

  void collect(const Expression* expression) {
    if (expression == nullptr) return;
    walk_names(*expression, [&](const std::string& name) { symbols_->load(name); });
  }

  void store(const Target& target) {
    if (target.kind == TargetKind::kName) symbols_->store(target.name);
    if (target.kind == TargetKind::kAttribute) symbols_->load(target.name);
    for (const Target& item : target.items) store(item);
  }

  void declare(const Target& target) {
    if (target.kind == TargetKind::kName) symbols_->declare_parameter(target.name);
    for (const Target& item : target.items) declare(item);
  }

 private:
  void collect(const Statement& statement) {
    switch (statement.kind) {
      case StatementKind::kText:
      case StatementKind::kBreak:
      case StatementKind::kContinue:
      case StatementKind::kGeneration: return;
      case StatementKind::kOutput:
        return collect(static_cast<const OutputStatement&>(statement).value.get());
      case StatementKind::kFor:
        return collect(static_cast<const ForStatement&>(statement).iterable.get());
      case StatementKind::kIf: return collect_if(static_cast<const IfStatement&>(statement));
      case StatementKind::kSet: {
        const auto& set = static_cast<const SetStatement&>(statement);
        collect(set.value.get());
        return store(set.target);
      }
      case StatementKind::kSetBlock:
        return store(static_cast<const SetBlockStatement&>(statement).target);
      case StatementKind::kMacro:
        return symbols_->store(static_cast<const MacroStatement&>(statement).name);
      case StatementKind::kCallBlock:
        return collect(static_cast<const MacroStatement&>(statement).call.get());
      case StatementKind::kFilterBlock:
        return collect(static_cast<const FilterBlockStatement&>(statement).filter.get());
      case StatementKind::kWith:
        for (const auto& value : static_cast<const WithStatement&>(statement).values) {
          collect(value.get());
        }
        return;
    }
  }

  void collect_if(const IfStatement& statement) {
    collect(statement.test.get());
    Symbols* const outer = symbols_;
    Symbols body(outer), elifs(outer), else_body(outer);
    symbols_ = &body;
    collect(statement.body);
    symbols_ = &elifs;
    for (const auto& elif : statement.elifs) collect_if(*elif);
    symbols_ = &else_body;
    collect(statement.else_body);
    symbols_ = outer;
    outer->merge({&body, &elifs, &else_body});
  }

  Symbols* symbols_;
};

// The second pass: slots for the names, scope by scope.
class Resolver {
 public:
  void resolve(Template& program) {
    FunctionInfo function(effort_);
    Symbols symbols(function, nullptr);
    SymbolCollector(symbols).collect(program.body);
    program.scope = symbols.scope();
    resolve(program.body, symbols);
    program.slot_count = static_cast<int>(function.slots.size());
  }

 private:
  void resolve(Block& block, Symbols& symbols) {
    for (const auto& statement : block) resolve(*statement, symbols);
  }

  void resolve(Statement& statement, Symbols& symbols) {
    switch (statement.kind) {
      case StatementKind::kText:
      case StatementKind::kBreak:
      case StatementKind::kContinue: return;
      case StatementKind::kOutput:
        return resolve(static_cast<OutputStatement&>(statement).value.get(), symbols);
      case StatementKind::kFor: return resolve_for(static_cast<ForStatement&>(statement), symbols);
      case StatementKind::kIf: return resolve_if(static_cast<IfStatement&>(statement), symbols);
      case StatementKind::kSet: {
        auto& set = static_cast<SetStatement&>(statement);
        resolve(set.value.get(), symbols);
        return resolve(set.target, symbols);
      }
      case StatementKind::kSetBlock:
        return resolve_set_block(static_cast<SetBlockStatement&>(statement), symbols);
      case StatementKind::kMacro:
      case StatementKind::kCallBlock:
      case StatementKind::kGeneration:
        return resolve_macro(static_cast<MacroStatement&>(statement), symbols);
      case StatementKind::kFilterBlock:
        return resolve_filter_block(static_cast<FilterBlockStatement&>(statement), symbols);
      case StatementKind::kWith:
        return resolve_with(static_cast<WithStatement&>(statement), symbols);
    }
  }

  void resolve(Expression* expression, Symbols& symbols) {
    if (expression == nullptr) return;
    if (expression->kind == ExpressionKind::kName) {
      expression->slot = symbols.slot_of(*symbols.find(expression->text));
    }
    const bool is_filter = expression->kind == ExpressionKind::kFilter;
    if ((is_filter || expression->kind == ExpressionKind::kTest) && expression->native == nullptr &&
        conditional_ == 0) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("chat template: line {}: the {} '{}' is not known", expression->line,
                              is_filter ? "filter" : "test", expression->text));
    }
    // What stands in a condition may never run, so it is only refused when it does.
    const bool guarded = expression->kind == ExpressionKind::kConditional;
    conditional_ += guarded;
    for (const auto& operand : expression->operands) resolve(operand.get(), symbols);
    for (const Argument& argument : expression->arguments) resolve(argument.value.get(), symbols);
    conditional_ -= guarded;
  }

  void resolve(Target& target, Symbols& symbols) {
    if (target.kind != TargetKind::kTuple) {
      target.slot = symbols.slot_of(*symbols.find(target.name));
    }
    for (Target& item : target.items) resolve(item, symbols);
  }

  void resolve_if(IfStatement& statement, Symbols& symbols) {
    ++conditional_;
    resolve(statement.test.get(), symbols);
    resolve(statement.body, symbols);
    for (const auto& elif : statement.elifs) resolve_if(*elif, symbols);
    resolve(statement.else_body, symbols);
    --conditional_;
  }

  void resolve_for(ForStatement& loop, Symbols& symbols) {
    const int outer_conditional = conditional_;
    resolve(loop.iterable.get(), symbols);
    conditional_ = 0;
    refuse_assignment_to_loop(loop);
    if (loop.test) resolve_loop_test(loop, symbols);

    FunctionInfo own(effort_, symbols.function());
    FunctionInfo& function = loop.recursive ? own : symbols.function();
    Symbols body(function, &symbols);
    loop.uses_loop =
        loop.recursive || find_undeclared(loop.body, {"loop"}, effort_).contains("loop");
    if (loop.uses_loop) loop.loop_slot = body.declare_parameter("loop");
    SymbolCollector collector(body);
    collector.declare(loop.target);
    collector.collect(loop.body);
    loop.scope = body.scope();
    resolve(loop.target, body);
    resolve(loop.body, body);

    Symbols else_body(function, &symbols);
    SymbolCollector(else_body).collect(loop.else_body);
    loop.else_scope = else_body.scope();
    resolve(loop.else_body, else_body);
    loop.slot_count = static_cast<int>(function.slots.size());
    conditional_ = outer_conditional;
  }

  void resolve_loop_test(ForStatement& loop, Symbols& symbols) {
    FunctionInfo function(effort_, symbols.function());
    Symbols test(function, &symbols);
    SymbolCollector collector(test);
    collector.declare(loop.target);
    collector.collect(loop.test.get());
    loop.test_scope = test.scope();
    loop.test_target = loop.target;
    resolve(loop.test_target, test);
    resolve(loop.test.get(), test);
    loop.test_slot_count = static_cast<int>(function.slots.size());
  }

  void refuse_assignment_to_loop(const ForStatement& loop) {
    const int line = find_assignment(loop, "loop", effort_);
    if (line > 0) fail_syntax(line, "'loop' cannot be assigned to inside a loop");
  }

  void resolve_set_block(SetBlockStatement& set, Symbols& symbols) {
    const int outer_conditional = std::exchange(conditional_, 0);
    Symbols inner(symbols.function(), &symbols);
    SymbolCollector collector(inner);
    collector.collect(set.body);
    collector.collect(set.filter.get());
    set.scope = inner.scope();
    resolve(set.body, inner);
    resolve(set.filter.get(), inner);
    resolve(set.target, symbols);
    conditional_ = outer_conditional;
  }

  void resolve_macro(MacroStatement& macro, Symbols& symbols) {
    const int outer_conditional = std::exchange(conditional_, 0);
    FunctionInfo function(effort_, symbols.function());
    Symbols inner(function, &symbols);
    SymbolCollector collector(inner);
    const auto asked = find_undeclared(macro.body, {"caller", "kwargs", "varargs"}, effort_);
    collect_parameters(macro, inner, collector, asked);
    for (const auto& value : macro.defaults) collector.collect(value.get());
    collector.collect(macro.body);
    macro.scope = inner.scope();
    for (Target& parameter : macro.parameters) resolve(parameter, inner);
    for (const auto& value : macro.defaults) resolve(value.get(), inner);
    resolve(macro.body, inner);
    macro.slot_count = static_cast<int>(function.slots.size());
    conditional_ = outer_conditional;
    if (macro.kind == StatementKind::kMacro) {
      macro.name_slot = symbols.slot_of(*symbols.find(macro.name));
    }
    resolve(macro.call.get(), symbols);
  }

  // The parameters, and the special variables that the body asks for without having declared them.
  static void collect_parameters(MacroStatement& macro, Symbols& symbols,
                                 SymbolCollector& collector, const std::set<std::string>& asked) {
    std::set<std::string> declared;
    for (const Target& parameter : macro.parameters) {
      collector.declare(parameter);
      declared.insert(parameter.name);
    }
    const auto wants = [&](const char* name) { return asked.contains(name); };
    if (wants("caller")) {
      if (!declared.contains("caller")) {
        macro.caller_slot = symbols.declare_parameter("caller");
      } else {
        refuse_plain_caller(macro);
      }
    }
    if (wants("kwargs") && !declared.contains("kwargs")) {
      macro.kwargs_slot = symbols.declare_parameter("kwargs");
    }
    if (wants("varargs") && !declared.contains("varargs")) {
      macro.varargs_slot = symbols.declare_parameter("varargs");
    }
  }

  static void refuse_plain_caller(const MacroStatement& macro) {
    const size_t plain = macro.parameters.size() - macro.defaults.size();
    for (size_t i = 0; i < plain; ++i) {
      if (macro.parameters[i].name == "caller") {
        fail_syntax(macro.line, "the special parameter 'caller' must have a default");
      }
    }
  }

  void resolve_filter_block(FilterBlockStatement& block, Symbols& symbols) {
    const int outer_conditional = std::exchange(conditional_, 0);
    Symbols inner(symbols.function(), &symbols);
    SymbolCollector collector(inner);
    collector.collect(block.body);
    collector.collect(block.filter.get());
    block.scope = inner.scope();
    resolve(block.body, inner);
    resolve(block.filter.get(), inner);
    conditional_ = outer_conditional;
  }

  void resolve_with(WithStatement& with, Symbols& symbols) {
    for (const auto& value : with.values) resolve(value.get(), symbols);
    const int outer_conditional = std::exchange(conditional_, 0);
    Symbols inner(symbols.function(), &symbols);
    SymbolCollector collector(inner);
    for (const Target& target : with.targets) collector.declare(target);
    collector.collect(with.body);
    with.scope = inner.scope();
    for (Target& target : with.targets) resolve(target, inner);
    resolve(with.body, inner);
    conditional_ = outer_conditional;
  }

  Effort effort_;
  int conditional_ = 0;  // conditions around this place in the same scope
};

}  // namespace

void resolve_variables(Template& program) { Resolver().resolve(program); }

}  // namespace minim::jinja
