// Trained graphs against those that run, against finite differences, and against PyTorch:
// tests/golden/train, made by scripts/golden/train.py.
#include "train/graph.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "model/architecture.h"
#include "model/model.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_model.h"
#include "tests/support/test_data.h"
#include "train/ops/head.h"
#include "train/optim/optimizer.h"
#include "train/testing/gradient_check.h"
#include "train/train_model.h"

namespace minim::train {
namespace {

using minim::testing::forward_all;
using minim::testing::ModelTestContext;
using minim::testing::TemporaryFolder;
using minim::testing::TestSequence;
using minim::testing::tiny_config;

std::vector<int32_t> some_tokens(int64_t count, int vocabulary, uint64_t seed = 3) {
  Rng rng(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary)));
  }
  return tokens;
}

// Every tensor random, so that none of them could be left out unseen.
void randomize(ParameterSet& parameters, uint64_t seed) {
  Rng rng(seed);
  for (const ParameterInfo& info : parameters.infos()) {
    float* values = parameters.values().data() + info.offset;
    for (int64_t i = 0; i < info.count(); ++i) {
      values[i] = 0.2f * rng.normal() + (info.spec.kind == TensorKind::kNorm ? 1.0f : 0.0f);
    }
  }
}

std::vector<float> train_logits(const Context& context, const TrainModel& model,
                                std::span<const int32_t> tokens) {
  BufferPool pool;
  Tape tape(context, pool, {.record = false});
  const TokenLayout layout = make_token_layout(1, static_cast<int64_t>(tokens.size()));
  const Variable hidden = model.forward(tape, {tokens, layout});
  const int64_t vocabulary = model.config().vocabulary_size;
  std::vector<float> logits(tokens.size() * static_cast<size_t>(vocabulary));
  const MatrixView out{logits.data(), hidden.rows, vocabulary, vocabulary};
  gemm(context, hidden.view(), model.head().view(), out, {.transpose_b = true});
  if (model.config().final_soft_cap > 0.0f) soft_cap(context, model.config().final_soft_cap, out);
  return logits;
}

std::vector<float> runtime_logits(const Context& context, const Path& path,
                                  std::span<const int32_t> tokens) {
  const auto model = Model::load(context, open_model_file(path));
  TestSequence sequence(*model, 64);
  return forward_all(context, *model, sequence, tokens);
}

void expect_same_logits(std::span<const float> found, std::span<const float> expected,
                        float tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  float worst = 0.0f;
  for (size_t i = 0; i < found.size(); ++i) {
    const float error = std::abs(found[i] - expected[i]);
    worst = error <= worst ? worst : error;  // a NaN sticks
  }
  EXPECT_LE(worst, tolerance);
}

class GraphTest : public ::testing::TestWithParam<const Architecture*> {
 protected:
  ModelConfig config() const {
    ModelConfig config = tiny_config(GetParam()->name);
    if (config.architecture == "gemma3") {
      config.layer_count = 6;  // five local ones and one that sees all
      config.attention_soft_cap = 5.0f;
      config.final_soft_cap = 3.0f;
    }
    return config;
  }
  ModelTestContext context_;
};

TEST_P(GraphTest, LogitsAreTheRuntimes) {
  TrainModel model(*context_, config(), {}, {});
  randomize(model.parameters(), 5);
  const TemporaryFolder folder;
  const Path path = folder.path() / "m.gguf";
  export_model(*context_, model, model.parameters().values(), path);
  const auto tokens = some_tokens(40, model.config().vocabulary_size);
  expect_same_logits(train_logits(*context_, model, tokens),
                     runtime_logits(*context_, path, tokens), 5e-4f);
  EXPECT_TRUE(context_.warnings().empty()) << context_.warnings().front();

  // And back: the exported file is loaded for training again, the same to the bit.
  const TrainModel again(*context_, *open_model_file(path), {}, ParameterSet::Memory::kValues);
  EXPECT_TRUE(again.parameters().gradients().empty());
  EXPECT_FALSE(again.head().trains);
  EXPECT_TRUE(std::ranges::equal(again.parameters().values(), model.parameters().values()));
}

TEST_P(GraphTest, HalfPrecisionExportsAreNear) {
  TrainModel model(*context_, config(), {}, {});
  const TemporaryFolder folder;
  const auto tokens = some_tokens(20, model.config().vocabulary_size);
  for (const DataType type : {DataType::kF16, DataType::kBf16}) {
    const Path path = folder.path() / "m.gguf";
    export_model(*context_, model, model.parameters().values(), path, {.type = type});
    expect_same_logits(train_logits(*context_, model, tokens),
                       runtime_logits(*context_, path, tokens), 2e-2f);
  }
}

struct LossAndGradients {
  double loss;
  std::vector<float> gradients;
};

