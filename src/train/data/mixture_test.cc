#include "train/data/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "train/data/testing/token_documents.h"

namespace minim::train {
namespace {

using testing::numbered_documents;
using testing::write_source;

class MixtureTest : public ::testing::Test {
 protected:
  // A source whose rows are exactly its documents.
  std::shared_ptr<const PackedRows> rows(const std::string& name, size_t count, double held_out = 0,
                                         Part part = Part::kTraining) const {
    const auto source =
        write_source(folder_.path(), name, numbered_documents(std::vector<int>(count, 9)), name[0]);
    return std::make_shared<const PackedRows>(
        source, PackingOptions{.row_tokens = 8, .part = part, .held_out = held_out});
  }

  static std::string refusal(std::vector<MixturePart> parts, const MixtureOptions& options) {
    try {
      const Mixture mixture(std::move(parts), options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  minim::testing::TemporaryFolder folder_;
  MixtureOptions options_ = {.row_tokens = 8};
};

std::vector<std::vector<int32_t>> read_rows(const BatchSource& source, uint64_t first,
                                            int64_t count) {
  Batch batch;
  source.read(first, count, batch);
  std::vector<std::vector<int32_t>> rows;
  for (int64_t row = 0; row < count; ++row) {
    const auto begin = batch.inputs.begin() + row * batch.row_tokens;
    rows.emplace_back(begin, begin + batch.row_tokens);
  }
  return rows;
}

TEST_F(MixtureTest, SeekingEqualsStepping) {
  const Mixture mixture({{rows("a", 30), 2.0}, {rows("b", 7), 1.0}}, options_);
  std::vector<std::vector<int32_t>> stepped;
  for (uint64_t row = 0; row < 500; row += 5) {
    for (auto& next : read_rows(mixture, row, 5)) stepped.push_back(next);
  }
  // As after a restart: another object, from anywhere, in steps of another size.
  const Mixture resumed({{rows("a", 30), 2.0}, {rows("b", 7), 1.0}}, options_);
  EXPECT_EQ(resumed.fingerprint(), mixture.fingerprint());
  for (const uint64_t first : {0, 1, 99, 250, 487}) {
    const auto rest = read_rows(resumed, first, 13);
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), stepped.begin() + static_cast<long>(first)));
  }
}

TEST_F(MixtureTest, EveryRowOfASourceComesOnceAnEpochInNewOrder) {
  const Mixture mixture({{rows("a", 30), 3.0}, {rows("b", 7), 1.0}}, options_);
  std::map<size_t, std::vector<uint64_t>> order;
  for (uint64_t row = 0; row < 80000; ++row) {  // past the end of the pattern
    const Mixture::Place place = mixture.place(row);
    ASSERT_EQ(place.epoch, order[place.part].size() / (place.part == 0 ? 30 : 7));
    order[place.part].push_back(place.row);
  }
  for (const auto& [part, taken] : order) {
    const size_t size = part == 0 ? 30 : 7;
    for (size_t epoch = 0; epoch < taken.size() / size; ++epoch) {
      const auto begin = taken.begin() + static_cast<long>(epoch * size);
      ASSERT_EQ(std::set<uint64_t>(begin, begin + static_cast<long>(size)).size(), size);
    }
    EXPECT_FALSE(std::equal(taken.begin(), taken.begin() + static_cast<long>(size),
                            taken.begin() + static_cast<long>(size)));
  }
}

TEST_F(MixtureTest, WeightsAreKeptAtEveryPoint) {
  const std::vector<double> weights = {5, 1, 0.3, 2.7, 0.01};
  std::vector<MixturePart> parts;
  const char* const names[] = {"a", "b", "c", "d", "e"};
  for (size_t i = 0; i < weights.size(); ++i) parts.push_back({rows(names[i], 10), weights[i]});
  const Mixture mixture(parts, options_);
  std::vector<double> counts(weights.size());
  for (uint64_t row = 0; row < 140000; ++row) {
    ++counts[mixture.place(row).part];
    for (size_t i = 0; i < weights.size(); ++i) {
      const double wanted = weights[i] / 9.01 * static_cast<double>(row + 1);
      ASSERT_NEAR(counts[i], wanted, 5) << row;
    }
  }
}

TEST_F(MixtureTest, SharesFollowFromWeightsEpochsAndTemperature) {
  const auto a = rows("a", 30), b = rows("b", 10);
  EXPECT_EQ(Mixture({{a}, {b}}, options_).shares(), (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(Mixture({{a}, {b, {}, 3.0}}, options_).shares(), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(Mixture({{a, 1.0}, {b, 3.0}}, options_).shares(), (std::vector<double>{0.25, 0.75}));
  options_.temperature = 2;
  const double root = std::sqrt(3);
  EXPECT_NEAR(Mixture({{a, 3.0}, {b, 1.0}}, options_).shares()[0], root / (root + 1), 1e-12);
}

TEST_F(MixtureTest, EpochsAreCounted) {
  const Mixture mixture({{rows("a", 30), {}, 2.0}, {rows("b", 10), {}, 4.0, 5}}, options_);
  EXPECT_EQ(mixture.rows_of_epochs(), 100u);
  EXPECT_NEAR(mixture.epochs(0, 100), 2, 1e-12);
  EXPECT_NEAR(mixture.epochs(1, 100), 4, 1e-12);
  EXPECT_NO_THROW(mixture.check_epochs(125));
  EXPECT_THROW(mixture.check_epochs(126), Error);
}

TEST_F(MixtureTest, FingerprintsTellMixturesApart) {
  const auto a = rows("a", 30), b = rows("b", 10);
  const uint64_t one = Mixture({{a, 1.0}, {b, 1.0}}, options_).fingerprint();
  EXPECT_EQ(Mixture({{a, 2.0}, {b, 2.0}}, options_).fingerprint(), one);
  EXPECT_NE(Mixture({{a, 2.0}, {b, 1.0}}, options_).fingerprint(), one);
  EXPECT_NE(Mixture({{b, 1.0}, {a, 1.0}}, options_).fingerprint(), one);
  options_.seed = 2;
  const Mixture other({{a, 1.0}, {b, 1.0}}, options_);
  EXPECT_NE(other.fingerprint(), one);
  EXPECT_NO_THROW(check_position(other, {5, other.fingerprint()}));
  EXPECT_THROW(check_position(other, {5, one}), Error);
}

TEST_F(MixtureTest, WhatMakesNoSenseIsRefused) {
  const auto a = rows("a", 30), b = rows("b", 10);
  EXPECT_NE(refusal({{a, 0.0}}, options_).find("above 0"), std::string::npos);
  EXPECT_NE(refusal({{a, -1.0}}, options_).find("above 0"), std::string::npos);
  EXPECT_NE(refusal({{a, std::nan("")}}, options_).find("above 0"), std::string::npos);
  EXPECT_NE(refusal({{a, 1.0, 1.0}}, options_).find("one of them"), std::string::npos);
  EXPECT_NE(refusal({{a, 1.0}, {b}}, options_).find("'b' has no weight"), std::string::npos);
  EXPECT_NE(refusal({{a, 1e9}, {b, 1.0}}, options_).find("'b' is 1e-09"), std::string::npos);
  EXPECT_NE(refusal({}, options_).find("1 to 1024"), std::string::npos);
  EXPECT_NE(refusal({{a, 1.0}}, {.row_tokens = 8, .temperature = 0}).find("temperature"),
            std::string::npos);
  EXPECT_NE(refusal({{rows("c", 10, 0, Part::kHeldOut), 1.0}}, options_).find("no document"),
            std::string::npos);
}

TEST_F(MixtureTest, HeldOutRowsComeOnceInShuffledOrder) {
  const HeldOutRows held_out(
      {rows("a", 200, 0.2, Part::kHeldOut), rows("b", 0), rows("c", 100, 0.2, Part::kHeldOut)}, 8);
  const uint64_t count = *held_out.row_count();
  EXPECT_GT(count, 30u);
  EXPECT_LT(count, 95u);
  const auto all = read_rows(held_out, 0, static_cast<int64_t>(count));
  EXPECT_EQ(read_rows(held_out, count - 3, 3), (std::vector(all.end() - 3, all.end())));
  const HeldOutRows only_c({rows("c", 100, 0.2, Part::kHeldOut)}, 8);
  const auto of_c = read_rows(only_c, 0, static_cast<int64_t>(*only_c.row_count()));
  EXPECT_GT(*only_c.row_count(), 5u);
  EXPECT_NE(std::vector(all.end() - static_cast<long>(of_c.size()), all.end()), of_c);
  EXPECT_EQ(*HeldOutRows({rows("b", 5)}, 8).row_count(), 5u);
  EXPECT_EQ(*HeldOutRows({rows("b", 5, 0, Part::kHeldOut)}, 8).row_count(), 0u);
}

}  // namespace
}  // namespace minim::train
