#include "formats/gguf/gguf_reader.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "formats/gguf/gguf_writer.h"
#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;
using testing::gguf_header;
using testing::gguf_tensor;
using testing::RawBytes;

std::shared_ptr<const ModelFile> read(const RawBytes& file) {
  const auto bytes = std::make_shared<testing::GuardedBytes>(file.bytes(), '\xa5');
  return read_gguf("test.gguf", bytes->bytes(), bytes);
}

void expect_format_error(const RawBytes& file, std::string_view part) {
  expect_error(ErrorCode::kFormat, part, [&] { read(file); });
}

// Every metadata type, an array of arrays, three tensors.
RawBytes sample() {
  RawBytes file = gguf_header(3, 9);
  file.counted("general.architecture").u32(8).counted("llama");
  file.counted("a.u8").u32(0).u8(255);
  file.counted("a.i64").u32(11).number<int64_t>(-5);
  file.counted("a.f64").u32(12).number(2.5);
  file.counted("a.bool").u32(7).u8(1);
  file.counted("a.strings").u32(9).u32(8).u64(2).counted("x").counted("yz");
  file.counted("a.i16s").u32(9).u32(3).u64(2).number<int16_t>(-3).number<int16_t>(4);
  file.counted("a.nested").u32(9).u32(9).u64(2);
  file.u32(7).u64(1).u8(1).u32(6).u64(1).f32(0.5f);
  file.counted("general.alignment").u32(4).u32(16);
  gguf_tensor(file, "one", {3}, 0, 0);
  gguf_tensor(file, "two", {32, 2}, 8, 16);
  gguf_tensor(file, "three", {1, 1, 1, 2}, 1, 96);
  file.align(16);
  for (int i = 0; i < 100; ++i) file.u8(static_cast<uint8_t>(i));
  return file;
}

TEST(GgufReader, ReadsEveryMetadataType) {
  const auto model = read(sample());
  const Metadata& metadata = model->metadata();
  EXPECT_EQ(metadata.require_string("general.architecture"), "llama");
  EXPECT_EQ(metadata.integer("a.u8"), 255);
  EXPECT_EQ(metadata.integer("a.i64"), -5);
  EXPECT_EQ(metadata.number("a.f64"), 2.5);
  EXPECT_EQ(metadata.boolean("a.bool"), true);
  EXPECT_EQ(*metadata.strings("a.strings"), (std::vector<std::string>{"x", "yz"}));
  EXPECT_EQ(metadata.integers("a.i16s"), (std::vector<int64_t>{-3, 4}));
  const auto& nested = std::get<MetadataArray>(metadata.find("a.nested")->value);
  const auto& inner = std::get<std::vector<MetadataArray>>(nested.values);
  ASSERT_EQ(inner.size(), 2u);
  EXPECT_EQ(std::get<std::vector<uint64_t>>(inner[0].values), std::vector<uint64_t>{1});
  EXPECT_EQ(std::get<std::vector<double>>(inner[1].values), std::vector<double>{0.5});
  EXPECT_EQ(metadata.entries()[1].first, "a.u8");
}

TEST(GgufReader, ReadsTensorsInPlace) {
  const auto model = read(sample());
  ASSERT_EQ(model->tensors().size(), 3u);
  const TensorEntry& two = model->require("two");
  EXPECT_EQ(two.type, DataType::kQ8_0);
  EXPECT_EQ(two.rank, 2);
  EXPECT_EQ(two.shape, (std::array<int64_t, 4>{32, 2, 1, 1}));
  EXPECT_EQ(two.byte_count(), 68u);
  const TensorBytes data = two.load();
  ASSERT_EQ(data.bytes.size(), 68u);
  EXPECT_EQ(data.bytes[0], std::byte{16});
  EXPECT_EQ(data.bytes[67], std::byte{83});
  EXPECT_EQ(model->find("four"), nullptr);
  expect_error(ErrorCode::kFormat, "'four'", [&] { model->require("four"); });
}

TEST(GgufReader, TensorBytesOutliveTheModel) {
  auto model = read(sample());
  const TensorBytes data = model->require("one").load();
  model.reset();
  EXPECT_EQ(data.bytes[3], std::byte{3});
}

