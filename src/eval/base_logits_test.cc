#include "eval/base_logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

constexpr BaseLogitsHeader kHeader = {.vocabulary_size = 20,
                                      .context_tokens = 8,
                                      .window_count = 2,
                                      .scored_per_window = 3,
                                      .tokens_hash = 42};

std::vector<float> random_row(uint64_t seed) {
  Rng rng(seed);
  std::vector<float> row(20);
  double sum = 0;
  for (float& value : row) {
    value = 4 * rng.normal();
    sum += std::exp(value);
  }
  for (float& value : row) value -= static_cast<float>(std::log(sum));
  return row;
}

Path write_file(const testing::TemporaryFolder& folder) {
  const Path path = folder.path() / "base.lp";
  BaseLogitsWriter writer(path, kHeader);
  for (uint64_t i = 0; i < 6; ++i) writer.write_row(random_row(i), 3);
  writer.commit();
  return path;
}

// Without FileWriter's sync to disk, which takes longer than all the rest of these tests.
void overwrite(const Path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(BaseLogits, RowsComeBackWithinTheStatedError) {
  const testing::TemporaryFolder folder;
  const BaseLogitsReader reader(write_file(folder));
  EXPECT_EQ(reader.header(), kHeader);
  std::vector<float> row(20);
  for (int64_t i = 0; i < 6; ++i) {
    const auto expected = random_row(static_cast<uint64_t>(i));
    EXPECT_EQ(reader.read_row(i, row), expected[3]);
    for (size_t j = 0; j < row.size(); ++j) {
      EXPECT_NEAR(row[j], std::max(expected[j], kLogProbabilityFloor), 0.00019) << i << " " << j;
    }
  }
}

TEST(BaseLogits, ImprobableTokensAreRaisedToTheFloor) {
  const testing::TemporaryFolder folder;
  const Path path = folder.path() / "base.lp";
  BaseLogitsHeader header = kHeader;
  header.vocabulary_size = 2;
  header.window_count = header.scored_per_window = 1;
  BaseLogitsWriter writer(path, header);
  writer.write_row(std::vector<float>{0.0f, -INFINITY}, 1);
  writer.commit();
  std::vector<float> row(2);
  EXPECT_EQ(BaseLogitsReader(path).read_row(0, row), -INFINITY);
  EXPECT_FLOAT_EQ(row[0], 0.0f);
  EXPECT_FLOAT_EQ(row[1], kLogProbabilityFloor);
}

TEST(BaseLogits, EveryTruncationIsRefused) {
  const testing::TemporaryFolder folder;
  const std::string whole = read_file(write_file(folder));
  const Path path = folder.path() / "cut.lp";
  for (size_t length = 0; length < whole.size(); ++length) {
    overwrite(path, whole.substr(0, length));
    EXPECT_THROW(BaseLogitsReader{path}, Error) << length;
  }
}

TEST(BaseLogits, EveryBitFlipOfTheHeaderIsRefusedOrHarmless) {
  const testing::TemporaryFolder folder;
  const std::string whole = read_file(write_file(folder));
  const Path path = folder.path() / "flipped.lp";
  for (size_t bit = 0; bit < 48 * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    overwrite(path, flipped);
    try {
      const BaseLogitsReader reader(path);
      // What is accepted differs in a field that a comparison with the text at hand checks.
      EXPECT_NE(reader.header(), kHeader) << bit;
      std::vector<float> row(static_cast<size_t>(reader.header().vocabulary_size));
      reader.read_row(reader.header().window_count * reader.header().scored_per_window - 1, row);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
    }
  }
}

}  // namespace
}  // namespace minim
