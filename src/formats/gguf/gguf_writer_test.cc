#include "formats/gguf/gguf_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "formats/gguf/gguf_reader.h"
#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;

class GgufWriterTest : public ::testing::Test {
 protected:
  Path path() const { return folder_.path() / "model.gguf"; }
  void expect_refusal(const Metadata& metadata, std::vector<GgufTensor> tensors,
                      std::string_view part) {
    expect_error(ErrorCode::kInvalidArgument, part,
                 [&] { GgufWriter(path(), metadata, std::move(tensors)); });
    EXPECT_FALSE(std::filesystem::exists(path()));
  }

  testing::TemporaryFolder folder_;
};

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST_F(GgufWriterTest, WritesTheDocumentedBytes) {
  Metadata metadata;
  metadata.set_string("general.architecture", "llama");
  metadata.set_float32s("a.floats", {0.5, -2});
  GgufWriter writer(
      path(), metadata,
      {{"a", DataType::kF32, 1, {1, 1, 1, 1}}, {"b", DataType::kF16, 2, {2, 3, 1, 1}}});
  writer.write(as_bytes("1234"));
  writer.write(as_bytes("abcdefg"));
  writer.write(as_bytes("hijkl"));
  writer.commit();

  testing::RawBytes expected = testing::gguf_header(2, 2);
  expected.counted("general.architecture").u32(8).counted("llama");
  expected.counted("a.floats").u32(9).u32(6).u64(2).f32(0.5f).f32(-2);
  testing::gguf_tensor(expected, "a", {1}, 0, 0);
  testing::gguf_tensor(expected, "b", {2, 3}, 1, 32);
  expected.align(32).text("1234").align(32).text("abcdefghijkl").align(32);
  EXPECT_EQ(read_file(path()), expected.bytes());
}

TEST_F(GgufWriterTest, ReadsBackEveryType) {
  Metadata metadata;
  metadata.set("u8", {MetadataType::kUint8, uint64_t{255}});
  metadata.set("i8", {MetadataType::kInt8, int64_t{-128}});
  metadata.set("u16", {MetadataType::kUint16, uint64_t{65535}});
  metadata.set("i16", {MetadataType::kInt16, int64_t{-32768}});
  metadata.set("i32", {MetadataType::kInt32, int64_t{-1}});
  metadata.set("i64", {MetadataType::kInt64, INT64_MIN});
  metadata.set("f64", {MetadataType::kFloat64, 0.1});
  metadata.set_uint32("u32", 0xffffffff);
  metadata.set_uint64("u64", ~uint64_t{0});
  metadata.set_float32("f32", 0.1f);
  metadata.set_bool("bool", true);
  metadata.set_string("string", std::string("a\0b", 3));
  metadata.set_strings("strings", {"", "x"});
  metadata.set_uint8s("u8s", std::vector<uint8_t>{0, 255});
  const MetadataArray bools{MetadataType::kBool, std::vector<uint64_t>{0, 1}};
  const MetadataArray nested{MetadataType::kArray, std::vector<MetadataArray>{bools, bools}};
  metadata.set("nested", {MetadataType::kArray, nested});
  GgufWriter(path(), metadata, {}).commit();
  EXPECT_EQ(testing::describe_metadata(open_gguf(path())->metadata()),
            testing::describe_metadata(metadata));
}

TEST_F(GgufWriterTest, CopiesThirdPartyFilesByteForByte) {
  MINIM_DATA_OR_SKIP(folder, "conformance/gguf_vocab");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto model = open_gguf(entry.path());
    save_gguf(path(), model->metadata(), model->tensors());
    EXPECT_TRUE(read_file(path()) == read_file(entry.path())) << entry.path();
  }
}

TEST_F(GgufWriterTest, HonoursTheAlignmentKey) {
  Metadata metadata;
  metadata.set_uint32("general.alignment", 64);
  GgufWriter writer(path(), metadata,
                    {{"a", DataType::kI8, 1, {1, 1, 1, 1}}, {"b", DataType::kI8, 1, {1, 1, 1, 1}}});
  writer.write(as_bytes("a"));
  writer.write(as_bytes("b"));
  writer.commit();
  EXPECT_EQ(std::filesystem::file_size(path()) % 64, 0u);
  const auto model = open_gguf(path());
  EXPECT_EQ(model->require("b").load().bytes[0], std::byte{'b'});
  metadata.set_uint32("general.alignment", 48);
  expect_error(ErrorCode::kInvalidArgument, "power of two",
               [&] { GgufWriter(path(), metadata, {}); });
}