TEST(GgufReader, ReadsVersion2) {
  RawBytes file = gguf_header(0, 1, 2);
  file.counted("k").u32(0).u8(7);
  EXPECT_EQ(read(file)->metadata().integer("k"), 7);
}

TEST(GgufReader, RefusesOtherVersionsAndByteOrders) {
  for (const uint32_t version : {0u, 1u, 4u, 0xffffffffu}) {
    expect_error(ErrorCode::kUnsupported, "version", [&] { read(gguf_header(0, 0, version)); });
  }
  expect_error(ErrorCode::kUnsupported, "big-endian", [] { read(gguf_header(0, 0, 0x03000000)); });
  expect_format_error(RawBytes("GGML____________________"), "does not start with 'GGUF'");
}

TEST(GgufReader, RefusesOnePartOfSeveral) {
  RawBytes file = gguf_header(0, 2);
  file.counted("split.no").u32(2).number<uint16_t>(1).counted("split.count").u32(2);
  file.number<uint16_t>(3);
  expect_error(ErrorCode::kUnsupported, "one of 3 parts", [&] { read(file); });
}

TEST(GgufReader, EveryTruncationIsACleanErrorOrTheSameResult) {
  testing::try_every_truncation(sample().bytes(), [](std::span<const std::byte> bytes) {
    return testing::describe_model(*read_gguf("cut.gguf", bytes, nullptr));
  });
}

TEST(GgufReader, EveryBitFlipIsACleanErrorOrReadsInsideTheFile) {
  const std::string file = sample().bytes();
  testing::try_every_bit_flip(file, file.size(), [](std::span<const std::byte> bytes) {
    const auto model = read_gguf("flipped.gguf", bytes, nullptr);
    for (const TensorEntry& tensor : model->tensors()) {
      const auto data = tensor.load().bytes;
      EXPECT_GE(data.data(), bytes.data());
      EXPECT_LE(data.data() + data.size(), bytes.data() + bytes.size());
    }
    return testing::describe_model(*model);
  });
}

// CVE-2024-23605: the count of keys overflows the allocation.
TEST(GgufThreats, KeyCountBeyondTheFile) {
  for (const uint64_t count : {uint64_t{2}, uint64_t{1} << 32, uint64_t{1} << 60, ~uint64_t{0}}) {
    RawBytes file = gguf_header(0, count);
    file.counted("k").u32(0).u8(7);
    expect_format_error(file, "keys, more than fit");
  }
}

TEST(GgufThreats, TensorCountBeyondTheFile) {
  for (const uint64_t count : {uint64_t{1}, uint64_t{1} << 40, ~uint64_t{0}}) {
    expect_format_error(gguf_header(count, 0), "tensors, more than fit");
  }
}

RawBytes one_tensor(std::initializer_list<uint64_t> shape, uint32_t type, uint64_t offset,
                    size_t data_bytes = 64) {
  RawBytes file = gguf_header(1, 0);
  gguf_tensor(file, "t", shape, type, offset);
  return std::move(file.align(32).zeros(data_bytes));
}

// CVE-2024-21802: the product of the sizes overflows.
TEST(GgufThreats, ShapeOverflow) {
  const uint64_t half = uint64_t{1} << 32;
  expect_format_error(one_tensor({half, half}, 0, 0), "impossible size");
  expect_format_error(one_tensor({half, half / 2, 2}, 0, 0), "impossible size");
  expect_format_error(one_tensor({~uint64_t{0}}, 0, 0), "impossible size");
  expect_format_error(one_tensor({uint64_t{1} << 63}, 0, 0), "impossible size");
}

// A stride of 4 * 2^62 bytes wraps to 0.
TEST(GgufThreats, ByteCountOverflow) {
  expect_format_error(one_tensor({uint64_t{1} << 62}, 0, 0), "cannot store");
  expect_format_error(one_tensor({uint64_t{1} << 61, 2}, 28, 0), "cannot store");
}

// CVE-2026-33298: an exabyte tensor in a small file.
TEST(GgufThreats, TensorLargerThanTheFile) {
  expect_format_error(one_tensor({uint64_t{1} << 58}, 0, 0), "ends after 64");
  expect_format_error(one_tensor({17}, 0, 0), "needs 68 bytes");
}

