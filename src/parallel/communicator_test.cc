#include "parallel/communicator.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "parallel/connect.h"
#include "parallel/testing/thread_ranks.h"
#include "tests/support/test_data.h"

namespace minim::parallel {
namespace {

using testing::run_as_ranks;

TEST(CommunicatorTest, SumsAndMessages) {
  run_as_ranks(3, [](Communicator& ranks) {
    const auto mine = static_cast<float>(ranks.rank() + 1);
    std::array<float, 2> floats = {mine, 10 * mine};
    ranks.start_sum(floats);
    ranks.finish_sums();
    EXPECT_EQ(floats[0], 6.0f);
    EXPECT_EQ(floats[1], 60.0f);
    EXPECT_TRUE(any(ranks, ranks.rank() == 2));
    EXPECT_FALSE(any(ranks, false));
    require_same(ranks, 7, "seven");
    EXPECT_THROW(require_same(ranks, static_cast<uint64_t>(ranks.rank() / 2), "a half"), Error);
  });
}

TEST(CommunicatorTest, OneIsEnough) {
  EXPECT_EQ(alone().size(), 1);
  EXPECT_TRUE(alone().is_first());
  EXPECT_TRUE(any(alone(), true));
  require_same(alone(), 7, "seven");
}

TEST(CommunicatorTest, SharesAreEvenAndWhole) {
  for (const int64_t count : {0, 1, 7, 8, 100}) {
    std::array<Share, 3> shares;
    run_as_ranks(3, [&](Communicator& ranks) {
      shares[static_cast<size_t>(ranks.rank())] = share_of(ranks, count);
    });
    EXPECT_EQ(shares[0].begin, 0);
    EXPECT_EQ(shares[2].end, count);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_LE(shares[i].end - shares[i].begin, count / 3 + 1);
      EXPECT_EQ(shares[i].begin, i == 0 ? 0 : shares[i - 1].end);
    }
  }
}

TEST(ConnectTest, WhatIsMissingIsNamed) {
  const minim::testing::TemporaryFolder folder;
  try {
    connect_mpi(folder.path());
    ADD_FAILURE() << "there is no plug-in";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("minim-mpi.so"), std::string::npos);
  }
  std::ofstream(folder.path() / "minim-mpi.so") << "no library";
  try {
    connect_mpi(folder.path());
    ADD_FAILURE() << "that is no library";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(ConnectTest, LaunchersAreRead) {
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("PMI_SIZE");
  EXPECT_EQ(read_launch().process_count, 1);
  setenv("PMI_SIZE", "3", 1);
  EXPECT_EQ(read_launch().process_count, 3);
  setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  EXPECT_EQ(read_launch().process_count, 4);
  setenv("OMPI_COMM_WORLD_SIZE", "many", 1);
  EXPECT_EQ(read_launch().process_count, 3);
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("PMI_SIZE");
}

}  // namespace
}  // namespace minim::parallel
