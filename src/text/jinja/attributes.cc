// The attributes and methods of values, Python's names for them and its sandbox's refusals.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "text/jinja/iteration.h"
#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/syntax_tree.h"

namespace minim::jinja {
namespace {

// Words with spaces between.
bool is_word_of(std::string_view word, std::string_view list) {
  if (word.empty()) return false;
  for (size_t at = list.find(word); at != std::string_view::npos; at = list.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) return true;
  }
  return false;
}

Value dict_view(Sandbox& box, const Value& self, ViewKind what) {
  return box.make<View>(Kind::kView, self, what);
}

Value dict_keys(Sandbox& box, const Value& self, Values&) {
  return dict_view(box, self, ViewKind::kKeys);
}
Value dict_values(Sandbox& box, const Value& self, Values&) {
  return dict_view(box, self, ViewKind::kValues);
}
Value dict_items(Sandbox& box, const Value& self, Values&) {
  return dict_view(box, self, ViewKind::kItems);
}

Value dict_get(Sandbox& box, const Value& self, Values& arguments) {
  if (const Value* found = self.dict().find(box, arguments[0])) return *found;
  return arguments[1].is_missing() ? Value::none() : arguments[1];
}

Value dict_copy(Sandbox& box, const Value& self, Values&) {
  Value copy = box.make<Dict>(Kind::kDict);
  for (const Dict::Entry& entry : self.dict().entries) {
    copy.as<Dict>().set(box, entry.key, entry.value);
  }
  return copy;
}

Value list_copy(Sandbox& box, const Value& self, Values&) { return box.list(collect(box, self)); }

Value list_count(Sandbox& box, const Value& self, Values& arguments) {
  Int count = 0;
  for (const Value& item : self.items()) count += equal(box, item, arguments[0]);
  return Value(count);
}

Value list_index(Sandbox& box, const Value& self, Values& arguments) {
  const Values& items = self.items();
  const int64_t size = static_cast<int64_t>(items.size());
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (value.is_missing()) return otherwise;
    int64_t at = to_int64(box, value, "index()'s bound");
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t stop = bound(arguments[2], size);
  for (int64_t i = bound(arguments[1], 0); i < stop; ++i) {
    if (equal(box, items[static_cast<size_t>(i)], arguments[0])) return Value(Int(i));
  }
  box.fail("the value is not in the list");
}

Value float_is_integer(Sandbox&, const Value& self, Values&) {
  return Value(std::isfinite(self.real()) && self.real() == std::floor(self.real()));
}

Value int_bit_length(Sandbox&, const Value& self, Values&) {
  Int value = self.integer();
  Int bits = 0;
  for (; value != 0; value /= 2) ++bits;
  return Value(bits);
}

Value loop_cycle(Sandbox& box, const Value& self, Values& arguments) {
  const Values& items = arguments[0].items();
  if (items.empty()) box.fail("no items for cycling given");
  return items[self.as<Loop>().index0 % items.size()];
}

Value loop_changed(Sandbox& box, const Value& self, Values& arguments) {
  Loop& loop = self.as<Loop>();
  if (!loop.last_changed.is_missing() && equal(box, loop.last_changed, arguments[0])) {
    return Value(false);
  }
  loop.last_changed = arguments[0];
  return Value(true);
}

Value cycler_next(Sandbox&, const Value& self, Values&) {
  Cycler& cycler = self.as<Cycler>();
  const Value item = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return item;
}

Value cycler_reset(Sandbox&, const Value& self, Values&) {
  self.as<Cycler>().position = 0;
  return Value::none();
}

constexpr Native kDictMethods[] = {
    {"keys", "", dict_keys}, {"values", "", dict_values},        {"items", "", dict_items},
    {"copy", "", dict_copy}, {"get", "/key ?default", dict_get},
};
constexpr Native kListMethods[] = {
    {"copy", "", list_copy},
    {"count", "/value", list_count},
    {"index", "/value ?start ?stop", list_index},
};
constexpr Native kTupleMethods[] = {
    {"count", "/value", list_count},
    {"index", "/value ?start ?stop", list_index},
};
constexpr Native kFloatMethods[] = {{"is_integer", "", float_is_integer}};
constexpr Native kIntMethods[] = {{"bit_length", "", int_bit_length}};
constexpr Native kLoopMethods[] = {{"cycle", "*", loop_cycle}, {"changed", "*", loop_changed}};
constexpr Native kCyclerMethods[] = {{"next", "", cycler_next}, {"reset", "", cycler_reset}};

// What a type has, and what Python has besides: methods that change the value (a sandbox refuses
// them) and the rest, which is not written here.
struct TypeAttributes {
  std::span<const Native> methods;
  std::string_view mutators;
  std::string_view others;
};

TypeAttributes attributes_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kDict: return {kDictMethods, "clear pop popitem setdefault update", "fromkeys"};
    case Kind::kList:
      return {kListMethods, "append clear pop reverse insert sort extend remove", ""};
    case Kind::kTuple: return {kTupleMethods, "", ""};
    case Kind::kBool:
    case Kind::kInt:
      return {kIntMethods, "",
              "as_integer_ratio bit_count conjugate denominator from_bytes imag numerator real "
              "to_bytes"};
    case Kind::kFloat:
      return {kFloatMethods, "", "as_integer_ratio conjugate fromhex hex imag real"};
    case Kind::kRange: return {{}, "", "count index start step stop"};
    case Kind::kView: return {{}, "", "isdisjoint mapping"};
    case Kind::kIterator: return {{}, "", "close gi_running gi_suspended gi_yieldfrom send throw"};
    case Kind::kLoop: return {kLoopMethods, "", ""};
    case Kind::kCycler: return {kCyclerMethods, "", ""};
    default: return {};
  }
}