// Two rows, one of them two documents.
LossAndGradients go_back(const Context& context, TrainModel& model, bool record) {
  const auto inputs = some_tokens(32, model.config().vocabulary_size, 8);
  const auto targets = some_tokens(32, model.config().vocabulary_size, 9);
  std::vector<int32_t> starts(32, 0);
  for (size_t i = 16 + 7; i < 32; ++i) starts[i] = 7;
  const TokenLayout layout = make_token_layout(16, starts);
  EXPECT_EQ(layout.segments.size(), 3u);
  const std::vector<float> weights(32, 1.0f);
  model.parameters().clear_gradients(context);
  BufferPool pool;
  Tape tape(context, pool, {.record = record, .seed = 7});
  double loss = 0;
  {
    const Variable hidden = model.forward(tape, {inputs, layout});
    const CrossEntropyOptions options = {{model.config().final_soft_cap, 1.0f / 32}, 1e-3f};
    loss = cross_entropy(tape, hidden, model.head(), targets, weights, options).loss / 32;
    loss += tape.auxiliary_loss();
  }
  tape.backward();
  const auto gradients = model.parameters().gradients();
  return {loss, {gradients.begin(), gradients.end()}};
}

TEST_P(GraphTest, GradientsAreTheSlopesOfTheLoss) {
  TrainModel model(*context_, config(), {}, {}, {.dropout = 0.1f, .balance_weight = 0.05f});
  randomize(model.parameters(), 6);
  const LossAndGradients found = go_back(*context_, model, true);
  Rng rng(minim::testing::test_seed());
  const auto values = model.parameters().values();
  const std::vector<float> before(values.begin(), values.end());
  for (const ParameterInfo& info : model.parameters().infos()) {
    SCOPED_TRACE(info.spec.name);
    std::vector<float> along(static_cast<size_t>(info.count()));
    double want = 0;
    double size = 0;
    for (size_t i = 0; i < along.size(); ++i) {
      along[i] = rng.normal();
      const double part = along[i] * found.gradients[static_cast<size_t>(info.offset) + i];
      want += part;
      size += part * part;
    }
    // A token that goes to another expert has no slope: smaller steps, less exact.
    const bool routed = model.config().expert_count > 0;
    const float step = routed ? 1e-4f : 1e-3f;
    const auto at = [&](float by) {
      for (size_t i = 0; i < along.size(); ++i) {
        const size_t place = static_cast<size_t>(info.offset) + i;
        values[place] = before[place] + by * along[i];
      }
      return go_back(*context_, model, false).loss;
    };
    const double slope = (at(step) - at(-step)) / (2.0 * step);
    std::copy(before.begin(), before.end(), values.begin());
    EXPECT_NEAR(slope, want, (routed ? 3e-2 : 1e-2) * (std::sqrt(size) + std::abs(want)) + 2e-3);
  }
}

