#include "eval/sample_model.h"

#include <gtest/gtest.h>

#include "eval/speed_run.h"
#include "model/memory.h"
#include "model/model.h"
#include "model/presets.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "model/testing/tiny_model.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

TEST(SampleModel, HasTheShapesAndTypesOfTheWhole) {
  const testing::ModelTestContext context;
  const testing::TemporaryFolder folder;
  const auto tiny =
      testing::make_tiny_model(*context, folder.path() / "tiny.gguf", DataType::kQ8_0);
  const ModelShape shape = model_shape(*tiny.file);
  const auto whole = sample_model(shape, 2);
  ASSERT_EQ(whole->tensors().size(), tiny.file->tensors().size());
  for (const TensorEntry& entry : tiny.file->tensors()) {
    const TensorEntry& sample = whole->require(entry.name);
    EXPECT_EQ(sample.type, entry.type) << entry.name;
    EXPECT_EQ(sample.shape, entry.shape) << entry.name;
    EXPECT_EQ(sample.load().bytes.size(), entry.byte_count()) << entry.name;
  }
  EXPECT_EQ(Model::load(*context, whole)->weight_bytes(), tiny.model->weight_bytes());
}

TEST(SampleModel, TakesLayersFromAllOver) {
  ModelShape shape = model_shape(preset_config("bench-15m"), DataType::kQ8_0);
  for (ModelShape::Tensor& tensor : shape.tensors) {  // as mixtures of types have it
    if (tensor.spec.name.starts_with("blk.3.ffn_")) tensor.type = DataType::kF16;
  }
  const auto sample = sample_model(shape, 2);  // layers 0 and 3
  EXPECT_EQ(sample->require("blk.0.ffn_up.weight").type, DataType::kQ8_0);
  EXPECT_EQ(sample->require("blk.1.ffn_up.weight").type, DataType::kF16);
  EXPECT_EQ(sample->find("blk.2.ffn_up.weight"), nullptr);
  EXPECT_EQ(read_model_config(*sample).layer_count, 2);
}

TEST(SampleModel, LayersAreWhatIsLeftOfAllWeights) {
  const ModelConfig config = preset_config("bench-15m");
  const ModelShape shape = model_shape(config, DataType::kF16);
  const double layer = 4.0 * 288 * 288 + 3.0 * 288 * 768;
  EXPECT_EQ(shape.layer_weight_count(), 6 * layer);
  EXPECT_EQ(shape.layer_weight_bytes(), 6 * layer * 2);
}

TEST(SampleModel, EveryArchitectureCanBeSampled) {
  const testing::ModelTestContext context;
  for (const Architecture* architecture : architectures()) {
    const ModelConfig config = testing::tiny_config(architecture->name);
    const auto model = Model::load(*context, sample_model(model_shape(config, DataType::kF16), 1));
    SpeedRun run(*context, *model, {.slots = 8, .batch_tokens = 4});
    run.read(0, 0, 4, true);
    run.step(4);
    EXPECT_EQ(model->config().layer_count, 1) << architecture->name;
  }
}

TEST(SampleModel, CanBeComputedWith) {
  const testing::ModelTestContext context;
  const auto file = sample_model(model_shape(preset_config("bench-15m"), DataType::kQ4_0), 1);
  const auto model = Model::load(*context, file);
  EXPECT_TRUE(context.warnings().empty());
  SpeedRun run(*context, *model, {.slots = 64, .sequence_count = 2, .batch_tokens = 16});
  run.read(1, 0, 16, true);
  run.skip_to(32);
  run.step(32);
  run.step_hidden(33);
  EXPECT_EQ(run.cache_bytes(), 2 * 2 * 32 * 2 * 288 * 2u) << "two blocks for each sequence";
}

}  // namespace
}  // namespace minim
