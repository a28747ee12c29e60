// Filters on sequences as wholes: taking apart, ordering, adding up.
#include <fmt/core.h>

#include <algorithm>

#include "text/jinja/item_getter.h"
#include "text/jinja/iteration.h"
#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace minim::jinja {
namespace {

bool flag(const Value& argument) { return !argument.is_missing() && truth(argument); }

Value length(Sandbox& box, const Value& self, Values&) {
  if (self.is(Kind::kLoop)) return Value(static_cast<Int>(self.as<Loop>().length(box)));
  const auto count = length_of(self);
  if (!count) box.fail(fmt::format("object of type '{}' has no len()", type_name(self)));
  return Value(static_cast<Int>(*count));
}

Value default_value(Sandbox& box, const Value& self, Values& arguments) {
  if (!self.is_undefined() && !(flag(arguments[1]) && !truth(self))) return self;
  return arguments[0].is_missing() ? box.string("") : arguments[0];
}

Value first(Sandbox& box, const Value& self, Values&) {
  Value item;
  if (iterate(box, self)->next(box, item)) return item;
  return box.undefined("No first item, sequence was empty.");
}

Value last(Sandbox& box, const Value& self, Values&) {
  const Ref<Iterator> iterator = try_iterate_backwards(box, self);
  if (!iterator) box.fail(fmt::format("'{}' object is not reversible", type_name(self)));
  Value item;
  if (iterator->next(box, item)) return item;
  return box.undefined("No last item, sequence was empty.");
}

Value to_list(Sandbox& box, const Value& self, Values&) { return box.list(collect(box, self)); }

Value reverse(Sandbox& box, const Value& self, Values&) {
  if (self.is_string()) {
    return get_slice(box, self, Value::none(), Value::none(), Value(Int(-1)));
  }
  if (const Ref<Iterator> iterator = try_iterate_backwards(box, self)) return to_value(iterator);
  if (!is_iterable(self)) box.fail("argument must be iterable");
  Values items = collect(box, self);
  std::reverse(items.begin(), items.end());
  return box.list(std::move(items));
}

Value join(Sandbox& box, const Value& self, Values& arguments) {
  const std::string separator = arguments[0].is_missing() ? "" : to_text(box, arguments[0]);
  const ItemGetter getter(box, arguments[1]);
  const Ref<Iterator> iterator = iterate(box, self);
  TextBuilder out(box);
  Value item;
  for (bool is_first = true; iterator->next(box, item); is_first = false) {
    if (!is_first) out.append(separator);
    out.append(to_text(box, getter.get(box, item)));
  }
  return out.take_value();
}

struct Keyed {
  Values keys;
  Value item;
};

// How keys are compared: one by one with <, or as lists, which skip what is equal.
enum class Keys { kSingle, kList };

// Stable, as Python's sorted(), in either direction.
void sort_keyed(Sandbox& box, std::vector<Keyed>& items, Keys keys, bool descending) {
  const auto before = [&](const Keyed& a, const Keyed& b) {
    box.step();
    if (keys == Keys::kSingle) return less(box, a.keys[0], b.keys[0]);
    for (size_t i = 0; i < a.keys.size(); ++i) {
      if (!equal(box, a.keys[i], b.keys[i])) return less(box, a.keys[i], b.keys[i]);
    }
    return false;
  };
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return descending ? before(b, a) : before(a, b);
  });
}

std::vector<Keyed> with_keys(Sandbox& box, const Value& self,
                             const std::vector<ItemGetter>& getters, bool case_sensitive) {
  Values items = collect(box, self);
  box.heap().require(items.size() * (sizeof(Keyed) + getters.size() * sizeof(Value)));
  std::vector<Keyed> keyed;
  keyed.reserve(items.size());
  for (Value& item : items) {
    Keyed entry;
    for (const ItemGetter& getter : getters) {
      entry.keys.push_back(sort_key(box, getter.get(box, item), case_sensitive));
    }
    entry.item = std::move(item);
    keyed.push_back(std::move(entry));
  }
  return keyed;
}

// "a,b" sorts by a, then by b.
std::vector<ItemGetter> sort_getters(Sandbox& box, const Value& attribute) {
  std::vector<ItemGetter> getters;
  if (!attribute.is_string()) {
    getters.emplace_back(box, attribute);
    return getters;
  }
  std::string_view rest = attribute.text();
  for (;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    getters.emplace_back(box, box.string(std::string(rest.substr(0, comma))));
    if (comma == rest.size()) return getters;
    rest.remove_prefix(comma + 1);
  }
}

