#include "tensor/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace minim {

std::byte* Scratch::bytes(size_t bytes) {
  constexpr size_t kAlignment = 64;
  if (bytes > size_) {
    // Half as much again, so that a context that grows token by token seldom reallocates.
    const size_t wanted = std::max(bytes, size_ + size_ / 2);
    const size_t rounded = (wanted + kAlignment - 1) / kAlignment * kAlignment;
    memory_.reset();
    size_ = 0;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
    if (!memory_) throw std::bad_alloc();
    size_ = rounded;
  }
  return memory_.get();
}

void Scratch::Free::operator()(void* memory) const { std::free(memory); }

Scratch& task_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

Scratch& operation_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

}  // namespace minim
