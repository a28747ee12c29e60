#include "serve/engine/energy_shares.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/support/test_data.h"

namespace minim::serve {
namespace {

TEST(EnergyShares, TogetherAreWhatWasUsed) {
  const minim::testing::TemporaryFolder empty;  // a machine without counters
  double seconds = 0;
  EnergyShares shares({.watts_per_core = 2,
                       .root = empty.path(),
                       .clock = [&] { return seconds; },
                       .processor = [&] { return seconds; }});
  seconds += 5;  // nobody's
  auto a = shares.begin();
  seconds += 10;  // 20 joules of a
  std::optional<EnergyShares::Share> b(shares.begin());
  seconds += 10;  // 10 of each
  const Energy of_b = b->end();
  seconds += 1;  // 2 of a
  const Energy of_a = a.end();
  EXPECT_DOUBLE_EQ(of_a.joules, 32);
  EXPECT_DOUBLE_EQ(of_b.joules, 10);
  EXPECT_EQ(of_a.source, EnergySource::kEstimate);
  {
    const auto broken_off = shares.begin();
    seconds += 1;
  }
  auto alone = shares.begin();
  seconds += 1;
  EXPECT_DOUBLE_EQ(alone.end().joules, 2);
}

}  // namespace
}  // namespace minim::serve