Value sort(Sandbox& box, const Value& self, Values& arguments) {
  const std::vector<ItemGetter> getters = sort_getters(box, arguments[2]);
  std::vector<Keyed> keyed = with_keys(box, self, getters, flag(arguments[1]));
  sort_keyed(box, keyed, Keys::kList, flag(arguments[0]));
  Values items;
  items.reserve(keyed.size());
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return box.list(std::move(items));
}

Value dict_sort(Sandbox& box, const Value& self, Values& arguments) {
  if (self.is_undefined()) fail_undefined(box, self);
  if (!self.is_dict()) box.fail("dictsort takes a mapping");
  const std::string_view by = arguments[1].is_missing()  ? "key"
                              : arguments[1].is_string() ? arguments[1].text()
                                                         : "";
  if (by != "key" && by != "value") {
    box.fail("You can only sort by either \"key\" or \"value\"");
  }
  std::vector<Keyed> keyed;
  for (const Dict::Entry& entry : self.dict().entries) {
    const Value& key = by == "key" ? entry.key : entry.value;
    keyed.push_back(
        {{sort_key(box, key, flag(arguments[0]))}, box.tuple({entry.key, entry.value})});
  }
  sort_keyed(box, keyed, Keys::kSingle, flag(arguments[2]));
  Values items;
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return box.list(std::move(items));
}

template <bool kLargest>
Value extreme(Sandbox& box, const Value& self, Values& arguments) {
  const ItemGetter getter(box, arguments[1]);
  const bool case_sensitive = flag(arguments[0]);
  const Ref<Iterator> iterator = iterate(box, self);
  Value best, best_key, item;
  while (iterator->next(box, item)) {
    Value key = sort_key(box, getter.get(box, item), case_sensitive);
    const Order order = kLargest ? Order::kGreater : Order::kLess;
    if (best.is_missing() || ordered(box, order, key, best_key)) {
      best = std::move(item);
      best_key = std::move(key);
    }
  }
  return best.is_missing() ? box.undefined("No aggregated item, sequence was empty.") : best;
}

Value sum(Sandbox& box, const Value& self, Values& arguments) {
  const ItemGetter getter(box, arguments[0]);
  Value total = arguments[1].is_missing() ? Value(Int(0)) : arguments[1];
  if (total.is_string()) box.fail("sum() can't sum strings [use ''.join(seq) instead]");
  const Ref<Iterator> iterator = iterate(box, self);
  Value item;
  while (iterator->next(box, item)) {
    total = apply(box, Binary::kAdd, total, getter.get(box, item));
  }
  return total;
}

Value unique(Sandbox& box, const Value& self, Values& arguments) {
  const bool case_sensitive = flag(arguments[0]);
  const Value attribute_name = arguments[1];
  return generator_from(box, [=](Sandbox& start) -> Producer {
    const Value source = to_value(iterate(start, self));
    const Value seen = start.make<Dict>(Kind::kDict);
    const ItemGetter getter(start, attribute_name);
    return [=](Sandbox& sandbox, Value& item) {
      while (source.as<Iterator>().next(sandbox, item)) {
        const Value key = sort_key(sandbox, getter.get(sandbox, item), case_sensitive);
        if (seen.dict().find(sandbox, key) != nullptr) continue;
        seen.as<Dict>().set(sandbox, key, Value::none());
        return true;
      }
      return false;
    };
  });
}

Value group_by(Sandbox& box, const Value& self, Values& arguments) {
  const bool case_sensitive = flag(arguments[2]);
  std::vector<ItemGetter> getters;
  getters.emplace_back(box, arguments[0]);
  getters[0].set_default(arguments[1]);
  std::vector<Keyed> keyed = with_keys(box, self, getters, case_sensitive);
  sort_keyed(box, keyed, Keys::kSingle, false);
  Values groups;
  for (size_t begin = 0; begin < keyed.size();) {
    size_t end = begin;
    Values members;
    while (end < keyed.size() && equal(box, keyed[end].keys[0], keyed[begin].keys[0])) {
      members.push_back(std::move(keyed[end++].item));
    }
    if (members.empty()) break;  // a NaN does not equal itself
    // The first member's own key, not its lower case.
    Value key = case_sensitive ? keyed[begin].keys[0] : getters[0].get(box, members[0]);
    Value group = box.tuple({std::move(key), box.list(std::move(members))});
    group.as<Sequence>().is_group = true;
    groups.push_back(std::move(group));
    begin = end;
  }
  return box.list(std::move(groups));
}

