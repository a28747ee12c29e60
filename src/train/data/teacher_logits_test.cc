#include "train/data/teacher_logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "tests/support/test_data.h"

namespace minim::train {
namespace {

// Log-probabilities of `size` tokens, of which few are likely.
std::vector<float> random_prediction(int size, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(size));
  double sum = 0;
  for (float& value : values) {
    value = 3 * rng.normal();
    sum += std::exp(static_cast<double>(value));
  }
  for (float& value : values) value -= static_cast<float>(std::log(sum));
  return values;
}

class TeacherLogitsTest : public ::testing::Test {
 protected:
  Path path() const { return folder_.path() / "x.logits"; }

  std::string write(const TeacherLogitsHeader& header, uint64_t rows) const {
    TeacherLogitsWriter writer(path(), header);
    for (uint64_t row = 0; row < rows; ++row) {
      for (int64_t p = 0; p < header.row_tokens; ++p) {
        writer.add_position(
            random_prediction(header.vocabulary_size, row * 100 + static_cast<uint64_t>(p)));
      }
      EXPECT_FALSE(writer.contains(1000 - row));
      writer.end_row(1000 - row);
      EXPECT_TRUE(writer.contains(1000 - row));
    }
    writer.commit();
    return read_file(path());
  }

  minim::testing::TemporaryFolder folder_;
};

TEST(TeacherLogits, CodesAreNear) {
  for (float value = 0; value > -18; value -= 0.01f) {
    const float error = std::abs(decode_log_probability(encode_log_probability(value)) - value);
    EXPECT_LT(error, 1.0f / 254 * std::sqrt(kTeacherRange * -value) + 0.001f) << value;
  }
  EXPECT_EQ(encode_log_probability(0), 0);
  EXPECT_EQ(encode_log_probability(0.001f), 0);
  EXPECT_EQ(encode_log_probability(-18.5f), 254);
  EXPECT_EQ(encode_log_probability(-100), 255);
  EXPECT_EQ(encode_log_probability(-std::numeric_limits<float>::infinity()), 255);
  EXPECT_EQ(encode_log_probability(std::nanf("")), 255);
  EXPECT_EQ(std::exp(decode_log_probability(255)), 0);
}

TEST_F(TeacherLogitsTest, KeepsTheLikelyTokensAndTheTail) {
  for (const int vocabulary : {50, 70000}) {
    const TeacherLogitsHeader header = {.vocabulary_size = vocabulary,
                                        .top_k = 8,
                                        .row_tokens = 3,
                                        .vocabulary_hash = 5,
                                        .teacher = 6};
    write(header, 2);
    const auto reader = TeacherLogitsReader::open(path());
    EXPECT_EQ(reader->header(), header);
    EXPECT_EQ(reader->row_count(), 2u);
    TeacherRow row;
    EXPECT_FALSE(reader->read(998, row));
    for (uint64_t index = 0; index < 2; ++index) {
      ASSERT_TRUE(reader->read(1000 - index, row));
      for (size_t p = 0; p < 3; ++p) {
        const auto values = random_prediction(vocabulary, index * 100 + p);
        std::vector<int32_t> order(values.size());
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
          return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
        });
        double sum = std::exp(row.tails[p]), likely = 0;
        for (size_t k = 0; k < 8; ++k) {
          EXPECT_EQ(row.tokens[p * 8 + k], order[k]);
          const float exact = values[static_cast<size_t>(order[k])];
          EXPECT_NEAR(row.log_probabilities[p * 8 + k], exact, 0.06);
          likely += std::exp(exact);
          sum += std::exp(row.log_probabilities[p * 8 + k]);
        }
        EXPECT_NEAR(sum, 1, 1e-5);
        EXPECT_NEAR(row.tails[p], std::log(1 - likely), 0.06);
      }
    }
  }
}

TEST_F(TeacherLogitsTest, PositionsMayBeEmpty) {
  TeacherLogitsWriter writer(path(), {.vocabulary_size = 9, .top_k = 2, .row_tokens = 2});
  writer.add_empty_position();
  writer.add_position(random_prediction(9, 1));
  writer.end_row(7);
  writer.commit();
  TeacherRow row;
  ASSERT_TRUE(TeacherLogitsReader::open(path())->read(7, row));
  EXPECT_EQ(row.tails[0], 0);
  EXPECT_EQ(std::exp(row.log_probabilities[0]), 0);
}

TEST_F(TeacherLogitsTest, EveryTruncationAndBitFlipIsFound) {
  const std::string bytes = write({.vocabulary_size = 20, .top_k = 2, .row_tokens = 2}, 2);
  const auto reads = [](const std::string& changed) {
    try {
      const auto reader = TeacherLogitsReader::parse(std::as_bytes(std::span(changed)), "x");
      TeacherRow row;
      return reader->read(1000, row) && reader->read(999, row);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      return false;
    }
  };
  EXPECT_TRUE(reads(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(reads(bytes.substr(0, size)));
  EXPECT_FALSE(reads(bytes + '\0'));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(reads(changed)) << bit;
  }
}

TEST_F(TeacherLogitsTest, PredictionsOfAnotherRunAreRefused) {
  const TeacherLogitsHeader header = {.vocabulary_size = 20,
                                      .top_k = 4,
                                      .row_tokens = 2,
                                      .temperature = 2,
                                      .vocabulary_hash = 5,
                                      .teacher = 6};
  write(header, 1);
  const auto reader = TeacherLogitsReader::open(path());
  const auto refuses = [&](auto change, const char* words) {
    TeacherLogitsHeader wanted = header;
    change(wanted);
    try {
      reader->check(wanted);
      return false;
    } catch (const Error& error) {
      return std::string(error.what()).find(words) != std::string::npos;
    }
  };
  EXPECT_NO_THROW(reader->check(header));
  EXPECT_FALSE(refuses([](auto& wanted) { wanted.top_k = 3; }, ""));
  EXPECT_TRUE(refuses([](auto& wanted) { wanted.top_k = 5; }, "fewer tokens"));
  EXPECT_TRUE(refuses([](auto& wanted) { wanted.vocabulary_hash = 1; }, "vocabulary"));
  EXPECT_TRUE(refuses([](auto& wanted) { wanted.teacher = 1; }, "teacher"));
  EXPECT_TRUE(refuses([](auto& wanted) { wanted.temperature = 1; }, "temperature"));
  EXPECT_TRUE(refuses([](auto& wanted) { wanted.row_tokens = 3; }, "length"));
}

TEST_F(TeacherLogitsTest, HeadersThatMakeNoSenseAreRefused) {
  for (const TeacherLogitsHeader& header :
       {TeacherLogitsHeader{.vocabulary_size = 20, .top_k = 20, .row_tokens = 2},
        TeacherLogitsHeader{.vocabulary_size = 20, .top_k = 0, .row_tokens = 2},
        TeacherLogitsHeader{.vocabulary_size = 20, .top_k = 2, .row_tokens = 0},
        TeacherLogitsHeader{
            .vocabulary_size = 20, .top_k = 2, .row_tokens = 2, .temperature = 0}}) {
    EXPECT_THROW(TeacherLogitsWriter(path(), header), Error);
  }
}

}  // namespace
}  // namespace minim::train
