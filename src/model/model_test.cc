#include "model/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/architecture.h"
#include "model/memory.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"

namespace minim {
namespace {

using testing::forward_all;
using testing::memory_file;
using testing::ModelTestContext;
using testing::random_tensors;
using testing::TestSequence;
using testing::tiny_config;
using testing::tiny_file;

void expect_error(const std::function<void()>& action, ErrorCode code, std::string_view part) {
  try {
    action();
    ADD_FAILURE() << "accepted; expected an error about " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

// Loads a tiny model whose tensors were changed.
void load_changed(const std::string& architecture,
                  const std::function<void(std::vector<TensorEntry>&)>& change,
                  ModelTestContext& context) {
  const ModelConfig config = tiny_config(architecture);
  Metadata metadata;
  write_model_config(config, metadata);
  auto tensors = random_tensors(config);
  change(tensors);
  Model::load(*context, memory_file(metadata, std::move(tensors)));
}

TEST(ModelTest, EveryMissingTensorIsNamed) {
  for (const Architecture* architecture : architectures()) {
    const size_t count = random_tensors(tiny_config(architecture->name)).size();
    for (size_t i = 0; i < count; ++i) {
      std::string name;
      ModelTestContext context;
      const auto remove = [&](std::vector<TensorEntry>& tensors) {
        name = tensors[i].name;
        tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
      };
      try {
        load_changed(architecture->name, remove, context);
        ADD_FAILURE() << architecture->name << " loads without " << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kFormat);
        EXPECT_NE(std::string(error.what()).find("'" + name + "'"), std::string::npos)
            << error.what();
      }
    }
  }
}

TEST(ModelTest, EveryWrongShapeIsNamed) {
  for (const Architecture* architecture : architectures()) {
    const size_t count = random_tensors(tiny_config(architecture->name)).size();
    for (size_t i = 0; i < 4 * count; ++i) {
      std::string name;
      ModelTestContext context;
      const auto grow = [&](std::vector<TensorEntry>& tensors) {
        name = tensors[i / 4].name;
        tensors[i / 4].shape[i % 4] += 1;
      };
      try {
        load_changed(architecture->name, grow, context);
        ADD_FAILURE() << architecture->name << " loads with a wrong " << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kFormat);
        EXPECT_NE(std::string(error.what()).find("'" + name + "'"), std::string::npos)
            << error.what();
      }
    }
  }
}

TEST(ModelTest, ShapesAreTold) {
  ModelTestContext context;
  const auto transpose = [](std::vector<TensorEntry>& tensors) {
    for (TensorEntry& tensor : tensors) {
      if (tensor.name == "blk.1.ffn_up.weight") std::swap(tensor.shape[0], tensor.shape[1]);
    }
  };
  expect_error([&] { load_changed("llama", transpose, context); }, ErrorCode::kFormat,
               "'blk.1.ffn_up.weight' is 32 x 64, but the metadata asks for 64 x 32");
}

TEST(ModelTest, TypesThatAreNoWeightsAreRefused) {
  for (const DataType type : {DataType::kI8, DataType::kI32, DataType::kF64}) {
    ModelTestContext context;
    const auto change = [&](std::vector<TensorEntry>& tensors) { tensors[2].type = type; };
    expect_error([&] { load_changed("llama", change, context); }, ErrorCode::kUnsupported,
                 "no type for weights");
  }
}

TEST(ModelTest, RowsMustBeWholeBlocks) {
  ModelTestContext context;
  const auto change = [&](std::vector<TensorEntry>& tensors) { tensors[0].type = DataType::kQ4_K; };
  expect_error([&] { load_changed("llama", change, context); }, ErrorCode::kFormat, "blocks");
}

// A reader's fault, or a file that shrank while it was read.
TEST(ModelTest, BytesMustMatchTheShape) {
  ModelTestContext context;
  const auto change = [&](std::vector<TensorEntry>& tensors) {
    tensors[1].load = [inner = tensors[1].load] {
      TensorBytes loaded = inner();
      loaded.bytes = loaded.bytes.first(loaded.bytes.size() - 4);
      return loaded;
    };
  };
  expect_error([&] { load_changed("llama", change, context); }, ErrorCode::kFormat, "bytes");
}

TEST(ModelTest, UnknownTensorsAreNamedInOneWarning) {
  ModelTestContext context;
  const auto add = [](std::vector<TensorEntry>& tensors) {
    for (int i = 0; i < 10; ++i) {
      tensors.push_back(tensors[1]);
      tensors.back().name = "extra." + std::to_string(i);
    }
  };
  load_changed("llama", add, context);
  ASSERT_EQ(context.warnings().size(), 1u);
  EXPECT_NE(context.warnings()[0].find("'extra.0'"), std::string::npos);
  EXPECT_NE(context.warnings()[0].find("2 more"), std::string::npos);
}

TEST(ModelTest, VocabularyMustMatchTheEmbeddings) {
  ModelConfig config = tiny_config();
  Metadata metadata;
  write_model_config(config, metadata);
  metadata.set_strings("tokenizer.ggml.tokens", {"a", "b"});
  const auto file = memory_file(metadata, random_tensors(config));
  ModelTestContext context;
  expect_error([&] { Model::load(*context, file); }, ErrorCode::kFormat, "2 tokens");
}

TEST(ModelTest, LongRopeNeedsItsFactors) {
  ModelConfig config = tiny_config("phi3");
  config.rope.scaling = RopeScaling::kLongRope;
  ModelTestContext context;
  expect_error([&] { Model::load(*context, tiny_file(config)); }, ErrorCode::kFormat,
               "rope_factors_long.weight");
}

TEST(ModelTest, RotaryFactorsMustBePositive) {
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    ModelTestContext context;
    const auto add = [&](std::vector<TensorEntry>& tensors) {
      TensorEntry factors;
      factors.name = "rope_freqs.weight";
      factors.shape = {4, 1, 1, 1};
      const auto values = std::make_shared<std::vector<float>>(4, 1.0f);
      values->back() = bad;
      factors.load = [values] {
        return TensorBytes{std::as_bytes(std::span<const float>(*values)), values};
      };
      tensors.push_back(factors);
    };
    expect_error([&] { load_changed("llama", add, context); }, ErrorCode::kFormat, "factors");
  }
}

TEST(ModelTest, LoadingCanBeStopped) {
  ModelTestContext context;
  LoadOptions options;
  uint64_t calls = 0;
  options.progress = [&](const Progress& progress) {
    EXPECT_LE(progress.done, progress.total);
    return ++calls < 3;
  };
  expect_error([&] { Model::load(*context, tiny_file(tiny_config()), options); },
               ErrorCode::kCancelled, "stopped");
  EXPECT_EQ(calls, 3u);
}

TEST(ModelTest, TiedEmbeddingsAreLoadedOnce) {
  ModelTestContext context;
  ModelConfig config = tiny_config();
  const auto tied = Model::load(*context, tiny_file(config));
  config.tied_embeddings = false;
  const auto untied = Model::load(*context, tiny_file(config));
  EXPECT_TRUE(tied->config().tied_embeddings);
  EXPECT_FALSE(untied->config().tied_embeddings);
  EXPECT_EQ(untied->weight_bytes() - tied->weight_bytes(), 48u * 32u * sizeof(float));
}

class BatchTest : public ::testing::Test {
 protected:
  BatchTest()
      : model_(Model::load(*context_, tiny_file(tiny_config()))),
        activations_(model_->config(), 4),
        sequence_(*model_, 8),
        chunks_{{0, 3, 0, sequence_.view()}} {}

