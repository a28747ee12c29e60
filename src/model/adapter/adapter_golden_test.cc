// Adapters that PEFT saved against what PEFT computes with them: tests/golden/adapter, made by
// scripts/golden/adapters.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/adapter/adapter.h"
#include "model/testing/sequence.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::forward_all;
using testing::golden_path;
using testing::ModelTestContext;
using testing::TestChunk;
using testing::TestSequence;

class PeftGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(PeftGolden, LogitsArePefts) {
  const ModelTestContext context;
  const Path base = golden_path("golden/model") / GetParam();
  const Path folder = golden_path("golden/adapter") / GetParam();
  const auto model =
      Model::load(*context, open_model_file(base), {.precision = MatmulPrecision::kFloat32});
  const AdapterSet set({{Adapter::load(*context, model, folder), 1.0f}});
  const auto prompt = parse_json(read_file(base / "expected.json"), "expected.json")["prompt"]
                          .get<std::vector<int32_t>>();
  const std::string bytes = read_file(folder / "logits.bin");
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());

  TestSequence sequence(*model, 64);
  const TestChunk chunk{&sequence, prompt, &set};
  const std::vector<float> found = forward_all(*context, *model, {&chunk, 1});
  ASSERT_EQ(found.size(), expected.size());
  float worst = 0.0f;
  for (size_t i = 0; i < found.size(); ++i) {
    worst = std::max(worst, std::abs(found[i] - expected[i]));
  }
  EXPECT_LT(worst, 2e-4f);
}
INSTANTIATE_TEST_SUITE_P(Cases, PeftGolden,
                         ::testing::Values("llama-gqa-tied", "llama-mqa-bias", "qwen2-untied",
                                           "phi3-window", "gpt2"));

}  // namespace
}  // namespace minim
