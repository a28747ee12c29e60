// Walking over values: Python's iter().
#pragma once

#include <functional>

#include "text/jinja/sandbox.h"
#include "text/jinja/value.h"

namespace minim::jinja {

// Null where the value cannot be iterated.
Ref<Iterator> try_iterate(Sandbox& box, const Value& value);
// Fails where the value cannot be iterated.
Ref<Iterator> iterate(Sandbox& box, const Value& value);
// Python's reversed(value); null where there is none.
Ref<Iterator> try_iterate_backwards(Sandbox& box, const Value& value);

bool is_iterable(const Value& value);

// list(value)
Values collect(Sandbox& box, const Value& value);

// A generator: `next` is called for each item until it returns false.
using Producer = std::function<bool(Sandbox&, Value&)>;
Value generator(Sandbox& box, Producer next);
// The same, where even the beginning waits for the first item to be asked for.
Value generator_from(Sandbox& box, std::function<Producer(Sandbox&)> start);
Value to_value(const Ref<Iterator>& iterator);

}  // namespace minim::jinja
