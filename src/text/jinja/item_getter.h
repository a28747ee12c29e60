// The `attribute` argument of filters: "name", "a.b", "items.0", 3.
#pragma once

#include <vector>

#include "text/jinja/sandbox.h"
#include "text/jinja/value.h"

namespace minim::jinja {

class ItemGetter {
 public:
  // A missing or none attribute gives the item itself.
  ItemGetter(Sandbox& box, const Value& attribute);
  // What to give instead of an undefined value; none or missing: nothing.
  void set_default(Value value) { default_ = std::move(value); }

  Value get(Sandbox& box, const Value& item) const;

 private:
  Values parts_;
  Value default_;
};

// The value as sorting compares it: strings in lower case, unless `case_sensitive`.
Value sort_key(Sandbox& box, Value value, bool case_sensitive);

}  // namespace minim::jinja
