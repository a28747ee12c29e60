// Memory for packed weights: large slabs on huge pages where the system has them, because weights
// are read from end to end for every token and each page costs a translation.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/memory_source.h"

namespace minim {

// Not for several threads at once. What it gave stays valid without it.
class WeightMemory {
 public:
  // With a source, each piece of memory is asked of it; without, slabs of the system.
  explicit WeightMemory(MemorySource source = {}) : source_(std::move(source)) {}

  // `bytes` aligned to 64, of undefined content. Throws std::bad_alloc.
  std::shared_ptr<std::byte> allocate(size_t bytes);

 private:
  MemorySource source_;
  std::shared_ptr<std::byte> slab_;
  size_t slab_bytes_ = 0;
  size_t used_ = 0;
};

}  // namespace minim
