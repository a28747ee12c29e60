// A machine that is not there: files as Linux shows them, in a temporary folder.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "tests/support/test_data.h"

namespace minim::testing {

class SysfsTree {
 public:
  const Path& path() const { return folder_.path(); }

  // Replaces the file if it is there, in place, as values change in sysfs.
  void write(const Path& name, const std::string& text) const {
    const Path file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::trunc) << text;
  }
  void write(const Path& name, int64_t value) const { write(name, std::to_string(value) + "\n"); }
  void remove(const Path& name) const { std::filesystem::remove_all(path() / name); }

  // Thermal zone 0.
  void set_celsius(double celsius, const std::string& type = "cpu-thermal") const {
    write("sys/class/thermal/thermal_zone0/type", type + "\n");
    write("sys/class/thermal/thermal_zone0/temp", static_cast<int64_t>(celsius * 1000));
  }

  void set_battery(int64_t percent, const std::string& status, int64_t microwatts = 0) const {
    const Path folder = "sys/class/power_supply/BAT0";
    write(folder / "type", "Battery\n");
    write(folder / "status", status + "\n");
    write(folder / "capacity", percent);
    if (microwatts != 0) write(folder / "power_now", microwatts);
  }
  void set_mains(bool online) const {
    write("sys/class/power_supply/AC/type", "Mains\n");
    write("sys/class/power_supply/AC/online", online ? 1 : 0);
  }

  // Counter `zone` of the processor's energy: "0", or "0:1" for a part of it.
  void set_energy(const std::string& zone, const std::string& name, int64_t microjoules,
                  int64_t range = 262143328850) const {
    const Path folder = Path("sys/class/powercap") / ("intel-rapl:" + zone);
    write(folder / "name", name + "\n");
    write(folder / "energy_uj", microjoules);
    write(folder / "max_energy_range_uj", range);
  }

 private:
  TemporaryFolder folder_;
};

// While it lives, this process may not read `path`; root gives up its powers for that long.
class ClosedFile {
 public:
  explicit ClosedFile(const Path& path) : is_root_(::geteuid() == 0) {
    for (Path folder = path.parent_path(); folder != folder.root_path() && is_root_;
         folder = folder.parent_path()) {
      if (folder == std::filesystem::temp_directory_path()) break;
      ::chmod(folder.c_str(), 0755);
    }
    ::chmod(path.c_str(), 0);
    if (is_root_) {
      EXPECT_EQ(::seteuid(65534), 0);
    }
  }
  ~ClosedFile() {
    if (is_root_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }
  ClosedFile(const ClosedFile&) = delete;
  ClosedFile& operator=(const ClosedFile&) = delete;

 private:
  bool is_root_;
};

}  // namespace minim::testing
