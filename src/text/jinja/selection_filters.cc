// Filters that apply a filter or a test to each item: map, select, reject and their like.
#include <fmt/core.h>

#include "text/jinja/item_getter.h"
#include "text/jinja/iteration.h"
#include "text/jinja/natives.h"

namespace minim::jinja {
namespace {

// The arguments after the first `skip`, for the filter or test that is applied.
CallArguments remaining(const Value& positional, const Value& named, size_t skip) {
  CallArguments arguments;
  for (size_t i = skip; i < positional.items().size(); ++i) {
    arguments.positional.push_back(positional.items()[i]);
  }
  for (const Dict::Entry& entry : named.dict().entries) {
    arguments.named.emplace_back(entry.key.text(), entry.value);
  }
  return arguments;
}

const Producer kNothing = [](Sandbox&, Value&) { return false; };

Producer map_attribute(Sandbox& box, const Value& self, const Value& named) {
  for (const Dict::Entry& entry : named.dict().entries) {
    if (entry.key.text() != "attribute" && entry.key.text() != "default") {
      box.fail(fmt::format("Unexpected keyword argument '{}'", entry.key.text()));
    }
  }
  ItemGetter getter(box, *named.dict().find("attribute"));
  if (const Value* otherwise = named.dict().find("default")) getter.set_default(*otherwise);
  const Value source = to_value(iterate(box, self));
  return [=](Sandbox& sandbox, Value& item) {
    if (!source.as<Iterator>().next(sandbox, item)) return false;
    item = getter.get(sandbox, item);
    return true;
  };
}

Producer start_map(Sandbox& box, const Value& self, const Value& positional, const Value& named) {
  if (!truth(self)) return kNothing;
  if (positional.items().empty() && named.dict().find("attribute") != nullptr) {
    return map_attribute(box, self, named);
  }
  if (positional.items().empty()) box.fail("map requires a filter argument");
  const Value name = positional.items()[0];
  const Value source = to_value(iterate(box, self));
  return [=](Sandbox& sandbox, Value& item) {
    if (!source.as<Iterator>().next(sandbox, item)) return false;
    item = call_filter(sandbox, name, item, remaining(positional, named, 1));
    return true;
  };
}

Value map(Sandbox& box, const Value& self, Values& arguments) {
  return generator_from(box,
                        [self, positional = arguments[0], named = arguments[1]](Sandbox& sandbox) {
                          return start_map(sandbox, self, positional, named);
                        });
}

template <bool kKeep, bool kByAttribute>
Producer start_choice(Sandbox& box, const Value& self, const Value& positional,
                      const Value& named) {
  if (!truth(self)) return kNothing;
  constexpr size_t kTest = kByAttribute ? 1 : 0;
  const size_t given = positional.items().size();
  if (given < kTest) box.fail("Missing parameter for attribute name");
  const ItemGetter getter(box, kByAttribute ? positional.items()[0] : Value());
  const Value source = to_value(iterate(box, self));
  return [=](Sandbox& sandbox, Value& item) {
    while (source.as<Iterator>().next(sandbox, item)) {
      const Value subject = getter.get(sandbox, item);
      const bool passes = given > kTest ? call_test(sandbox, positional.items()[kTest], subject,
                                                    remaining(positional, named, kTest + 1))
                                        : truth(subject);
      if (passes == kKeep) return true;
    }
    return false;
  };
}

template <bool kKeep, bool kByAttribute>
Value choose(Sandbox& box, const Value& self, Values& arguments) {
  return generator_from(
      box, [self, positional = arguments[0], named = arguments[1]](Sandbox& sandbox) {
        return start_choice<kKeep, kByAttribute>(sandbox, self, positional, named);
      });
}

constexpr Native kSelectionFilters[] = {
    {"map", "* **", map},
    {"select", "* **", choose<true, false>},
    {"reject", "* **", choose<false, false>},
    {"selectattr", "* **", choose<true, true>},
    {"rejectattr", "* **", choose<false, true>},
};

}  // namespace

std::span<const Native> selection_filters() { return kSelectionFilters; }

}  // namespace minim::jinja
