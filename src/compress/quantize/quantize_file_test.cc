#include "compress/quantize/quantize_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "formats/gguf/gguf_writer.h"
#include "model/testing/sequence.h"
#include "model/testing/tiny_file.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

class QuantizeFileTest : public ::testing::Test {
 protected:
  const QuantizedTensor& tensor(const QuantizeReport& report, std::string_view name) const {
    for (const QuantizedTensor& entry : report.tensors) {
      if (entry.name == name) return entry;
    }
    throw std::runtime_error("no tensor " + std::string(name));
  }

  // A file with one matrix of `cols` columns and two rows, all values `value`.
  std::shared_ptr<const ModelFile> one_matrix(int64_t cols, float value) const {
    const Path path = folder_.path() / "one.gguf";
    Metadata metadata;
    metadata.set_string("general.architecture", "llama");
    GgufWriter writer(path, metadata,
                      {{"blk.0.ffn_up.weight", DataType::kF32, 2, {cols, 2, 1, 1}}});
    const std::vector<float> values(static_cast<size_t>(2 * cols), value);
    writer.write(std::as_bytes(std::span(values)));
    writer.commit();
    return open_model_file(path);
  }

  testing::TemporaryFolder folder_;
  testing::ModelTestContext context_;
  Path output_ = folder_.path() / "out.gguf";
  testing::TinyModel tiny_ = testing::make_tiny_model(*context_, folder_.path() / "tiny.gguf");
};

TEST_F(QuantizeFileTest, EveryTypeIsWrittenAndRuns) {
  for (const DataTypeInfo& info : data_types()) {
    if (!info.is_weight || 32 % info.block_values != 0) continue;  // rows here have 64 and 96
    const auto report = quantize_file(*context_, *tiny_.file, output_, {.type = info.type});
    const auto copy = testing::open_tiny_model(*context_, output_);
    EXPECT_EQ(copy.file->require("blk.0.ffn_up.weight").type, info.type);
    EXPECT_EQ(copy.file->require("blk.0.attn_norm.weight").type, DataType::kF32);
    uint64_t bytes = 0;
    for (const TensorEntry& entry : copy.file->tensors()) bytes += entry.byte_count();
    EXPECT_EQ(bytes, report.bytes_after) << info.name;
    EXPECT_LT(report.error(), 0.2) << info.name;
  }
}

TEST_F(QuantizeFileTest, TheErrorReportedIsTheErrorMade) {
  const auto report = quantize_file(*context_, *tiny_.file, output_, {.type = DataType::kQ4_0});
  const auto copy = open_model_file(output_);
  const TensorEntry& before = tiny_.file->require("blk.1.ffn_down.weight");
  const TensorEntry& after = copy->require("blk.1.ffn_down.weight");
  const TensorBytes original = before.load();
  WeightMemory memory;
  const WeightMatrix exact =
      WeightMatrix::pack(*context_, before.type, before.shape[1], before.shape[0], original.bytes,
                         original.owner, memory);
  const TensorBytes stored = after.load();
  const WeightMatrix rounded = WeightMatrix::pack(
      *context_, after.type, after.shape[1], after.shape[0], stored.bytes, stored.owner, memory);
  std::vector<float> a(96), b(96);
  double squares = 0, errors = 0;
  for (int64_t row = 0; row < 64; ++row) {
    exact.dequantize_row(row, a.data());
    rounded.dequantize_row(row, b.data());
    for (size_t i = 0; i < a.size(); ++i) {
      squares += double{a[i]} * double{a[i]};
      errors += (double{a[i]} - double{b[i]}) * (double{a[i]} - double{b[i]});
    }
  }
  EXPECT_NEAR(tensor(report, before.name).error, std::sqrt(errors / squares), 1e-6);
  EXPECT_EQ(tensor(report, "blk.0.attn_norm.weight").error, 0);
}