const Native* find_string_method(std::string_view name) {
  static const auto table = [] {
    std::unordered_map<std::string_view, const Native*> methods;
    for (const Native& native : string_methods()) methods.emplace(native.name, &native);
    for (const Native& native : string_search_methods()) methods.emplace(native.name, &native);
    return methods;
  }();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

Value loop_attribute(Sandbox& box, Loop& loop, std::string_view name) {
  const auto integer = [](size_t value) { return Value(static_cast<Int>(value)); };
  if (name == "index") return integer(loop.index0 + 1);
  if (name == "index0") return integer(loop.index0);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(!loop.peek(box));
  if (name == "length") return integer(loop.length(box));
  if (name == "revindex") return integer(loop.length(box) - loop.index0);
  if (name == "revindex0") return integer(loop.length(box) - loop.index0 - 1);
  if (name == "depth") return Value(Int(loop.depth0 + 1));
  if (name == "depth0") return Value(Int(loop.depth0));
  if (name == "previtem") {
    return loop.index0 == 0 ? box.undefined("there is no previous item") : loop.before;
  }
  if (name == "nextitem") {
    return loop.peek(box) ? loop.after : box.undefined("there is no next item");
  }
  return Value();
}

Value macro_attribute(Sandbox& box, const MacroStatement& macro, std::string_view name) {
  if (name == "name") return macro.name.empty() ? Value::none() : box.string(macro.name);
  if (name == "catch_kwargs") return Value(macro.kwargs_slot >= 0);
  if (name == "catch_varargs") return Value(macro.varargs_slot >= 0);
  if (name == "caller") return Value(macro.caller_slot >= 0);
  if (name != "arguments") return Value();
  Values names;
  for (const Target& parameter : macro.parameters) names.push_back(box.string(parameter.name));
  return box.tuple(std::move(names));
}

// Attributes that are values, not methods.
Value property(Sandbox& box, const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kNamespace: {
      box.step(value.as<Namespace>().attributes.size() / 8);
      const Value* found = value.as<Namespace>().find(name);
      return found == nullptr ? Value() : *found;
    }
    case Kind::kLoop: return loop_attribute(box, value.as<Loop>(), name);
    case Kind::kMacro: return macro_attribute(box, value.as<Macro>().definition, name);
    case Kind::kTuple:
      if (!value.sequence().is_group) return Value();
      if (name == "grouper") return value.items()[0];
      return name == "list" ? value.items()[1] : Value();
    case Kind::kCycler: {
      const Cycler& cycler = value.as<Cycler>();
      if (name == "current") return cycler.items[cycler.position];
      if (name == "items") return box.tuple(cycler.items);
      return name == "pos" ? Value(static_cast<Int>(cycler.position)) : Value();
    }
    case Kind::kJoiner:
      if (name == "sep") return value.as<Joiner>().separator;
      return name == "used" ? Value(value.as<Joiner>().used) : Value();
    default: return Value();
  }
}

// Every Python object has these; a sandbox hands out none.
bool is_internal(std::string_view name) {
  constexpr std::string_view kInternal =
      "__class__ __delattr__ __dict__ __dir__ __doc__ __eq__ __format__ __ge__ __getattribute__ "
      "__getstate__ __gt__ __hash__ __init__ __init_subclass__ __le__ __lt__ __module__ __ne__ "
      "__new__ __reduce__ __reduce_ex__ __repr__ __setattr__ __sizeof__ __str__ "
      "__subclasshook__ __globals__ __builtins__ __code__ __call__ __getitem__ __len__ __iter__ "
      "__contains__ __add__ __mul__ __mod__";
  return name.starts_with("__") && is_word_of(name, kInternal);
}

}  // namespace

Value find_attribute(Sandbox& box, const Value& value, std::string_view name) {
  const auto refused = [&] {
    return box.undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(value)),
        true);
  };
  if (value.is(Kind::kNamespace)) return property(box, value, name);
  if (is_internal(name)) return refused();
  if (value.is_string()) {
    if (const Native* method = find_string_method(name)) {
      return box.make<Function>(Kind::kFunction, *method, value);
    }
    if (is_word_of(name, "encode isidentifier isprintable maketrans translate")) {
      box.unsupported(fmt::format("the string method '{}'", name));
    }
    return Value();
  }
  const TypeAttributes attributes = attributes_of(value);
  for (const Native& method : attributes.methods) {
    if (method.name == name) return box.make<Function>(Kind::kFunction, method, value);
  }
  Value found = property(box, value, name);
  if (!found.is_missing()) return found;
  if (is_word_of(name, attributes.mutators)) return refused();
  if (is_word_of(name, attributes.others)) {
    box.unsupported(fmt::format("the attribute '{}' of '{}'", name, type_name(value)));
  }
  return Value();
}

}  // namespace minim::jinja
