#include "tensor/weight_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace minim {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSlabBytes = size_t{64} << 20;  // addresses only, until they are written to
constexpr size_t kAlignment = 64;

size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

std::shared_ptr<std::byte> map_slab(size_t bytes) {
  // One huge page more than asked for, so that a slab can begin at one.
  const size_t mapped = bytes + kHugePage;
  void* address =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  const auto begin = reinterpret_cast<uintptr_t>(address);
  auto* slab = static_cast<std::byte*>(address) + (rounded_up(begin, kHugePage) - begin);
  ::madvise(slab, bytes, MADV_HUGEPAGE);  // advice: where it is not taken, pages are small
  return {slab, [address, mapped](std::byte*) { ::munmap(address, mapped); }};
}

}  // namespace

std::shared_ptr<std::byte> WeightMemory::allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  const size_t wanted = rounded_up(std::max<size_t>(bytes, 1), kAlignment);
  if (source_) return source_(wanted);
  if (slab_ == nullptr || wanted > slab_bytes_ - used_) {
    const size_t slab_bytes = std::max(kSlabBytes, rounded_up(wanted, kHugePage));
    slab_ = map_slab(slab_bytes);
    slab_bytes_ = slab_bytes;
    used_ = 0;
  }
  std::byte* memory = slab_.get() + used_;
  used_ += wanted;
  return {slab_, memory};
}

}  // namespace minim