  Batch batch() const { return {tokens_, positions_, chunks_, outputs_}; }
  void forward() {
    logits_.assign(outputs_.size() * 48, 0.0f);
    const auto rows = static_cast<int64_t>(outputs_.size());
    model_->forward(*context_, batch(), activations_, {logits_.data(), rows, 48, 48});
  }

  ModelTestContext context_;
  std::shared_ptr<const Model> model_;
  Activations activations_;
  TestSequence sequence_;
  std::vector<int32_t> tokens_ = {5, 6, 7};
  std::vector<int32_t> positions_ = {0, 1, 2};
  std::vector<SequenceChunk> chunks_;
  std::vector<int32_t> outputs_ = {0, 1, 2};
  std::vector<float> logits_;
};

TEST_F(BatchTest, OnlyTheWantedRowsAreComputed) {
  forward();
  const std::vector<float> all = logits_;
  for (const std::vector<int32_t>& outputs :
       {std::vector<int32_t>{2}, {0}, {0, 2}, {1, 2}, std::vector<int32_t>{}}) {
    outputs_ = outputs;
    forward();
    for (size_t i = 0; i < outputs.size(); ++i) {
      for (size_t token = 0; token < 48; ++token) {
        EXPECT_NEAR(logits_[i * 48 + token], all[static_cast<size_t>(outputs[i]) * 48 + token],
                    1e-5f);
      }
    }
  }
}

TEST_F(BatchTest, ABatchWithoutOutputsFillsTheCache) {
  forward();
  const std::vector<float> all = logits_;
  TestSequence fresh(*model_, 8);
  chunks_ = {{0, 2, 0, fresh.view()}};
  tokens_ = {5, 6};
  positions_ = {0, 1};
  outputs_ = {};
  forward();
  chunks_ = {{0, 1, 2, fresh.view()}};
  tokens_ = {7};
  positions_ = {2};
  outputs_ = {0};
  forward();
  for (size_t token = 0; token < 48; ++token) EXPECT_NEAR(logits_[token], all[96 + token], 1e-5f);
}

TEST_F(BatchTest, HiddenStatesGiveTheLogits) {
  forward();
  std::vector<float> hidden(3 * 32);
  model_->forward_hidden(*context_, batch(), activations_, {hidden.data(), 3, 32, 32});
  const TensorEntry& table = model_->file().require("token_embd.weight");
  const auto* weights = reinterpret_cast<const float*>(table.load().bytes.data());
  for (size_t row = 0; row < 3; ++row) {
    for (size_t token = 0; token < 48; ++token) {
      double sum = 0.0;
      for (size_t i = 0; i < 32; ++i) sum += hidden[row * 32 + i] * weights[token * 32 + i];
      EXPECT_NEAR(sum, logits_[row * 48 + token], 1e-4);
    }
  }
}

TEST_F(BatchTest, ContradictionsAreRefused) {
  const auto refused = [&](ErrorCode code, std::string_view part) {
    expect_error([&] { forward(); }, code, part);
  };
  tokens_[1] = 48;
  refused(ErrorCode::kInvalidArgument, "token 48");
  tokens_[1] = -1;
  refused(ErrorCode::kInvalidArgument, "token -1");
  tokens_[1] = 6;
  positions_[2] = -2;
  refused(ErrorCode::kInvalidArgument, "position -2");
  positions_ = {0, 1};
  refused(ErrorCode::kInvalidArgument, "positions");
  positions_ = {0, 1, 2};
  outputs_ = {1, 1};
  refused(ErrorCode::kInvalidArgument, "output row");
  outputs_ = {3};
  refused(ErrorCode::kInvalidArgument, "output row");
  outputs_ = {2};
  chunks_[0].first_slot = 6;
  refused(ErrorCode::kInvalidArgument, "slots");
  chunks_[0].first_slot = -1;
  refused(ErrorCode::kInvalidArgument, "slots");
  chunks_[0] = {0, 2, 0, sequence_.view()};
  refused(ErrorCode::kInvalidArgument, "cover");
  chunks_[0] = {1, 2, 0, sequence_.view()};
  refused(ErrorCode::kInvalidArgument, "row 0 is next");
  chunks_[0] = {0, std::numeric_limits<int64_t>::max(), 0, sequence_.view()};
  refused(ErrorCode::kInvalidArgument, "chunk");
  KvLayout foreign = model_->kv_layout(DataType::kF32);
  foreign.layer_count = 1;
  KvView view = sequence_.view();
  view.layout = &foreign;
  chunks_[0] = {0, 3, 0, view};
  refused(ErrorCode::kInvalidArgument, "another model");
  chunks_[0] = {0, 3, 0, sequence_.view()};
  tokens_.resize(5);
  refused(ErrorCode::kLimit, "5 tokens");
}

TEST(ModelTest, LearnedPositionsEnd) {
  ModelTestContext context;
  const auto model = Model::load(*context, tiny_file(tiny_config("gpt2")));
  TestSequence sequence(*model, 80);
  forward_all(*context, *model, sequence, std::vector<int32_t>(64, 3));
  expect_error([&] { forward_all(*context, *model, sequence, std::vector<int32_t>{3}); },
               ErrorCode::kLimit, "64");
}

TEST(ModelTest, ResultsDoNotDependOnTheThreads) {
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    const auto file = tiny_file(tiny_config(architecture->name));
    const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    std::vector<std::vector<float>> results;
    for (const int thread_count : {1, 3}) {
      ModelTestContext context(thread_count);
      const auto model = Model::load(*context, file);
      TestSequence sequence(*model, 16);
      results.push_back(forward_all(*context, *model, sequence, tokens));
    }
    EXPECT_EQ(results[0], results[1]);
  }
}

