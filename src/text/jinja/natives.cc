#include "text/jinja/natives.h"

#include <fmt/core.h>

#include <unordered_map>

#include "text/jinja/operators.h"

namespace minim::jinja {

namespace {

using Table = std::unordered_map<std::string_view, const Native*>;

Table make_table(std::initializer_list<std::span<const Native>> parts) {
  Table table;
  for (const auto& part : parts) {
    for (const Native& native : part) table.emplace(native.name, &native);
  }
  return table;
}

const Native* find_in(const Table& table, std::string_view name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

// Takes the words of Native::parameters one by one.
class ParameterReader {
 public:
  explicit ParameterReader(std::string_view text) : rest_(text) {
    if (rest_.starts_with('/')) {
      by_name_ = false;
      rest_.remove_prefix(1);
    }
  }
  bool next() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    if (rest_.empty()) return false;
    name_ = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(name_.size());
    optional_ = name_.starts_with('?');
    if (optional_) name_.remove_prefix(1);
    return true;
  }
  std::string_view name() const { return name_; }
  bool optional() const { return optional_; }
  bool by_name() const { return by_name_; }

 private:
  std::string_view rest_, name_;
  bool optional_ = false;
  bool by_name_ = true;
};

class Binder {
 public:
  Binder(Sandbox& box, const Native& native, CallArguments& arguments)
      : box_(box), native_(native), arguments_(arguments) {}

  Values bind() {
    Values bound;
    for (ParameterReader parameter(native_.parameters); parameter.next();) {
      if (parameter.name() == "*") {
        bound.push_back(rest_of_positional());
      } else if (parameter.name() == "**") {
        bound.push_back(rest_of_named());
      } else {
        bound.push_back(one(parameter));
      }
    }
    if (taken_ < arguments_.positional.size()) {
      box_.fail(fmt::format("{}() takes {} argument(s), got {}", native_.name, taken_,
                            arguments_.positional.size()));
    }
    if (!arguments_.named.empty()) {
      box_.fail(fmt::format("{}() got an unexpected keyword argument '{}'", native_.name,
                            arguments_.named[0].first));
    }
    return bound;
  }

 private:
  Value one(const ParameterReader& parameter) {
    auto& named = arguments_.named;
    size_t at = 0;
    while (at < named.size() && (!parameter.by_name() || named[at].first != parameter.name())) {
      ++at;
    }
    if (taken_ < arguments_.positional.size()) {
      if (at < named.size()) {
        box_.fail(fmt::format("{}() got multiple values for argument '{}'", native_.name,
                              parameter.name()));
      }
      return arguments_.positional[taken_++];
    }
    if (at < named.size()) {
      Value value = std::move(named[at].second);
      named.erase(named.begin() + static_cast<ptrdiff_t>(at));
      return value;
    }
    if (!parameter.optional()) {
      box_.fail(fmt::format("{}() missing the argument '{}'", native_.name, parameter.name()));
    }
    return Value();
  }

  Value rest_of_positional() {
    Values rest(arguments_.positional.begin() + static_cast<ptrdiff_t>(taken_),
                arguments_.positional.end());
    taken_ = arguments_.positional.size();
    return box_.tuple(std::move(rest));
  }

  Value rest_of_named() {
    Value rest = box_.make<Dict>(Kind::kDict);
    for (auto& [name, value] : arguments_.named) {
      rest.as<Dict>().set(box_, box_.string(name), std::move(value));
    }
    arguments_.named.clear();
    return rest;
  }

  Sandbox& box_;
  const Native& native_;
  CallArguments& arguments_;
  size_t taken_ = 0;
};

const Native& by_computed_name(Sandbox& box, const Value& name, const char* what,
                               const Native* (*find)(std::string_view)) {
  if (name.is_undefined()) fail_undefined(box, name);
  if (!name.is_string()) box.fail(fmt::format("the name of a {} must be a string", what));
  box.work(name.text().size());
  const Native* native = find(name.text());
  if (native == nullptr) {
    box.unsupported(fmt::format("the {} '{}' is not known", what, name.text()));
  }
  return *native;
}

}  // namespace

Value call_native(Sandbox& box, const Native& native, const Value& self, CallArguments arguments) {
  box.step(1 + arguments.positional.size() + arguments.named.size());
  Values bound = Binder(box, native, arguments).bind();
  return native.call(box, self, bound);
}

const Native* find_filter(std::string_view name) {
  static const Table table =
      make_table({text_filters(), number_filters(), sequence_filters(), selection_filters()});
  return find_in(table, name);
}

const Native* find_test(std::string_view name) {
  static const Table table = make_table({all_tests()});
  return find_in(table, name);
}

const Native* find_global(std::string_view name) {
  static const Table table = make_table({all_globals()});
  return find_in(table, name);
}

Value call_filter(Sandbox& box, const Value& name, const Value& input, CallArguments arguments) {
  const Sandbox::Level level(box);
  return call_native(box, by_computed_name(box, name, "filter", find_filter), input,
                     std::move(arguments));
}

bool call_test(Sandbox& box, const Value& name, const Value& subject, CallArguments arguments) {
  const Sandbox::Level level(box);
  return truth(call_native(box, by_computed_name(box, name, "test", find_test), subject,
                           std::move(arguments)));
}

}  // namespace minim::jinja
