#include "text/schema/value_set.h"

#include <string_view>

#include "base/xxhash64.h"

namespace minim {
namespace {

// Equal values have equal ones: 1 and 1.0 are equal.
void add_value(XxHash64& hash, const OrderedJson& value) {
  const auto add = [&](char kind, std::string_view bytes) {
    hash.update_value(kind);
    hash.update(bytes);
  };
  if (value.is_number()) {
    const auto number = value.get<double>() + 0.0;
    add('n', {reinterpret_cast<const char*>(&number), sizeof(number)});
  } else if (value.is_string()) {
    add('s', value.get_ref<const std::string&>());
  } else if (value.is_structured()) {
    add(value.is_array() ? '[' : '{', {});
    for (const auto& [name, member] : value.items()) {
      if (value.is_object()) add('k', name);
      add_value(hash, member);
    }
    add(']', {});
  } else {
    add('c', value.dump());
  }
}

uint64_t hash_of(const OrderedJson& value) {
  XxHash64 hash;
  add_value(hash, value);
  return hash.digest();
}

}  // namespace

bool ValueSet::insert(const OrderedJson& value) {
  if (contains(value)) return false;
  values_.emplace(hash_of(value), &value);
  return true;
}

bool ValueSet::contains(const OrderedJson& value) const {
  const auto [first, past] = values_.equal_range(hash_of(value));
  for (auto at = first; at != past; ++at) {
    budget_.spend(4);
    if (*at->second == value) return true;
  }
  return false;
}

}  // namespace minim
