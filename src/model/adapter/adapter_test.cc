// Adapters against the same change made to the weights themselves, in every kind of graph.
#include "model/adapter/adapter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "formats/gguf/gguf_writer.h"
#include "kernels/quantize.h"
#include "model/testing/random_adapter.h"
#include "model/testing/sequence.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::adapter_changes;
using testing::entry_of;
using testing::forward_all;
using testing::golden_path;
using testing::kRandomRank;
using testing::ModelTestContext;
using testing::random_adapter;
using testing::TemporaryFolder;
using testing::TestChunk;
using testing::TestSequence;

std::vector<float> floats_of(const TensorEntry& entry) {
  const TensorBytes stored = entry.load();
  std::vector<float> values(static_cast<size_t>(entry.value_count()));
  kernels::dequantize_row(entry.type, stored.bytes.data(), values.data(), entry.value_count());
  return values;
}

// What `part`, at full weight, makes of the matrix.
std::vector<float> changed(std::vector<float> matrix, const AdapterPart& part) {
  const auto a = floats_of(part.a), b = floats_of(part.b);
  const auto cols = static_cast<size_t>(part.a.shape[0]);
  const auto magnitude = part.magnitude ? floats_of(*part.magnitude) : std::vector<float>();
  for (size_t row = 0; row < matrix.size() / cols; ++row) {
    double squares = 0.0;
    for (size_t col = 0; col < cols; ++col) {
      double sum = matrix[row * cols + col];
      for (size_t r = 0; r < kRandomRank; ++r) {
        sum += static_cast<double>(part.scale) * b[row * kRandomRank + r] * a[r * cols + col];
      }
      matrix[row * cols + col] = static_cast<float>(sum);
      squares += sum * sum;
    }
    if (magnitude.empty()) continue;
    for (size_t col = 0; col < cols; ++col) {
      matrix[row * cols + col] *= magnitude[row] / static_cast<float>(std::sqrt(squares));
    }
  }
  return matrix;
}

struct Weighted {
  const AdapterFile* adapter;
  float weight;
};

// The model with the changes in its weights.
std::shared_ptr<const ModelFile> merge(const ModelFile& file, std::span<const Weighted> adapters) {
  std::vector<TensorEntry> tensors;
  for (const TensorEntry& entry : file.tensors()) {
    if (!adapter_changes(entry)) {
      tensors.push_back(entry);
      continue;
    }
    const std::vector<float> original = floats_of(entry);
    std::vector<float> merged = original;
    for (const auto& [adapter, weight] : adapters) {
      for (const AdapterPart& part : adapter->parts) {
        if (part.target != entry.name) continue;
        const std::vector<float> other = changed(original, part);
        for (size_t i = 0; i < merged.size(); ++i) merged[i] += weight * (other[i] - original[i]);
      }
    }
    tensors.push_back(entry_of(entry.name, entry.shape[1], entry.shape[0], std::move(merged)));
  }
  return std::make_shared<const ModelFile>(file.path(), file.format(), file.metadata(),
                                           std::move(tensors));
}

std::vector<int32_t> some_tokens(int count, int seed) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((i * 31 + seed * 17 + 5) % 96);
  return tokens;
}

class AdapterTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const ModelFile> open(const char* name) const {
    return open_model_file(golden_path("golden/model") / name);
  }
  std::shared_ptr<const Model> load(std::shared_ptr<const ModelFile> file) const {
    return Model::load(*context_, std::move(file), {.precision = MatmulPrecision::kFloat32});
  }
  std::vector<float> logits(const Model& model, const AdapterSet* adapters,
                            const std::vector<int32_t>& tokens) const {
    TestSequence sequence(model, 64);
    const TestChunk chunk{&sequence, tokens, adapters};
    return forward_all(*context_, model, {&chunk, 1});
  }
  static void expect_near(const std::vector<float>& found, const std::vector<float>& expected,
                          const std::vector<float>& without) {
    ASSERT_EQ(found.size(), expected.size());
    float worst = 0.0f, change = 0.0f;
    for (size_t i = 0; i < found.size(); ++i) {
      worst = std::max(worst, std::abs(found[i] - expected[i]));
      change = std::max(change, std::abs(without[i] - expected[i]));
    }
    EXPECT_LT(worst, 2e-4f);
    EXPECT_GT(change, 0.05f) << "or nothing is shown";
  }

  ModelTestContext context_;
};

