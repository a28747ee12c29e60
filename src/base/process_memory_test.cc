#include "base/process_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

namespace minim {
namespace {

constexpr size_t kBytes = size_t{64} << 20;

// Not by the allocator, which may keep what is freed.
void touch_and_return() {
  void* memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, kBytes);
  ::munmap(memory, kBytes);
}

TEST(ProcessMemory, ThePeakKeepsWhatWasGivenBackUntilItIsReset) {
  const auto before = resident_bytes();
  if (!before) GTEST_SKIP() << "/proc/self/status tells no memory";
  touch_and_return();
  ASSERT_TRUE(peak_resident_bytes());
  const uint64_t peak = *peak_resident_bytes();
  EXPECT_GE(peak, *before + kBytes * 9 / 10);
  if (!reset_peak_resident()) GTEST_SKIP() << "this system keeps peaks";
  EXPECT_LT(*peak_resident_bytes(), peak - kBytes / 2);
}

}  // namespace
}  // namespace minim
