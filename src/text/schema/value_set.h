// JSON values, each once: what enum and const list.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "text/grammar/budget.h"

namespace minim {

class ValueSet {
 public:
  // The budget pays for comparisons of what falls together. REQUIRES: values outlive it.
  explicit ValueSet(Budget& budget) : budget_(budget) {}

  // False where it is known.
  bool insert(const OrderedJson& value);
  bool contains(const OrderedJson& value) const;

 private:
  Budget& budget_;
  std::unordered_multimap<uint64_t, const OrderedJson*> values_;
};

}  // namespace minim