// Rounding 2^63 - 3 bytes up to the alignment wraps.
TEST(GgufThreats, PaddingOverflow) {
  expect_format_error(one_tensor({0x7ffffffffffffffd}, 24, 0), "ends after 64");
}

// CVE-2026-27940: each size is valid alone, their sum wraps to a small number.
TEST(GgufThreats, SumOfSizesOverflow) {
  RawBytes file = gguf_header(2, 0);
  gguf_tensor(file, "a", {0x7fffffffffffffc0}, 24, 0);
  gguf_tensor(file, "b", {0x7fffffffffffffc0}, 24, 0x7fffffffffffffc0);
  file.align(32).zeros(64);
  expect_format_error(file, "tensor 'a' needs");
}

TEST(GgufThreats, OffsetPastTheEnd) {
  for (const uint64_t offset : {uint64_t{64}, uint64_t{1} << 40, ~uint64_t{31}}) {
    expect_format_error(one_tensor({1}, 0, offset), "the file is damaged");
  }
  expect_format_error(one_tensor({1}, 0, 8), "no multiple of the alignment");
}

TEST(GgufThreats, EmptyDimension) {
  expect_format_error(one_tensor({4, 0}, 0, 0), "impossible size 0 in dimension 1");
  expect_format_error(one_tensor({0}, 0, 0), "impossible size 0 in dimension 0");
}

TEST(GgufThreats, RankZeroOrFive) {
  expect_format_error(one_tensor({}, 0, 0), "0 dimensions");
  expect_format_error(one_tensor({1, 1, 1, 1, 1}, 0, 0), "5 dimensions");
}

TEST(GgufThreats, RowsThatAreNoWholeBlocks) {
  expect_format_error(one_tensor({16, 2}, 8, 0), "rows of 16 values");
}

TEST(GgufThreats, UnknownTensorType) {
  for (const uint32_t type : {4u, 5u, 31u, 1000u, 0xffffffffu}) {
    expect_error(ErrorCode::kUnsupported, fmt::format("tensor 't' has the type {}", type),
                 [&] { read(one_tensor({32}, type, 0)); });
  }
}

TEST(GgufThreats, OverlappingTensors) {
  RawBytes file = gguf_header(2, 0);
  gguf_tensor(file, "late", {16}, 0, 32);
  gguf_tensor(file, "early", {9}, 0, 0);
  expect_format_error(file.align(32).zeros(128), "'early' and 'late' overlap");
}

TEST(GgufThreats, DuplicateNames) {
  RawBytes tensors = gguf_header(2, 0);
  gguf_tensor(tensors, "t", {1}, 0, 0);
  gguf_tensor(tensors, "t", {1}, 0, 32);
  expect_format_error(tensors.align(32).zeros(64), "'t' stands twice");
  RawBytes keys = gguf_header(0, 2);
  keys.counted("k").u32(0).u8(1).counted("k").u32(0).u8(2);
  expect_format_error(keys, "'k' stands twice");
}

TEST(GgufThreats, KeysAndNames) {
  expect_format_error(std::move(gguf_header(0, 1).counted("").u32(0).u32(0)), "a key of 0 bytes");
  const std::string longest(65535, 'k');
  EXPECT_EQ(
      read(std::move(gguf_header(0, 1).counted(longest).u32(0).u8(1)))->metadata().integer(longest),
      1);
  expect_format_error(std::move(gguf_header(0, 1).counted(longest + "k").u32(0).u8(1)),
                      "a key of 65536 bytes");
  expect_format_error(std::move(gguf_header(0, 1).counted("a\x1b[2J").u32(0).u8(1)),
                      "'a\\x1b[2J' is not printable");
  expect_format_error(std::move(gguf_header(0, 1).counted("a\xff").u32(0).u8(1)), "not printable");
  for (const size_t length : {size_t{0}, size_t{65}}) {
    RawBytes file = gguf_header(1, 0);
    gguf_tensor(file, std::string(length, 'n'), {1}, 0, 0);
    expect_format_error(file.align(32).zeros(32), "names have 1 to 64");
  }
}