TEST_P(AdapterTest, ComputesWhatMergedWeightsCompute) {
  const auto file = open(GetParam());
  const auto model = load(file);
  const AdapterFile first = random_adapter(*file, 1, false);
  const AdapterFile second = random_adapter(*file, 2, true);
  const auto one = Adapter::load(*context_, model, first);
  const auto two = Adapter::load(*context_, model, second);
  EXPECT_EQ(one->part_count(), first.parts.size());
  EXPECT_EQ(one->rank_max(), kRandomRank);
  const std::vector<int32_t> tokens = some_tokens(20, 1);
  const std::vector<float> without = logits(*model, nullptr, tokens);

  const auto check = [&](std::vector<AdapterSet::Use> uses, std::vector<Weighted> same) {
    const AdapterSet set(std::move(uses));
    expect_near(logits(*model, &set, tokens), logits(*load(merge(*file, same)), nullptr, tokens),
                without);
  };
  check({{one, 1.0f}}, {{&first, 1.0f}});
  check({{one, -0.5f}}, {{&first, -0.5f}});
  check({{two, 1.0f}}, {{&second, 1.0f}});
  check({{two, 0.7f}, {one, 0.4f}}, {{&second, 0.7f}, {&first, 0.4f}});
}
INSTANTIATE_TEST_SUITE_P(Graphs, AdapterTest,
                         ::testing::Values("llama-mqa-bias", "qwen2-untied", "qwen3-wide-heads",
                                           "gemma3-window", "phi3-window", "gpt2"));

// Each row of a batch computes with the adapters of its sequence, to the last bit.
TEST_F(AdapterTest, SequencesOfABatchHaveTheirOwn) {
  const auto file = open("qwen2-untied");
  const auto model = load(file);
  const AdapterFile first = random_adapter(*file, 1, false);
  const AdapterFile second = random_adapter(*file, 2, true);
  const AdapterSet one({{Adapter::load(*context_, model, first), 1.0f}});
  const AdapterSet two({{Adapter::load(*context_, model, second), 1.0f}});
  const std::vector<const AdapterSet*> sets = {&two, nullptr, &one, &two};
  const std::vector<int> lengths = {1, 3, 12, 20};

  std::vector<float> together;
  std::vector<float> alone;
  std::vector<std::unique_ptr<TestSequence>> sequences;
  std::vector<TestChunk> chunks;
  for (size_t i = 0; i < sets.size(); ++i) {
    sequences.push_back(std::make_unique<TestSequence>(*model, 64));
    const std::vector<int32_t> tokens = some_tokens(lengths[i], static_cast<int>(i));
    chunks.push_back({sequences.back().get(), tokens, sets[i]});
    const std::vector<float> rows = logits(*model, sets[i], tokens);
    alone.insert(alone.end(), rows.begin(), rows.end());
  }
  together = forward_all(*context_, *model, chunks);
  EXPECT_EQ(together, alone);

  // The same where only some rows are computed to the end: the last of each sequence.
  std::vector<float> lasts;
  std::vector<int32_t> tokens, positions, outputs;
  std::vector<SequenceChunk> parts;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const auto begin = static_cast<int64_t>(tokens.size());
    sequences[i]->length = 0;
    parts.push_back({begin, lengths[i], 0, sequences[i]->view(), sets[i]});
    for (const int32_t token : chunks[i].tokens) {
      tokens.push_back(token);
      positions.push_back(static_cast<int32_t>(positions.size() - static_cast<size_t>(begin)));
    }
    outputs.push_back(static_cast<int32_t>(tokens.size()) - 1);
  }
  const int64_t width = model->config().vocabulary_size;
  Activations activations(model->config(), static_cast<int64_t>(tokens.size()));
  std::vector<float> found(outputs.size() * static_cast<size_t>(width));
  model->forward(*context_, {tokens, positions, parts, outputs}, activations,
                 {found.data(), static_cast<int64_t>(outputs.size()), width, width});
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (int64_t c = 0; c < width; ++c) {
      const auto at = static_cast<size_t>(c);
      EXPECT_NEAR(found[i * static_cast<size_t>(width) + at],
                  alone[static_cast<size_t>(outputs[i]) * static_cast<size_t>(width) + at], 1e-4)
          << "sequence " << i;
    }
  }
}

