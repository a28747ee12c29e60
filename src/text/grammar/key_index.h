// A map from 64 bits to a number, in one piece of memory: compiling a grammar does little else than
// look things up.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace minim {

class KeyIndex {
 public:
  static constexpr uint32_t kAbsent = UINT32_MAX;

  // The number of `key`: kAbsent where it is new, and then to be set. Valid until the next call.
  uint32_t& operator[](uint64_t key) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = find(key);
    count_ += slot.number == kAbsent;
    slot.key = key;
    return slot.number;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t number = kAbsent;
  };

  Slot& find(uint64_t key) {
    const size_t mask = slots_.size() - 1;
    const uint64_t hash = (key ^ key >> 32) * 0x9E3779B97F4A7C15u;
    for (size_t i = (hash ^ hash >> 29) & mask;; i = (i + 1) & mask) {
      if (slots_[i].number == kAbsent || slots_[i].key == key) return slots_[i];
    }
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : 2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number != kAbsent) find(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace minim
