#include "base/energy_meter.h"

#include <gtest/gtest.h>

#include "base/testing/sysfs_tree.h"

namespace minim {
namespace {

using testing::SysfsTree;

class EnergyMeterTest : public ::testing::Test {
 protected:
  EnergyMeter meter() {
    return EnergyMeter({.watts_per_core = 4,
                        .root = tree_.path(),
                        .clock = [this] { return seconds_; },
                        .processor = [this] { return processor_; }});
  }

  SysfsTree tree_;
  double seconds_ = 100;
  double processor_ = 7;
};

TEST_F(EnergyMeterTest, EstimatesWhereNothingIsMeasured) {
  EnergyMeter meter = this->meter();
  processor_ += 2.5;
  seconds_ += 100;
  const Energy energy = meter.read();
  EXPECT_EQ(energy.source, EnergySource::kEstimate);
  EXPECT_FALSE(is_measured(energy.source));
  EXPECT_DOUBLE_EQ(energy.joules, 10);
  EXPECT_NE(meter.reason().find("no energy counters"), std::string::npos);
}

TEST_F(EnergyMeterTest, CountsPackagesAndTheirMemory) {
  tree_.set_energy("0", "package-0", 1000000);
  tree_.set_energy("0:0", "core", 500000);  // part of the package
  tree_.set_energy("0:1", "dram", 200000);
  tree_.set_energy("1", "package-1", 5000000);
  tree_.set_energy("2", "psys", 9000000);
  EnergyMeter meter = this->meter();
  EXPECT_EQ(meter.source(), EnergySource::kCounters);
  EXPECT_EQ(meter.read().joules, 0);
  tree_.set_energy("0", "package-0", 3000000);
  tree_.set_energy("0:0", "core", 900000);
  tree_.set_energy("0:1", "dram", 700000);
  tree_.set_energy("1", "package-1", 6000000);
  tree_.set_energy("2", "psys", 99000000);
  EXPECT_DOUBLE_EQ(meter.read().joules, 3.5);
  EXPECT_EQ(meter.read().source, EnergySource::kCounters);
  EXPECT_EQ(meter.reason(), "");
}

TEST_F(EnergyMeterTest, ABoardThatCountsOnlyTheWhole) {
  tree_.set_energy("0", "psys", 0);
  EnergyMeter meter = this->meter();
  tree_.set_energy("0", "psys", 4000000);
  EXPECT_DOUBLE_EQ(meter.read().joules, 4);
}

TEST_F(EnergyMeterTest, CountersBeginAnewAtTheirEnd) {
  constexpr int64_t kRange = 10000000;
  tree_.set_energy("0", "package-0", 9000000, kRange);
  EnergyMeter meter = this->meter();
  tree_.set_energy("0", "package-0", 500000, kRange);
  EXPECT_DOUBLE_EQ(meter.read().joules, 1.5);
  tree_.set_energy("0", "package-0", 800000, kRange);
  EXPECT_DOUBLE_EQ(meter.read().joules, 1.8);
  tree_.set_energy("0", "package-0", 100000, kRange);
  EXPECT_DOUBLE_EQ(meter.read().joules, 1.8 + 9.3);
}

TEST_F(EnergyMeterTest, CountersForRootOnlyAreNotAbsent) {
  tree_.set_energy("0", "package-0", 1000000);
  const testing::ClosedFile closed(tree_.path() / "sys/class/powercap/intel-rapl:0/energy_uj");
  EnergyMeter meter = this->meter();
  EXPECT_EQ(meter.source(), EnergySource::kEstimate);
  EXPECT_NE(meter.reason().find("by root only"), std::string::npos) << meter.reason();
}

TEST_F(EnergyMeterTest, CountersThatHoldNonsenseAreNotUsed) {
  for (const char* text : {"-5\n", "garbage\n"}) {
    tree_.set_energy("0", "package-0", 1);
    tree_.write("sys/class/powercap/intel-rapl:0/energy_uj", text);
    EnergyMeter meter = this->meter();
    EXPECT_EQ(meter.source(), EnergySource::kEstimate);
    EXPECT_NE(meter.reason().find("holds no number"), std::string::npos) << meter.reason();
  }
}

TEST_F(EnergyMeterTest, ACounterThatFailsOnTheWayIsFollowedByAnEstimate) {
  tree_.set_energy("0", "package-0", 0);
  EnergyMeter meter = this->meter();
  tree_.set_energy("0", "package-0", 2000000);
  EXPECT_DOUBLE_EQ(meter.read().joules, 2);
  tree_.remove("sys/class/powercap/intel-rapl:0");
  processor_ += 50;  // nobody knows which of it came after the failure
  EXPECT_DOUBLE_EQ(meter.read().joules, 2);
  processor_ += 1;
  const Energy energy = meter.read();
  EXPECT_EQ(energy.source, EnergySource::kEstimate);
  EXPECT_DOUBLE_EQ(energy.joules, 6);
}

TEST_F(EnergyMeterTest, IntegratesWhatTheBatteryGives) {
  tree_.set_battery(50, "Discharging", 10000000);
  EnergyMeter meter = this->meter();
  EXPECT_EQ(meter.source(), EnergySource::kBattery);
  seconds_ += 2;
  EXPECT_DOUBLE_EQ(meter.read().joules, 20);
  tree_.set_battery(50, "Discharging", 20000000);
  seconds_ += 2;
  EXPECT_DOUBLE_EQ(meter.read().joules, 50);
}

TEST_F(EnergyMeterTest, APlugEndsWhatABatteryCanTell) {
  tree_.set_battery(50, "Discharging", 10000000);
  tree_.set_mains(false);
  EnergyMeter meter = this->meter();
  seconds_ += 1;
  tree_.set_mains(true);
  EXPECT_DOUBLE_EQ(meter.read().joules, 10);
  processor_ += 2;
  seconds_ += 1;
  const Energy energy = meter.read();
  EXPECT_EQ(energy.source, EnergySource::kEstimate);
  EXPECT_DOUBLE_EQ(energy.joules, 18);
}

TEST(EnergyMeter, TheMachineOfThisTestHasSomeSource) {
  EnergyMeter meter;
  EXPECT_GE(meter.read().joules, 0);
  EXPECT_EQ(meter.reason().empty(), is_measured(meter.source()));
}

}  // namespace
}  // namespace minim