TEST_F(GgufWriterTest, RefusesTensorsThatGgufCannotHold) {
  const std::array<int64_t, 4> one = {1, 1, 1, 1};
  expect_refusal({}, {{"", DataType::kF32, 1, one}}, "1 to 63 bytes");
  expect_refusal({}, {{std::string(64, 'n'), DataType::kF32, 1, one}}, "1 to 63 bytes");
  expect_refusal({}, {{"t", DataType::kF32, 0, one}}, "0 dimensions");
  expect_refusal({}, {{"t", DataType::kF32, 5, one}}, "5 dimensions");
  expect_refusal({}, {{"t", DataType::kF32, 1, {1, 2, 1, 1}}}, "cannot store");
  expect_refusal({}, {{"t", DataType::kF32, 2, {0, 2, 1, 1}}}, "cannot store");
  expect_refusal({}, {{"t", DataType::kQ8_0, 2, {16, 2, 1, 1}}}, "cannot store");
  expect_refusal({}, {{"t", DataType::kI8, 2, {INT64_MAX, 2, 1, 1}}}, "cannot store");
  expect_refusal({}, {{"t", DataType::kF32, 1, one}, {"t", DataType::kF32, 1, one}}, "twice");
  const std::array<int64_t, 4> huge = {INT64_MAX, 1, 1, 1};
  expect_refusal(
      {},
      {{"a", DataType::kI8, 1, huge}, {"b", DataType::kI8, 1, huge}, {"c", DataType::kI8, 1, huge}},
      "larger than a file");
}

TEST_F(GgufWriterTest, RefusesValuesThatDoNotFitTheirType) {
  const auto refuse = [&](MetadataValue value) {
    Metadata metadata;
    metadata.set("key", std::move(value));
    expect_refusal(metadata, {}, "'key' does not fit");
  };
  refuse({MetadataType::kUint8, uint64_t{256}});
  refuse({MetadataType::kInt8, int64_t{-129}});
  refuse({MetadataType::kUint8, int64_t{1}});
  refuse({MetadataType::kString, true});
  refuse({MetadataType::kBool, uint64_t{2}});
  refuse({MetadataType::kArray, std::string("x")});
  refuse({MetadataType::kArray, MetadataArray{MetadataType::kUint8, std::vector<double>{1}}});
  Metadata metadata;
  metadata.set_bool("", true);
  expect_refusal(metadata, {}, "1 to 65535");
}

TEST_F(GgufWriterTest, CountsTheBytesOfEachTensor) {
  GgufWriter writer(path(), {},
                    {{"a", DataType::kI8, 1, {4, 1, 1, 1}}, {"b", DataType::kI8, 1, {4, 1, 1, 1}}});
  writer.write(as_bytes("12"));
  expect_error(ErrorCode::kInvalidArgument, "takes 2 more bytes",
               [&] { writer.write(as_bytes("345")); });
  writer.write(as_bytes("34"));
  expect_error(ErrorCode::kInvalidArgument, "'b' lacks 4 bytes", [&] { writer.commit(); });
  writer.write(as_bytes("5678"));
  expect_error(ErrorCode::kInvalidArgument, "after the last tensor",
               [&] { writer.write(as_bytes("9")); });
  writer.commit();
}

TEST_F(GgufWriterTest, AnAbandonedFileLeavesThePreviousOne) {
  GgufWriter(path(), {}, {}).commit();
  const std::string before = read_file(path());
  {
    GgufWriter writer(path(), {}, {{"a", DataType::kI8, 1, {4, 1, 1, 1}}});
    writer.write(as_bytes("12"));
  }
  EXPECT_EQ(read_file(path()), before);
  int files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(path().parent_path())) {
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST_F(GgufWriterTest, ReportsProgressAndStops) {
  GgufWriter writer(path(), {}, {{"a", DataType::kI8, 1, {4, 1, 1, 1}}});
  writer.write(as_bytes("1234"));
  writer.commit();
  const auto model = open_gguf(path());
  uint64_t done = 0;
  save_gguf(folder_.path() / "copy.gguf", model->metadata(), model->tensors(),
            [&](const Progress& progress) {
              done = progress.done;
              EXPECT_EQ(progress.total, 4u);
              return true;
            });
  EXPECT_EQ(done, 4u);
  expect_error(ErrorCode::kCancelled, "stopped", [&] {
    save_gguf(folder_.path() / "stopped.gguf", model->metadata(), model->tensors(),
              [](const Progress&) { return false; });
  });
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "stopped.gguf"));
}

}  // namespace
}  // namespace minim
