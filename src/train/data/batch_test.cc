#include "train/data/batch.h"

#include <gtest/gtest.h>

namespace minim::train {
namespace {

TEST(Batch, ResizeGivesRowsOfPadding) {
  Batch batch;
  batch.resize(1, 2);
  batch.inputs = {5, 6};
  batch.weights = {1.0f, 0.5f};
  EXPECT_EQ(batch.weight_sum(), 1.5);
  batch.resize(2, 3);
  EXPECT_EQ(batch.token_count(), 6);
  EXPECT_EQ(batch.inputs, std::vector<int32_t>(6, 0));
  EXPECT_EQ(batch.used, std::vector<int32_t>(2, 0));
  EXPECT_EQ(batch.weight_sum(), 0.0);
}

TEST(Batch, RowHashDependsOnInputsAndDocuments) {
  Batch batch;
  batch.resize(2, 3);
  batch.inputs = {1, 2, 3, 1, 2, 3};
  EXPECT_EQ(batch.row_hash(0), batch.row_hash(1));
  batch.targets[4] = 9;
  batch.weights[4] = 1;
  EXPECT_EQ(batch.row_hash(0), batch.row_hash(1));
  batch.document_starts[5] = 2;
  EXPECT_NE(batch.row_hash(0), batch.row_hash(1));
  batch.document_starts[5] = 0;
  batch.inputs[5] = 4;
  EXPECT_NE(batch.row_hash(0), batch.row_hash(1));
}

TEST(Batch, ViewsShowRows) {
  Batch batch;
  batch.resize(3, 2);
  batch.inputs = {1, 2, 3, 4, 5, 6};
  const BatchView view = view_rows(batch, 1, 3);
  EXPECT_EQ(view.row_count, 2);
  EXPECT_EQ(view.inputs.size(), 4u);
  EXPECT_EQ(view.inputs[0], 3);
  EXPECT_EQ(view_rows(batch, 1, 1).inputs.size(), 0u);
}

}  // namespace
}  // namespace minim::train