TEST_F(AdapterTest, FingerprintsTellWhatComputed) {
  const auto file = open("qwen2-untied");
  const auto model = load(file);
  const AdapterFile first = random_adapter(*file, 1, false);
  const auto one = Adapter::load(*context_, model, first);
  const auto again = Adapter::load(*context_, model, first);
  const auto other = Adapter::load(*context_, model, random_adapter(*file, 3, false));
  EXPECT_EQ(AdapterSet({{one, 1.0f}}).fingerprint(), AdapterSet({{again, 1.0f}}).fingerprint());
  EXPECT_NE(AdapterSet({{one, 1.0f}}).fingerprint(), AdapterSet({{one, 0.5f}}).fingerprint());
  EXPECT_NE(AdapterSet({{one, 1.0f}}).fingerprint(), AdapterSet({{other, 1.0f}}).fingerprint());
}

// The message of what `work` throws, which must be Error(`code`).
template <typename Work>
std::string refusal(ErrorCode code, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST_F(AdapterTest, RefusesMagnitudesThatAreNoNumbers) {
  const auto file = open("qwen2-untied");
  const auto model = load(file);
  AdapterFile adapter = random_adapter(*file, 2, true);
  const int64_t rows = adapter.parts[3].magnitude->value_count();
  adapter.parts[3].magnitude = entry_of(
      "some.lora_magnitude", 1, rows, std::vector<float>(static_cast<size_t>(rows), std::nanf("")));
  EXPECT_NE(refusal(ErrorCode::kFormat, [&] { Adapter::load(*context_, model, adapter); })
                .find("'some.lora_magnitude' is not finite"),
            std::string::npos);
}

TEST_F(AdapterTest, RefusesOtherModels) {
  const auto file = open("qwen2-untied");
  const auto model = load(file);
  const auto load_into = [&](const char* name, const AdapterFile& adapter) {
    return refusal(ErrorCode::kInvalidArgument,
                   [&] { Adapter::load(*context_, load(open(name)), adapter); });
  };
  AdapterFile adapter = random_adapter(*file, 1, false);
  EXPECT_NE(load_into("phi3-window", adapter).find("the architecture is phi3, not qwen2"),
            std::string::npos);
  adapter.architecture.clear();
  // The other model has tied embeddings.
  std::erase_if(adapter.parts, [](const auto& part) { return part.target == "output.weight"; });
  EXPECT_NE(load_into("qwen3-wide-heads", adapter).find("made for 'somebody/tiny'"),
            std::string::npos);
  EXPECT_NE(load_into("qwen3-wide-heads", adapter).find("where the adapter's is"),
            std::string::npos);
  EXPECT_NE(load_into("phi3-window", adapter).find("it has no matrix"), std::string::npos);
  adapter.architecture = "gemma3";
  EXPECT_NE(load_into("qwen2-untied", adapter).find("the architecture is qwen2, not gemma3"),
            std::string::npos);
  adapter.architecture = "qwen2";
  adapter.base_fingerprint = model->fingerprint() + 1;
  EXPECT_NE(load_into("qwen2-untied", adapter).find("the weights are others"), std::string::npos);
  adapter.base_fingerprint = model->fingerprint();
  EXPECT_NE(Adapter::load(*context_, model, adapter), nullptr);
  const AdapterSet set({{Adapter::load(*context_, model, adapter), 1.0f}});
  const auto twin = load(file);
  EXPECT_NE(refusal(ErrorCode::kInvalidArgument,
                    [&] {
                      logits(*twin, &set, {1, 2});
                    })
                .find("another model's"),
            std::string::npos);
}

}  // namespace
}  // namespace minim