TEST_P(GraphTest, RecomputationAndThreadsGiveTheSameBits) {
  std::vector<std::vector<float>> found;
  for (const int threads : {1, 3}) {
    for (const bool recompute : {false, true}) {
      const ModelTestContext context(threads);
      const GraphOptions options = {0.1f, recompute, 0.05f};
      TrainModel model(*context, config(), {}, {}, options);
      randomize(model.parameters(), 6);
      found.push_back(go_back(*context, model, true).gradients);
      EXPECT_EQ(found.back(), found.front()) << threads << " threads, recomputed: " << recompute;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GraphTest,
                         ::testing::ValuesIn(architectures().begin(), architectures().end()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST(TrainModelTest, BiasesAndQuantisedWeightsComeFromFiles) {
  const ModelTestContext context;
  const Path folder = minim::testing::golden_path("golden/model");
  for (const char* name : {"llama-mqa-bias", "phi3-long-partial", "llama-yarn", "qwen2-untied"}) {
    SCOPED_TRACE(name);
    const auto file = open_model_file(folder / name);
    const TrainModel model(*context, *file);
    const auto runtime = Model::load(*context, file);
    const auto tokens = some_tokens(24, model.config().vocabulary_size);
    TestSequence sequence(*runtime, 64);
    expect_same_logits(train_logits(*context, model, tokens),
                       forward_all(*context, *runtime, sequence, tokens), 1e-4f);
  }
}

TEST(TrainModelTest, WhatMakesNoSenseIsRefused) {
  const ModelTestContext context;
  ModelConfig config = tiny_config();
  TrainModel model(*context, config, {}, {});
  const TemporaryFolder folder;
  const Path path = folder.path() / "m.gguf";
  const auto values = model.parameters().values();
  EXPECT_THROW(export_model(*context, model, values, path, {.type = DataType::kQ4_0}), Error);
  EXPECT_THROW(export_model(*context, model, values.first(10), path), Error);
  values[3] = NAN;
  EXPECT_THROW(export_model(*context, model, values, path), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THROW(TrainModel(*context, config, {}, {}, {.dropout = 1.0f}), Error);
  config.kv_head_count = 3;
  EXPECT_THROW(TrainModel(*context, config, {}, {}), Error);
}

// ---- PyTorch -----------------------------------------------------------------------------------

std::vector<float> read_floats(const Path& path) {
  const std::string bytes = read_file(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

class TorchTest : public ::testing::TestWithParam<const char*> {
 protected:
  Path folder() const { return minim::testing::golden_path("golden/train") / GetParam(); }

  ModelConfig make_config(const Json& expected) const {
    ModelConfig config = tiny_config(GetParam());
    config.layer_count = expected["layers"];
    config.dim = expected["dim"];
    config.head_count = expected["heads"];
    config.kv_head_count = expected["kv_heads"];
    config.head_dim = expected["head_dim"];
    config.ffn_dim = expected["ffn"];
    config.vocabulary_size = expected["vocabulary"];
    config.context_length = expected["tokens"];
    config.tied_embeddings = expected["tied"];
    config.norm_epsilon = expected["epsilon"];
    config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
    config.rope.dimension_count = config.head_dim;
    config.rope.original_context_length = config.context_length;
    find_architecture(config.architecture).set_defaults(config);
    return config;
  }

  // The file's tensors, in its order, as our parameters.
  template <typename Body>
  static void for_each_tensor(const Json& expected, const ParameterSet& parameters, Body&& body) {
    size_t at = 0;
    for (const Json& tensor : expected["tensors"]) {
      const auto name = tensor["name"].get<std::string>();
      const ParameterInfo* info = parameters.find(name);
      ASSERT_NE(info, nullptr) << name;
      body(*info, at);
      at += static_cast<size_t>(info->count());
    }
  }

  ModelTestContext context_;
};

TEST_P(TorchTest, TenStepsAgree) {
  const Json expected = parse_json(read_file(folder() / "expected.json"), "expected.json");
  TrainModel model(*context_, make_config(expected), {}, {});
  ParameterSet& parameters = model.parameters();
  const auto weights = read_floats(folder() / "weights.bin");
  ASSERT_EQ(weights.size(), static_cast<size_t>(parameters.parameter_count()));
  for_each_tensor(expected, parameters, [&](const ParameterInfo& info, size_t at) {
    std::copy_n(weights.data() + at, info.count(), parameters.values().data() + info.offset);
  });
  OptimizerOptions options;
  options.learning_rate = expected["rate"];
  options.beta1 = expected["beta1"];
  options.beta2 = expected["beta2"];
  options.epsilon = expected["adam_epsilon"];
  options.weight_decay = expected["decay"];
  const auto optimizer = make_optimizer(parameters, options);
  const TokenLayout layout =
      make_token_layout(expected["rows"].get<int64_t>(), expected["tokens"].get<int64_t>());
  const auto count = static_cast<size_t>(layout.token_count());
  const std::vector<float> ones(count, 1.0f);
  for (size_t step = 0; step < expected["losses"].size(); ++step) {
    SCOPED_TRACE(step);
    const auto inputs = expected["inputs"][step].get<std::vector<int32_t>>();
    const auto targets = expected["targets"][step].get<std::vector<int32_t>>();
    parameters.clear_gradients(*context_);
    BufferPool pool;
    Tape tape(*context_, pool);
    double loss = 0;
    {
      const Variable hidden = model.forward(tape, {inputs, layout});
      const float share = 1.0f / static_cast<float>(count);
      loss = cross_entropy(tape, hidden, model.head(), targets, ones,
                           {{0.0f, share}, expected["z_loss"]})
                 .loss *
             double{share};
    }
    tape.backward();
    EXPECT_NEAR(loss, expected["losses"][step].get<double>(), 2e-5);
    const double norm = gradient_norm(*context_, parameters);
    EXPECT_NEAR(norm, expected["norms"][step].get<double>(), 1e-4 * norm);
    if (step == 0) {
      const auto gradients = read_floats(folder() / "gradients.bin");
      for_each_tensor(expected, parameters, [&](const ParameterInfo& info, size_t at) {
        for (size_t i = 0; i < static_cast<size_t>(info.count()); ++i) {
          const float found = parameters.gradients()[static_cast<size_t>(info.offset) + i];
          ASSERT_NEAR(found, gradients[at + i], 2e-6 + 2e-5 * std::abs(gradients[at + i]))
              << info.spec.name << " " << i;
        }
      });
    }
    const float clip = expected["clip"];
    optimizer->step(
        *context_, parameters,
        {static_cast<int64_t>(step), 1.0f, norm > clip ? static_cast<float>(clip / norm) : 1.0f});
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TorchTest, ::testing::Values("llama", "qwen3", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace minim::train
