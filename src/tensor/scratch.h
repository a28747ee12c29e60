// Working memory of a thread: grows to what was asked for and stays, so that steady work allocates
// nothing. It carries nothing from one use to the next.
#pragma once

#include <cstddef>
#include <memory>

namespace minim {

class Scratch {
 public:
  // At least `bytes`, aligned to 64, of undefined content; invalidates what was given before.
  std::byte* bytes(size_t bytes);
  float* floats(size_t count) { return reinterpret_cast<float*>(bytes(count * sizeof(float))); }

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
};

// The calling thread's memory for the inside of one task.
Scratch& task_scratch();
// Another one, for what an operation shares among its tasks while it waits for them.
Scratch& operation_scratch();

}  // namespace minim
