#include "base/machine.h"

#include <gtest/gtest.h>

#include "tests/support/test_data.h"

namespace minim {
namespace {

class MachineTest : public ::testing::Test {
 protected:
  void write(const Path& name, const std::string& text) const {
    const Path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    FileWriter writer(path);
    writer.write(text);
    writer.commit();
  }
  Machine read() const { return read_machine(folder_.path()); }

  testing::TemporaryFolder folder_;
};

TEST_F(MachineTest, KnowsNothingWhereThereIsNothing) {
  const Machine machine = read();
  EXPECT_EQ(machine.memory_bytes, 0u);
  EXPECT_TRUE(machine.caches.empty());
  EXPECT_FALSE(machine.memory_limit_bytes);
  EXPECT_EQ(machine.huge_pages, "");
  EXPECT_FALSE(machine.emulated);
}

TEST_F(MachineTest, ReadsCachesMemoryAndPages) {
  write("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n");
  write("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n");
  write("sys/devices/system/cpu/cpu0/cache/index0/size", "48K\n");
  write("sys/devices/system/cpu/cpu0/cache/index1/level", "3\n");
  write("sys/devices/system/cpu/cpu0/cache/index1/type", "Unified\n");
  write("sys/devices/system/cpu/cpu0/cache/index1/size", "32M\n");
  write("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  800 kB\nHugePages: 3\n");
  write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  write("proc/cpuinfo", "processor : 0\nmodel name : QEMU TCG CPU version 2.5+\n");
  const Machine machine = read();
  ASSERT_EQ(machine.caches.size(), 2u);
  EXPECT_EQ(machine.caches[0].bytes, 48u << 10);
  EXPECT_EQ(machine.caches[1].bytes, 32u << 20);
  EXPECT_EQ(machine.caches[1].kind, "Unified");
  EXPECT_EQ(machine.memory_bytes, 1000u << 10);
  EXPECT_EQ(machine.available_bytes, 800u << 10);
  EXPECT_EQ(machine.huge_pages, "madvise");
  EXPECT_TRUE(machine.emulated);
}

TEST_F(MachineTest, ContainersLimitWhatIsAvailable) {
  write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 800 kB\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_FALSE(read().memory_limit_bytes);
  write("sys/fs/cgroup/memory.max", "409600\n");
  write("sys/fs/cgroup/memory.current", "102400\n");
  EXPECT_EQ(read().memory_limit_bytes, 409600u);
  EXPECT_EQ(read().available_bytes, 307200u);
  write("sys/fs/cgroup/memory.current", "999999\n");
  EXPECT_EQ(read().available_bytes, 0u);
}

}  // namespace
}  // namespace minim
