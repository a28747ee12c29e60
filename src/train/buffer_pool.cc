#include "train/buffer_pool.h"

#include <cstdlib>
#include <new>

namespace minim::train {
namespace {

constexpr size_t kAlignment = 64;

size_t padded_bytes(int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

BufferPool::BufferPool(Mode mode) : mode_(mode) {}

BufferPool::~BufferPool() {
  for (auto& [count, buffers] : free_) {
    for (const auto& buffer : buffers) std::free(buffer->data_);
  }
}

SharedBuffer BufferPool::take(int64_t count) {
  std::unique_ptr<Buffer> buffer;
  auto& free = free_[count];
  if (!free.empty()) {
    buffer = std::move(free.back());
    free.pop_back();
  } else {
    buffer = std::make_unique<Buffer>();
    buffer->count_ = count;
    const size_t bytes = padded_bytes(count);
    if (mode_ == Mode::kReal && bytes > 0) {
      buffer->data_ = static_cast<float*>(std::aligned_alloc(kAlignment, bytes));
      if (buffer->data_ == nullptr) throw std::bad_alloc();
    }
    bytes_ += bytes;
  }
  return SharedBuffer(buffer.release(), [this](Buffer* done) { give_back(done); });
}

void BufferPool::give_back(Buffer* buffer) { free_[buffer->count_].emplace_back(buffer); }

}  // namespace minim::train
