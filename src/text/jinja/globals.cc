// The global functions of a chat template.
#include <fmt/core.h>

#include "text/jinja/iteration.h"
#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/strftime.h"

namespace minim::jinja {
namespace {

Value make_range(Sandbox& box, const Value&, Values& arguments) {
  constexpr int64_t kCountMax = 100'000;  // jinja2's sandbox
  Int start = 0, stop = 0, step = 1;
  if (arguments[1].is_missing()) {
    stop = to_int(box, arguments[0], "range()'s bound");
  } else {
    start = to_int(box, arguments[0], "range()'s start");
    stop = to_int(box, arguments[1], "range()'s stop");
    if (!arguments[2].is_missing()) step = to_int(box, arguments[2], "range()'s step");
  }
  if (step == 0) box.fail("range() arg 3 must not be zero");
  constexpr Int kBound = Int(1) << 125;
  if (start > kBound || start < -kBound || stop > kBound || stop < -kBound) {
    box.limit("range() over too large numbers");
  }
  Int count = 0;
  if (step > 0 && start < stop) count = (stop - start - 1) / step + 1;
  if (step < 0 && start > stop) count = step < -kBound ? 1 : (start - stop - 1) / -step + 1;
  if (count > kCountMax) {
    box.limit(fmt::format("range() of more than {} items", kCountMax));
  }
  return box.make<Range>(Kind::kRange, start, stop, step, static_cast<size_t>(count));
}

// Calls `set` for each pair that dict(source) would take.
template <typename Set>
void read_pairs(Sandbox& box, const Value& source, const Set& set) {
  if (source.is_missing()) return;
  if (source.is_dict()) {
    for (const Dict::Entry& entry : source.dict().entries) set(entry.key, entry.value);
    return;
  }
  const Ref<Iterator> iterator = iterate(box, source);
  Value item;
  while (iterator->next(box, item)) {
    const Values pair = collect(box, item);
    if (pair.size() != 2) box.fail("a dict is made from pairs");
    set(pair[0], pair[1]);
  }
}

Value make_dict(Sandbox& box, const Value&, Values& arguments) {
  Value result = box.make<Dict>(Kind::kDict);
  for (const Value* source : {&arguments[0], &arguments[1]}) {
    read_pairs(box, *source, [&](const Value& key, const Value& value) {
      result.as<Dict>().set(box, key, value);
    });
  }
  return result;
}

Value make_namespace(Sandbox& box, const Value&, Values& arguments) {
  Value result = box.make<Namespace>(Kind::kNamespace);
  for (const Value* source : {&arguments[0], &arguments[1]}) {
    read_pairs(box, *source, [&](const Value& key, const Value& value) {
      if (!key.is_string()) box.unsupported("a namespace whose attributes are not strings");
      result.as<Namespace>().set(box, key.text(), value);
    });
  }
  return result;
}

Value make_cycler(Sandbox& box, const Value&, Values& arguments) {
  if (arguments[0].items().empty()) box.fail("cycler() needs at least one item");
  return box.make<Cycler>(Kind::kCycler, arguments[0].items());
}

Value make_joiner(Sandbox& box, const Value&, Values& arguments) {
  Value separator = arguments[0].is_missing() ? box.string(", ") : arguments[0];
  return box.make<Joiner>(Kind::kJoiner, std::move(separator));
}

Value raise_exception(Sandbox& box, const Value&, Values& arguments) {
  box.fail(to_text(box, arguments[0]));
}

Value strftime_now(Sandbox& box, const Value&, Values& arguments) {
  if (arguments[0].is_undefined()) fail_undefined(box, arguments[0]);
  if (!arguments[0].is_string()) box.fail("strftime_now() takes a format string");
  return box.string(format_time(box, arguments[0].text(), box.now()));
}

Value lipsum(Sandbox& box, const Value&, Values&) { box.unsupported("the function 'lipsum'"); }

constexpr Native kGlobals[] = {
    {"range", "/start ?stop ?step", make_range},
    {"dict", "/?mapping **", make_dict},
    {"namespace", "/?mapping **", make_namespace},
    {"cycler", "*", make_cycler},
    {"joiner", "?sep", make_joiner},
    {"raise_exception", "message", raise_exception},
    {"strftime_now", "format", strftime_now},
    {"lipsum", "* **", lipsum},
};

}  // namespace

std::span<const Native> all_globals() { return kGlobals; }

}  // namespace minim::jinja