Producer start_batches(Sandbox& box, const Value& self, const Value& count, const Value& fill) {
  const Value source = to_value(iterate(box, self));
  const int64_t size = to_int64(box, count, "batch's size");
  Value ahead;  // an item that did not fit into the batch before
  return [=](Sandbox& sandbox, Value& result) mutable {
    Values items;
    if (!ahead.is_missing()) items.push_back(std::exchange(ahead, Value()));
    Value item;
    while (source.as<Iterator>().next(sandbox, item)) {
      if (static_cast<int64_t>(items.size()) == size) {
        ahead = std::move(item);
        result = sandbox.list(std::move(items));
        return true;
      }
      items.push_back(std::move(item));
    }
    if (items.empty()) return false;
    const bool fills = !fill.is_missing() && !fill.is_none();
    if (fills && size > static_cast<int64_t>(items.size())) {
      sandbox.heap().require(static_cast<size_t>(size) * sizeof(Value));
      items.resize(static_cast<size_t>(size), fill);
    }
    result = sandbox.list(std::move(items));
    return true;
  };
}

Value batch(Sandbox& box, const Value& self, Values& arguments) {
  return generator_from(box, [self, count = arguments[0], fill = arguments[1]](Sandbox& sandbox) {
    return start_batches(sandbox, self, count, fill);
  });
}

Producer start_slices(Sandbox& box, const Value& self, const Value& parts, const Value& fill) {
  const Value all = box.list(collect(box, self));
  const int64_t slices = to_int64(box, parts, "slice's count");
  if (slices == 0) box.fail("integer division or modulo by zero");
  int64_t number = 0;
  return [=](Sandbox& sandbox, Value& result) mutable {
    if (number >= slices) return false;
    const Values& items = all.items();
    const int64_t count = static_cast<int64_t>(items.size());
    const int64_t each = count / slices;
    const int64_t with_extra = count % slices;
    const int64_t begin = number * each + std::min(number, with_extra);
    const int64_t end = begin + each + (number < with_extra);
    Values part(items.begin() + begin, items.begin() + end);
    const bool fills = !fill.is_missing() && !fill.is_none();
    if (fills && number >= with_extra) part.push_back(fill);
    ++number;
    result = sandbox.list(std::move(part));
    return true;
  };
}

Value slice(Sandbox& box, const Value& self, Values& arguments) {
  return generator_from(box, [self, parts = arguments[0], fill = arguments[1]](Sandbox& sandbox) {
    return start_slices(sandbox, self, parts, fill);
  });
}

Value items_filter(Sandbox& box, const Value& self, Values&) {
  return generator_from(box, [self](Sandbox& start) -> Producer {
    if (self.is_undefined()) return [](Sandbox&, Value&) { return false; };
    if (!self.is_dict()) start.fail("Can only get item pairs from a mapping.");
    const Value view = start.make<View>(Kind::kView, self, ViewKind::kItems);
    const Value source = to_value(iterate(start, view));
    return [source](Sandbox& sandbox, Value& item) {
      return source.as<Iterator>().next(sandbox, item);
    };
  });
}

Value attribute(Sandbox& box, const Value& self, Values& arguments) {
  if (self.is_undefined()) fail_undefined(box, self);
  if (!arguments[0].is_string()) box.fail("attribute name must be string");
  Value found = find_attribute(box, self, arguments[0].text());
  if (!found.is_missing()) return found;
  return box.undefined(
      fmt::format("'{} object' has no attribute '{}'", type_name(self), arguments[0].text()));
}

constexpr Native kSequenceFilters[] = {
    {"length", "", length},
    {"count", "", length},
    {"default", "?default_value ?boolean", default_value},
    {"d", "?default_value ?boolean", default_value},
    {"first", "", first},
    {"last", "", last},
    {"list", "", to_list},
    {"reverse", "", reverse},
    {"join", "?d ?attribute", join},
    {"sort", "?reverse ?case_sensitive ?attribute", sort},
    {"dictsort", "?case_sensitive ?by ?reverse", dict_sort},
    {"min", "?case_sensitive ?attribute", extreme<false>},
    {"max", "?case_sensitive ?attribute", extreme<true>},
    {"sum", "?attribute ?start", sum},
    {"unique", "?case_sensitive ?attribute", unique},
    {"groupby", "attribute ?default ?case_sensitive", group_by},
    {"batch", "linecount ?fill_with", batch},
    {"slice", "slices ?fill_with", slice},
    {"items", "", items_filter},
    {"attr", "name", attribute},
};

}  // namespace

std::span<const Native> sequence_filters() { return kSequenceFilters; }

}  // namespace minim::jinja
