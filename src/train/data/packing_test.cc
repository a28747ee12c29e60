#include "train/data/packing.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "train/data/testing/token_documents.h"

namespace minim::train {
namespace {

using testing::numbered_documents;
using testing::write_source;

std::vector<int> random_lengths(size_t count, uint64_t below, uint64_t seed) {
  Rng rng(seed);
  std::vector<int> lengths;
  for (size_t i = 0; i < count; ++i) lengths.push_back(1 + static_cast<int>(rng.below(below)));
  return lengths;
}

// All rows in one batch.
Batch fill_all(const PackedRows& rows, int64_t row_tokens) {
  Batch batch;
  batch.resize(static_cast<int64_t>(rows.row_count()), row_tokens);
  for (uint64_t row = 0; row < rows.row_count(); ++row) {
    rows.fill(row, batch, static_cast<int64_t>(row));
  }
  return batch;
}

class PackingTest : public ::testing::TestWithParam<Packing> {
 protected:
  std::shared_ptr<const TokenSource> source(const std::vector<int>& lengths) const {
    return write_source(folder_.path(), "x", numbered_documents(lengths));
  }
  minim::testing::TemporaryFolder folder_;
};

// A position per document token but the last, its target the token that follows, its document
// where that begins in the row, and nothing twice.
TEST_P(PackingTest, EveryDocumentIsThereOnce) {
  for (const int64_t row_tokens : {2, 7, 64, 1000}) {
    const auto lengths = random_lengths(200, 90, static_cast<uint64_t>(row_tokens));
    const PackedRows rows(source(lengths), {.row_tokens = row_tokens, .packing = GetParam()});
    const Batch batch = fill_all(rows, row_tokens);
    std::map<int32_t, std::set<int32_t>> seen;
    uint64_t positions = 0;
    for (int64_t row = 0; row < batch.row_count; ++row) {
      const auto used = batch.used[static_cast<size_t>(row)];
      int32_t start = 0;
      for (int32_t p = 0; p < row_tokens; ++p) {
        const auto at = static_cast<size_t>(row * row_tokens + p);
        if (p >= used) {
          ASSERT_EQ(batch.inputs[at], 0);
          ASSERT_EQ(batch.weights[at], 0);
          ASSERT_EQ(batch.document_starts[at], used);
          continue;
        }
        ++positions;
        ASSERT_EQ(batch.targets[at], batch.inputs[at] + 1);
        ASSERT_EQ(batch.weights[at], 1);
        ASSERT_TRUE(seen[batch.inputs[at] / 1000].insert(batch.inputs[at] % 1000).second);
        const bool follows = p > 0 && batch.inputs[at] == batch.inputs[at - 1] + 1;
        if (!follows) start = p;
        ASSERT_EQ(batch.document_starts[at], start);
      }
    }
    EXPECT_EQ(rows.positions(), positions);
    for (size_t i = 0; i < lengths.size(); ++i) {
      const size_t wanted = lengths[i] < 2 ? 0 : static_cast<size_t>(lengths[i] - 1);
      ASSERT_EQ(seen[static_cast<int32_t>(i)].size(), wanted);
    }
  }
}

TEST_P(PackingTest, SeedsGiveOtherOrdersAndOtherFingerprints) {
  const auto documents = source(random_lengths(50, 30, 1));
  const PackedRows one(documents, {.row_tokens = 16, .packing = GetParam(), .seed = 1});
  const PackedRows again(documents, {.row_tokens = 16, .packing = GetParam(), .seed = 1});
  const PackedRows two(documents, {.row_tokens = 16, .packing = GetParam(), .seed = 2});
  EXPECT_EQ(fill_all(one, 16).inputs, fill_all(again, 16).inputs);
  EXPECT_EQ(one.fingerprint(), again.fingerprint());
  EXPECT_NE(fill_all(one, 16).inputs, fill_all(two, 16).inputs);
  EXPECT_NE(one.fingerprint(), two.fingerprint());
}

TEST_P(PackingTest, HeldOutAndTrainingAreDisjointAndComplete) {
  const auto documents = source(std::vector<int>(500, 10));
  std::set<uint64_t> training, held_out;
  for (const Part part : {Part::kTraining, Part::kHeldOut}) {
    const PackedRows rows(documents, {.row_tokens = 32,
                                      .packing = GetParam(),
                                      .part = part,
                                      .held_out = 0.1,
                                      .seed = part == Part::kHeldOut ? 1u : 2u});
    for (uint64_t row = 0; row < rows.row_count(); ++row) {
      for (const auto& piece : rows.pieces(row)) {
        (part == Part::kHeldOut ? held_out : training).insert(piece.document);
      }
    }
  }
  EXPECT_EQ(training.size() + held_out.size(), 500u);
  EXPECT_GT(held_out.size(), 25u);
  EXPECT_LT(held_out.size(), 80u);
  for (const uint64_t document : held_out) EXPECT_EQ(training.count(document), 0u);
}

INSTANTIATE_TEST_SUITE_P(Both, PackingTest, ::testing::Values(Packing::kStream, Packing::kWhole));

TEST_F(PackingTest, WholeCutsOnlyWhatIsLongerThanARow) {
  const auto lengths = random_lengths(400, 150, 5);
  const PackedRows rows(source(lengths), {.row_tokens = 100, .packing = Packing::kWhole});
  std::map<uint64_t, int> pieces;
  for (uint64_t row = 0; row < rows.row_count(); ++row) {
    for (const auto& piece : rows.pieces(row)) ++pieces[piece.document];
  }
  for (const auto& [document, count] : pieces) {
    EXPECT_EQ(count, lengths[document] - 1 > 100 ? 2 : 1) << document;
  }
  // Best fit leaves little room over.
  EXPECT_GT(static_cast<double>(rows.positions()) / static_cast<double>(rows.row_count() * 100),
            0.97);
}

TEST_F(PackingTest, StreamLeavesRoomInTheLastRowOnly) {
  const PackedRows rows(source(random_lengths(100, 50, 6)), {.row_tokens = 64});
  EXPECT_EQ(rows.row_count(), (rows.positions() + 63) / 64);
}

TEST_F(PackingTest, WhatIsNotLearnedHasNoWeight) {
  auto documents = numbered_documents({6});
  documents[0].learned = {false, false, true, false, true, true};
  const auto written = write_source(folder_.path(), "x", documents);
  const PackedRows rows(written, {.row_tokens = 5, .loss_weight = 0.5f});
  const Batch batch = fill_all(rows, 5);
  // The weight belongs to the target.
  EXPECT_EQ(batch.weights, (std::vector<float>{0, 0.5f, 0, 0.5f, 0.5f}));
}

TEST_F(PackingTest, CopiesAreDropped) {
  auto documents = numbered_documents({5, 5, 5, 5});
  documents[2].text_hash = documents[0].text_hash;
  documents[3].text_hash = documents[0].text_hash;
  const auto written = write_source(folder_.path(), "x", documents);
  const PackedRows rows(written, {.row_tokens = 8, .drop_copies = true});
  EXPECT_EQ(rows.document_count(), 2u);
  EXPECT_EQ(rows.copies_dropped(), 2u);
  EXPECT_EQ(PackedRows(written, {.row_tokens = 8}).document_count(), 4u);
}

TEST_F(PackingTest, OptionsThatMakeNoSenseAreRefused) {
  const auto documents = source({5});
  EXPECT_THROW(PackedRows(documents, {.row_tokens = 1}), Error);
  EXPECT_THROW(PackedRows(documents, {.held_out = 0.6}), Error);
  EXPECT_THROW(PackedRows(documents, {.held_out = std::nan("")}), Error);
}

}  // namespace
}  // namespace minim::train