TEST_F(QuantizeFileTest, TheHeadKeepsEightBitsUnlessAskedOtherwise) {
  QuantizeOptions options = {.type = DataType::kQ4_0};
  auto report = plan_quantization(*tiny_.file, options);
  EXPECT_EQ(tensor(report, "output.weight").to, DataType::kQ8_0);
  EXPECT_EQ(tensor(report, "token_embd.weight").to, DataType::kQ4_0);
  options.head_type = DataType::kQ4_1;
  report = plan_quantization(*tiny_.file, options);
  EXPECT_EQ(tensor(report, "output.weight").to, DataType::kQ4_1);
  options.type = DataType::kF16;
  options.head_type.reset();
  report = plan_quantization(*tiny_.file, options);
  EXPECT_EQ(tensor(report, "output.weight").to, DataType::kF16);
}

TEST_F(QuantizeFileTest, RulesComeFirst) {
  QuantizeOptions options = {.type = DataType::kQ4_0};
  options.rules = {{"blk.1.ffn_down", DataType::kQ8_0}, {"ffn_", DataType::kQ5_1}};
  const auto report = plan_quantization(*tiny_.file, options);
  EXPECT_EQ(tensor(report, "blk.1.ffn_down.weight").to, DataType::kQ8_0);
  EXPECT_EQ(tensor(report, "blk.0.ffn_down.weight").to, DataType::kQ5_1);
  EXPECT_EQ(tensor(report, "blk.0.attn_q.weight").to, DataType::kQ4_0);
  options.rules = {{"no_such_tensor", DataType::kQ8_0}};
  EXPECT_THROW(plan_quantization(*tiny_.file, options), Error);
}

TEST_F(QuantizeFileTest, RowsThatAreNoWholeBlocksAreAnErrorOrTheFallback) {
  QuantizeOptions options = {.type = DataType::kQ4_K};  // blocks of 256
  EXPECT_THROW(plan_quantization(*tiny_.file, options), Error);
  options.fallback_type = DataType::kQ8_0;
  const auto report = plan_quantization(*tiny_.file, options);
  EXPECT_EQ(tensor(report, "blk.0.attn_q.weight").to, DataType::kQ8_0);
  EXPECT_TRUE(tensor(report, "blk.0.attn_q.weight").fallback);
  EXPECT_FALSE(tensor(report, "output.weight").fallback);
  options.fallback_type = DataType::kQ5_K;
  EXPECT_THROW(plan_quantization(*tiny_.file, options), Error);
}

TEST_F(QuantizeFileTest, QuantizingTwiceNeedsConsent) {
  quantize_file(*context_, *tiny_.file, output_, {.type = DataType::kQ8_0});
  const auto once = open_model_file(output_);
  EXPECT_THROW(plan_quantization(*once, {.type = DataType::kQ4_0}), Error);
  EXPECT_NO_THROW(plan_quantization(*once, {.type = DataType::kF16}));
  EXPECT_NO_THROW(plan_quantization(*once, {.type = DataType::kQ4_0, .allow_requantize = true}));
}

TEST_F(QuantizeFileTest, WeightsThatAreNoNumbersAreRefusedAndTheTargetStays) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const auto file = one_matrix(32, bad);
    quantize_file(*context_, *tiny_.file, output_, {.type = DataType::kQ8_0});
    const auto size = std::filesystem::file_size(output_);
    try {
      quantize_file(*context_, *file, output_, {.type = DataType::kQ8_0});
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
      EXPECT_NE(std::string(error.what()).find("blk.0.ffn_up.weight"), std::string::npos);
    }
    EXPECT_EQ(std::filesystem::file_size(output_), size);
  }
}

TEST_F(QuantizeFileTest, TheSameBytesAtAnyThreadCount) {
  std::string first;
  for (const int threads : {1, 2, 5}) {
    const testing::ModelTestContext context(threads);
    quantize_file(*context, *tiny_.file, output_, {.type = DataType::kQ5_0});
    const std::string bytes = read_file(output_);
    if (first.empty()) first = bytes;
    EXPECT_EQ(bytes, first);
  }
}

TEST_F(QuantizeFileTest, StoppedHalfwayNothingIsLeftBehind) {
  EXPECT_THROW(quantize_file(*context_, *tiny_.file, output_,
                             {.type = DataType::kQ8_0,
                              .progress = [](const Progress& p) { return p.done < p.total / 2; }}),
               Error);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    ++files;
  }
  EXPECT_EQ(files, 1);  // the input
}

}  // namespace
}  // namespace minim
