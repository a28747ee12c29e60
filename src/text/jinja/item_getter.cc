#include "text/jinja/item_getter.h"

#include <algorithm>

#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_case.h"

namespace minim::jinja {

ItemGetter::ItemGetter(Sandbox& box, const Value& attribute) {
  if (attribute.is_undefined()) fail_undefined(box, attribute);
  if (attribute.is_missing() || attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  std::string_view rest = attribute.text();
  for (;;) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    const bool is_number =
        !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    const auto number = is_number ? parse_integer_literal(part) : std::nullopt;
    parts_.push_back(number ? Value(*number) : box.string(std::string(part)));
    if (dot == rest.size()) return;
    rest.remove_prefix(dot + 1);
  }
}

Value ItemGetter::get(Sandbox& box, const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    value = get_item(box, value, part);
    if (value.is_undefined() && !default_.is_missing() && !default_.is_none()) value = default_;
  }
  return value;
}

Value sort_key(Sandbox& box, Value value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  box.work(4 * value.text().size());
  return box.string(to_lower(value.text()), value.string().safe);
}

}  // namespace minim::jinja
