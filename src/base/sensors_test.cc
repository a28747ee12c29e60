// Machines as Linux shows them, whole and broken.
#include "base/sensors.h"

#include <gtest/gtest.h>

#include "base/testing/sysfs_tree.h"

namespace minim {
namespace {

using testing::SysfsTree;

class SensorsTest : public ::testing::Test {
 protected:
  Sensors read() const { return read_sensors(tree_.path()); }
  SysfsTree tree_;
};

TEST_F(SensorsTest, AMachineThatSaysNothing) {
  const Sensors sensors = read();
  EXPECT_TRUE(sensors.temperatures.empty());
  EXPECT_EQ(hottest(sensors.temperatures), nullptr);
  EXPECT_TRUE(sensors.supply.batteries.empty());
  EXPECT_FALSE(sensors.supply.mains);
  EXPECT_FALSE(sensors.supply.on_battery());
  EXPECT_FALSE(sensors.load.quota);
  EXPECT_FALSE(sensors.load.frequency_hz);
  EXPECT_FALSE(sensors.load.average);
  EXPECT_FALSE(sensors.load.pressure_percent);
  EXPECT_TRUE(sensors.problems.empty());
}

TEST_F(SensorsTest, ZonesWithTheirTripPoints) {
  const Path zone = "sys/class/thermal/thermal_zone0";
  tree_.set_celsius(61.5);
  tree_.write(zone / "trip_point_0_type", "passive\n");
  tree_.write(zone / "trip_point_0_temp", 85000);
  tree_.write(zone / "trip_point_1_type", "passive\n");
  tree_.write(zone / "trip_point_1_temp", 75000);
  tree_.write(zone / "trip_point_2_type", "critical\n");
  tree_.write(zone / "trip_point_2_temp", 105000);
  tree_.write("sys/class/thermal/thermal_zone1/type", "acpitz\n");
  tree_.write("sys/class/thermal/thermal_zone1/temp", 40000);
  tree_.write("sys/class/thermal/thermal_zone2/type", "iwlwifi_1\n");
  tree_.write("sys/class/thermal/thermal_zone2/temp", 90000);
  const Sensors sensors = read();
  ASSERT_EQ(sensors.temperatures.size(), 2u) << "a radio is no processor";
  const TemperatureSensor* most = hottest(sensors.temperatures);
  EXPECT_EQ(most->name, "zone 'cpu-thermal'");
  EXPECT_EQ(most->celsius, 61.5);
  EXPECT_EQ(most->passive_celsius, 75.0);
  EXPECT_TRUE(sensors.problems.empty());
}

TEST_F(SensorsTest, ReadingsThatNobodyCanHaveAreProblems) {
  const std::pair<const char*, const char*> kBroken[] = {
      {"-40000\n", "reads -40.0 C"},
      {"0\n", "reads 0.0 C"},
      {"-273000\n", "reads -273.0 C"},
      {"2147483647\n", "reads 2147483.6 C"},
      {"N/A\n", "holds no number"},
      {"", "holds no number"},
      {"120000\n", "reads 120.0 C, where the system switches itself off at 105.0 C"},
  };
  tree_.set_celsius(50);
  const Path zone = "sys/class/thermal/thermal_zone0";
  tree_.write(zone / "trip_point_0_type", "critical\n");
  tree_.write(zone / "trip_point_0_temp", 105000);
  for (const auto& [text, problem] : kBroken) {
    tree_.write(zone / "temp", text);
    const Sensors sensors = read();
    EXPECT_TRUE(sensors.temperatures.empty()) << text;
    ASSERT_EQ(sensors.problems.size(), 1u) << text;
    EXPECT_EQ(sensors.problems[0].sensor, "zone 'cpu-thermal'");
    EXPECT_EQ(sensors.problems[0].text, problem);
  }
  tree_.remove(zone / "temp");
  EXPECT_EQ(read().problems.at(0).text, "is absent");
  std::filesystem::create_directory(tree_.path() / zone / "temp");
  EXPECT_EQ(read().problems.at(0).text, "cannot be read");
}

TEST_F(SensorsTest, HwmonWhereNoZoneCanBeBelieved) {
  tree_.write("sys/class/hwmon/hwmon0/name", "nvme\n");
  tree_.write("sys/class/hwmon/hwmon0/temp1_input", 80000);
  tree_.write("sys/class/hwmon/hwmon1/name", "coretemp\n");
  tree_.write("sys/class/hwmon/hwmon1/temp1_input", 55000);
  tree_.write("sys/class/hwmon/hwmon1/temp1_label", "Package id 0\n");
  tree_.write("sys/class/hwmon/hwmon1/temp1_max", 84000);
  tree_.write("sys/class/hwmon/hwmon1/temp2_input", 54000);
  tree_.set_celsius(-1);
  const Sensors sensors = read();
  ASSERT_EQ(sensors.temperatures.size(), 2u);
  EXPECT_EQ(sensors.temperatures[0].name, "sensor 'coretemp Package id 0'");
  EXPECT_EQ(sensors.temperatures[0].celsius, 55.0);
  EXPECT_EQ(sensors.temperatures[0].passive_celsius, 84.0);
  EXPECT_EQ(sensors.temperatures[1].name, "sensor 'coretemp temp2'");
  tree_.set_celsius(60);
  EXPECT_EQ(read().temperatures.size(), 1u) << "zones come first";
}

TEST_F(SensorsTest, BatteriesAndChargers) {
  tree_.set_battery(80, "Discharging", 12500000);
  tree_.set_mains(false);
  Sensors sensors = read();
  ASSERT_EQ(sensors.supply.batteries.size(), 1u);
  EXPECT_TRUE(sensors.supply.on_battery());
  EXPECT_EQ(sensors.supply.percent(), 80);
  EXPECT_EQ(sensors.supply.watts(), 12.5);
  EXPECT_EQ(sensors.supply.mains, false);
  tree_.set_mains(true);
  EXPECT_FALSE(read().supply.on_battery()) << "whatever the battery says";
  tree_.set_mains(false);
  tree_.set_battery(80, "Full");
  EXPECT_FALSE(read().supply.on_battery());
}

TEST_F(SensorsTest, BatteriesThatGiveCurrentAndCharge) {
  const Path folder = "sys/class/power_supply/battery";
  tree_.write(folder / "type", "Battery\n");
  tree_.write(folder / "status", "Discharging\n");
  tree_.write(folder / "charge_now", 1500000);
  tree_.write(folder / "charge_full", 3000000);
  tree_.write(folder / "current_now", -500000);  // some drivers give it a sign
  tree_.write(folder / "voltage_now", 4000000);
  const PowerSupply supply = read().supply;
  ASSERT_EQ(supply.batteries.size(), 1u);
  EXPECT_EQ(supply.percent(), 50);
  ASSERT_TRUE(supply.watts());
  EXPECT_NEAR(*supply.watts(), 2.0, 1e-9);
  tree_.write(folder / "voltage_now", "?\n");
  EXPECT_FALSE(read().supply.watts());
}

TEST_F(SensorsTest, BatteriesOfOthersAndBrokenOnesAreLeftOut) {
  tree_.set_battery(250, "Discharging");
  tree_.write("sys/class/power_supply/mouse/type", "Battery\n");
  tree_.write("sys/class/power_supply/mouse/scope", "Device\n");
  tree_.write("sys/class/power_supply/mouse/capacity", 5);
  tree_.write("sys/class/power_supply/mouse/status", "Discharging\n");
  const Sensors sensors = read();
  EXPECT_TRUE(sensors.supply.batteries.empty());
  ASSERT_EQ(sensors.problems.size(), 1u);
  EXPECT_EQ(sensors.problems[0].sensor, "battery 'BAT0'");
  EXPECT_EQ(sensors.problems[0].text, "says that it is 250 % full");
}

TEST_F(SensorsTest, QuotaFrequencyAndPressure) {
  tree_.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  const Path cpufreq = "sys/devices/system/cpu/cpufreq";
  tree_.write(cpufreq / "policy0/cpuinfo_max_freq", 1800000);  // the small cores
  tree_.write(cpufreq / "policy0/scaling_max_freq", 1800000);
  tree_.write(cpufreq / "policy4/cpuinfo_max_freq", 2400000);
  tree_.write(cpufreq / "policy4/scaling_max_freq", 1200000);
  tree_.write("proc/loadavg", "1.25 0.80 0.50 2/116 5642\n");
  tree_.write("proc/pressure/cpu", "some avg10=12.50 avg60=3.00 avg300=1.00 total=1\nfull\n");
  const ProcessorLoad load = read().load;
  EXPECT_EQ(load.quota, 1.5);
  EXPECT_EQ(load.frequency_hz, 1.2e9);
  EXPECT_EQ(load.frequency_hz_max, 2.4e9);
  EXPECT_EQ(load.average, 1.25);
  EXPECT_EQ(load.pressure_percent, 12.5);
}

TEST_F(SensorsTest, LimitsThatSayNothingOrNonsense) {
  for (const char* text : {"max 100000\n", "0 100000\n", "-5 100000\n", "100000 0\n", "x\n"}) {
    tree_.write("sys/fs/cgroup/cpu.max", text);
    EXPECT_FALSE(read().load.quota) << text;
  }
  tree_.remove("sys/fs/cgroup/cpu.max");
  tree_.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1);
  tree_.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", 100000);
  EXPECT_FALSE(read().load.quota);
  tree_.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", 50000);
  EXPECT_EQ(read().load.quota, 0.5);
  tree_.write("proc/pressure/cpu", "some avg10=nan\n");
  EXPECT_FALSE(read().load.pressure_percent);
  tree_.write("proc/loadavg", "-1\n");
  EXPECT_FALSE(read().load.average);
}

}  // namespace
}  // namespace minim
