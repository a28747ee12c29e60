// Python's operators: equality, order, membership, hashing and arithmetic.
#pragma once

#include <cstddef>
#include <string_view>

#include "text/jinja/sandbox.h"
#include "text/jinja/value.h"

namespace minim::jinja {

bool equal(Sandbox& box, const Value& a, const Value& b);

// a < b. Throws where Python has no order between the two.
bool less(Sandbox& box, const Value& a, const Value& b);

enum class Order { kLess, kLessEqual, kGreater, kGreaterEqual };
bool ordered(Sandbox& box, Order order, const Value& a, const Value& b);

// item in container
bool contains(Sandbox& box, const Value& container, const Value& item);

// Equal values have equal hashes (1, 1.0 and True too). Throws for what cannot be a key.
size_t hash_of(Sandbox& box, const Value& value);
size_t hash_of(std::string_view text);

enum class Binary { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
Value apply(Sandbox& box, Binary operation, const Value& a, const Value& b);
Value negated(Sandbox& box, const Value& value);
Value plus(Sandbox& box, const Value& value);

// Throws, in the words of Python: what an undefined value is, or that it cannot be iterated.
[[noreturn]] void fail_undefined(Sandbox& box, const Value& value);

// A value's number where an argument must be one. `what` names the argument.
Int to_int(Sandbox& box, const Value& value, std::string_view what);
// The same, clamped to what fits; negative stays negative.
int64_t to_int64(Sandbox& box, const Value& value, std::string_view what);

}  // namespace minim::jinja