// CVE-2025-66960: a string's length past the end, or so large that adding it wraps.
TEST(GgufThreats, StringLengthPastTheEnd) {
  for (const uint64_t length : {uint64_t{5}, uint64_t{1} << 63, ~uint64_t{0}}) {
    expect_format_error(std::move(gguf_header(0, 1).counted("key").u32(8).u64(length).text("text")),
                        "inside a string");
  }
}

TEST(GgufThreats, ArrayLengthPastTheEnd) {
  for (const uint32_t type : {0u, 6u, 8u, 9u, 12u}) {
    for (const uint64_t count : {uint64_t{1} << 20, uint64_t{1} << 61, ~uint64_t{0}}) {
      expect_format_error(
          std::move(gguf_header(0, 1).counted("key").u32(9).u32(type).u64(count).zeros(64)),
          "claims an array");
    }
  }
}

TEST(GgufThreats, ArraysNestedTooDeep) {
  const auto nested = [](int depth) {
    RawBytes file = gguf_header(0, 1);
    file.counted("key").u32(9);
    for (int i = 1; i < depth; ++i) file.u32(9).u64(1);
    return std::move(file.u32(0).u64(0).zeros(16));
  };
  EXPECT_NO_THROW(read(nested(kGgufArrayDepthMax)));
  expect_format_error(nested(kGgufArrayDepthMax + 1), "nested deeper");
  expect_format_error(nested(100'000), "nested deeper");
}

TEST(GgufThreats, UnknownValueTypes) {
  expect_format_error(std::move(gguf_header(0, 1).counted("key").u32(13).u64(0)), "type 13");
  expect_format_error(std::move(gguf_header(0, 1).counted("key").u32(9).u32(13).u64(0)), "type 13");
  expect_format_error(std::move(gguf_header(0, 1).counted("key").u32(7).u8(2)), "a bool of 2");
}

TEST(GgufThreats, Alignment) {
  for (const uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 0x80000000u, 0xffffffffu}) {
    expect_format_error(
        std::move(gguf_header(0, 1).counted("general.alignment").u32(4).u32(alignment)),
        "power of two");
  }
  expect_format_error(std::move(gguf_header(0, 1).counted("general.alignment").u32(10).u64(32)),
                      "must be uint32");
  expect_format_error(
      std::move(gguf_header(0, 1).counted("general.alignment").u32(8).counted("32")),
      "must be uint32");
}

// A header that unfolds: 12 bytes of file for each empty array, which takes several times that.
TEST(GgufThreats, MemoryStaysNearTheSizeOfTheFile) {
  constexpr uint64_t kCount = 4'000'000;
  RawBytes file = gguf_header(0, 1);
  file.counted("key").u32(9).u32(9).u64(kCount);
  std::string bytes = file.bytes();
  const std::string empty = std::move(RawBytes().u32(0).u64(0)).bytes();
  bytes.reserve(bytes.size() + kCount * empty.size());
  for (uint64_t i = 0; i < kCount; ++i) bytes += empty;
  expect_error(ErrorCode::kLimit, "more memory",
               [&] { read_gguf("bomb.gguf", std::as_bytes(std::span(bytes)), nullptr); });
}

// CVE-2026-7482: what lies behind the file in memory ended up in the copy.
TEST(GgufThreats, HeapCanariesNeverReachACopy) {
  const std::string file = sample().bytes();
  const std::string canary(16, '\xa5');
  const testing::TemporaryFolder folder;
  for (size_t cut = 0; cut < 100; ++cut) {
    const testing::GuardedBytes bytes(std::string_view(file).substr(0, file.size() - cut), '\xa5');
    try {
      const auto model = read_gguf("canary.gguf", bytes.bytes(), nullptr);
      save_gguf(folder.path() / "copy.gguf", model->metadata(), model->tensors());
      const std::string copy = read_file(folder.path() / "copy.gguf");
      EXPECT_EQ(copy.find(canary), std::string::npos) << "cut by " << cut;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
    }
  }
}

TEST(GgufReader, ReadsThirdPartyVocabularies) {
  MINIM_DATA_OR_SKIP(folder, "conformance/gguf_vocab");
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto model = open_gguf(entry.path());
    EXPECT_GT(model->metadata().strings("tokenizer.ggml.tokens")->size(), 30'000u);
    ++count;
  }
  EXPECT_EQ(count, 8);
}

}  // namespace
}  // namespace minim
