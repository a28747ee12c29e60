// The memory of activations and their gradients: buffers of the same size follow each other, so
// that after the first step nothing is allocated any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tensor/matrix_view.h"

namespace minim::train {

// Floats that go back to their pool with their last owner. Aligned to 64 bytes.
class Buffer {
 public:
  float* data() const { return data_; }
  int64_t count() const { return count_; }

 private:
  friend class BufferPool;
  float* data_ = nullptr;
  int64_t count_ = 0;
};
using SharedBuffer = std::shared_ptr<Buffer>;

class BufferPool {
 public:
  // A pool that only counts hands out buffers without memory: what a step would need is known
  // before it is taken.
  enum class Mode { kReal, kCounting };

  explicit BufferPool(Mode mode = Mode::kReal);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Undefined content. Buffers must not outlive the pool.
  SharedBuffer take(int64_t count);

  bool is_counting() const { return mode_ == Mode::kCounting; }
  // Held by the pool, in use or not: it never shrinks.
  size_t bytes() const { return bytes_; }

 private:
  void give_back(Buffer* buffer);

  Mode mode_;
  size_t bytes_ = 0;
  std::unordered_map<int64_t, std::vector<std::unique_ptr<Buffer>>> free_;  // by count
};

}  // namespace minim::train
