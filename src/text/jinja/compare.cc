// Equality, order, membership and hashing, as Python defines them between its own types.
#include <fmt/core.h>

#include <cmath>
#include <compare>
#include <functional>

#include "text/jinja/iteration.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_search.h"

namespace minim::jinja {
namespace {

using Ordering = std::partial_ordering;

Ordering compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    const Int x = a.integer(), y = b.integer();
    return x < y ? Ordering::less : x > y ? Ordering::greater : Ordering::equivalent;
  }
  // long double holds every double and every 64-bit integer exactly.
  const auto wide = [](const Value& value) {
    return value.is(Kind::kFloat) ? static_cast<long double>(value.real())
                                  : static_cast<long double>(value.integer());
  };
  return wide(a) <=> wide(b);
}

bool equal_items(Sandbox& box, const Values& a, const Values& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!equal(box, a[i], b[i])) return false;
  }
  return true;
}

bool equal_dicts(Sandbox& box, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const Dict::Entry& entry : a.entries) {
    const Value* other = b.find(box, entry.key);
    if (other == nullptr || !equal(box, entry.value, *other)) return false;
  }
  return true;
}

bool equal_ranges(const Range& a, const Range& b) {
  if (a.count != b.count) return false;
  return a.count == 0 || (a.start == b.start && (a.count == 1 || a.step == b.step));
}

const char* symbol(Order order) {
  switch (order) {
    case Order::kLess: return "<";
    case Order::kLessEqual: return "<=";
    case Order::kGreater: return ">";
    case Order::kGreaterEqual: return ">=";
  }
  return "?";
}

Ordering compare(Sandbox& box, Order order, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is_string() && b.is_string()) {
    box.work(std::min(a.text().size(), b.text().size()));
    return a.text().compare(b.text()) <=> 0;  // bytes of UTF-8 order as code points do
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    const Sandbox::Level level(box);
    const Values& x = a.items();
    const Values& y = b.items();
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(box, x[i], y[i])) return compare(box, order, x[i], y[i]);
    }
    return x.size() <=> y.size();
  }
  if (a.is_undefined()) fail_undefined(box, a);
  if (b.is_undefined()) fail_undefined(box, b);
  box.fail(fmt::format("'{}' not supported between instances of '{}' and '{}'", symbol(order),
                       type_name(a), type_name(b)));
}

bool view_contains(Sandbox& box, const View& view, const Value& item) {
  const Dict& dict = view.dict.dict();
  if (view.what == ViewKind::kKeys) return dict.find(box, item) != nullptr;
  for (const Dict::Entry& entry : dict.entries) {
    if (view.what == ViewKind::kValues) {
      if (equal(box, entry.value, item)) return true;
    } else if (item.is(Kind::kTuple) && item.items().size() == 2) {
      if (equal(box, entry.key, item.items()[0]) && equal(box, entry.value, item.items()[1])) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

bool equal(Sandbox& box, const Value& a, const Value& b) {
  box.step();
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  if (a.same_as(b)) return true;
  switch (a.kind()) {
    case Kind::kString:
      if (a.text().size() != b.text().size()) return false;
      box.work(a.text().size());
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple: {
      const Sandbox::Level level(box);
      return equal_items(box, a.items(), b.items());
    }
    case Kind::kDict: {
      const Sandbox::Level level(box);
      return equal_dicts(box, a.dict(), b.dict());
    }
    case Kind::kUndefined: return true;
    case Kind::kRange: return equal_ranges(a.as<Range>(), b.as<Range>());
    default: return false;
  }
}

bool less(Sandbox& box, const Value& a, const Value& b) { return ordered(box, Order::kLess, a, b); }

bool ordered(Sandbox& box, Order order, const Value& a, const Value& b) {
  box.step();
  const Ordering ordering = compare(box, order, a, b);
  switch (order) {
    case Order::kLess: return ordering < 0;
    case Order::kLessEqual: return ordering <= 0;
    case Order::kGreater: return ordering > 0;
    case Order::kGreaterEqual: return ordering >= 0;
  }
  return false;
}

bool contains(Sandbox& box, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kString:
      if (!item.is_string()) {
        if (item.is_undefined()) fail_undefined(box, item);
        box.fail(
            fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
      }
      box.work(container.text().size());
      return find_text(box, container.text(), item.text()) != std::string_view::npos;
    case Kind::kDict: return container.dict().find(box, item) != nullptr;
    case Kind::kView: return view_contains(box, container.as<View>(), item);
    default: break;
  }
  const Ref<Iterator> iterator = try_iterate(box, container);
  if (!iterator) {
    box.fail(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  Value candidate;
  while (iterator->next(box, candidate)) {
    if (equal(box, candidate, item)) return true;
  }
  return false;
}

size_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

size_t hash_of(Sandbox& box, const Value& value) {
  const auto mixed = [](uint64_t bits) {
    bits *= 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(bits ^ bits >> 32);
  };
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt: return mixed(static_cast<uint64_t>(value.integer()));
    case Kind::kFloat: {
      const double real = value.real();
      if (std::abs(real) < 1e18 && real == std::floor(real)) {
        return mixed(static_cast<uint64_t>(static_cast<int64_t>(real)));
      }
      return std::hash<double>()(real);
    }
    case Kind::kString: box.work(value.text().size()); return hash_of(value.text());
    case Kind::kTuple: {
      const Sandbox::Level level(box);
      size_t hash = 7;
      for (const Value& item : value.items()) hash = mixed(hash * 31 + hash_of(box, item));
      return hash;
    }
    case Kind::kList:
    case Kind::kDict: box.fail(fmt::format("unhashable type: '{}'", type_name(value)));
    default: return mixed(static_cast<uint64_t>(value.kind()));
  }
}

}  // namespace minim::jinja