TEST(ModelTest, WeightsThatAreNotNumbersDoNoHarm) {
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    const ModelConfig config = tiny_config(architecture->name);
    Metadata metadata;
    write_model_config(config, metadata);
    auto tensors = random_tensors(config);
    for (TensorEntry& tensor : tensors) {
      const auto values = std::make_shared<std::vector<float>>(
          tensor.value_count(), std::numeric_limits<float>::quiet_NaN());
      tensor.load = [values] {
        return TensorBytes{std::as_bytes(std::span<const float>(*values)), values};
      };
    }
    ModelTestContext context;
    const auto model = Model::load(*context, memory_file(metadata, std::move(tensors)));
    TestSequence sequence(*model, 16);
    const auto logits = forward_all(*context, *model, sequence, std::vector<int32_t>{1, 2, 3});
    EXPECT_TRUE(std::isnan(logits.back()));
  }
}

TEST(MemoryTest, EstimateIsWhatIsUsed) {
  for (const Architecture* architecture : architectures()) {
    SCOPED_TRACE(architecture->name);
    const ModelConfig config = tiny_config(architecture->name);
    const auto file = tiny_file(config);
    ModelTestContext context;
    const auto model = Model::load(*context, file);
    MemoryOptions options;
    options.batch_rows_max = 16;
    options.outputs_max = 2;
    const MemoryEstimate estimate = estimate_memory(*file, options);
    EXPECT_EQ(estimate.weight_bytes, model->weight_bytes());
    EXPECT_EQ(estimate.weight_bytes, parameter_count(config) * sizeof(float));
    const KvLayout layout = model->kv_layout();
    EXPECT_EQ(estimate.kv_bytes_per_token * static_cast<size_t>(layout.block_tokens),
              layout.block_bytes());
    EXPECT_EQ(estimate.kv_bytes_per_token, 2u * 2u * 2u * 8u * 2u);
    for (const DataType type : {DataType::kF32, DataType::kQ8_0, DataType::kQ4_0}) {
      options.cache_type = type;
      EXPECT_EQ(estimate_memory(*file, options).kv_bytes_per_token * 32,
                model->kv_layout(type).block_bytes());
    }
    EXPECT_EQ(estimate.activation_bytes, Activations::bytes(config, 16) + 2u * 48u * sizeof(float));
    EXPECT_EQ(estimate_memory(config, DataType::kF32, options).weight_bytes, estimate.weight_bytes);
  }
}

TEST(ActivationsTest, ViewsLieInTheirMemory) {
  for (const Architecture* architecture : architectures()) {
    const ModelConfig config = tiny_config(architecture->name);
    Activations a(config, 5);
    std::vector<std::pair<const float*, const float*>> ranges;
    for (const MatrixView& view : {a.x, a.normed, a.qkv, a.attended, a.gate_up, a.out, a.router,
                                   a.expert_in, a.expert_out}) {
      if (view.cols == 0) continue;
      ranges.emplace_back(view.row(0), view.row(4) + view.cols);
      for (int64_t row = 0; row < 5; ++row) std::fill_n(view.row(row), view.cols, 1.0f);
    }
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i) EXPECT_LE(ranges[i - 1].second, ranges[i].first);
    const auto extent =
        static_cast<size_t>(ranges.back().second - ranges.front().first) * sizeof(float);
    EXPECT_LE(extent, Activations::bytes(config, 5));
    EXPECT_GE(extent + 512, Activations::bytes(config, 5));
  }
  for (const int64_t rows : {int64_t{0}, int64_t{-1}, int64_t{1} << 40}) {
    EXPECT_THROW(Activations(tiny_config(), rows), Error);
  }
}

}  // namespace
}  // namespace minim
