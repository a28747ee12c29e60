#include "formats/safetensors/safetensors_reader.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "formats/safetensors/safetensors_writer.h"
#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;
using testing::RawBytes;
using testing::write_bytes;

std::string file_of(std::string_view header, size_t data_bytes) {
  return std::move(RawBytes().counted(header).zeros(data_bytes)).bytes();
}

std::string entry(std::string_view name, std::string_view type, std::string_view shape,
                  std::string_view offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, type, shape,
                     offsets);
}

std::string describe(const SafetensorsFile& file) {
  std::string out;
  for (const auto& [key, value] : file.metadata()) out += fmt::format("{}={}\n", key, value);
  for (const SafetensorsTensor& tensor : file.tensors()) {
    out += fmt::format("{} {}", tensor.name, safetensors_type_name(tensor.type));
    for (int i = 0; i < tensor.rank; ++i) out += fmt::format(" {}", tensor.shape[i]);
    out += fmt::format(" {:016x}\n", testing::hash_bytes(file.load(tensor).bytes));
  }
  return out;
}

std::string read_and_describe(std::span<const std::byte> bytes) {
  return describe(*SafetensorsFile::read("test.safetensors", bytes, nullptr));
}

void expect_rejected(ErrorCode code, const std::string& file, std::string_view part) {
  const testing::GuardedBytes bytes(file, '\xa5');
  expect_error(code, part, [&] { read_and_describe(bytes.bytes()); });
}

// One U8 tensor for each of `entries`, checked against `data_bytes` of data.
void expect_header_rejected(const std::string& header, size_t data_bytes, std::string_view part) {
  expect_rejected(ErrorCode::kFormat, file_of(header, data_bytes), part);
}

std::string sample() {
  const std::string header =
      R"({"__metadata__":{"format":"pt","note":"h\u00e9"},)" + entry("b", "F16", "2,3", "8,20") +
      "," + entry("a", "F32", "2", "0,8") + "," + entry("scalar", "U8", "", "20,21") + "}   ";
  RawBytes file;
  file.counted(header).f32(1).f32(2);
  for (int i = 0; i < 13; ++i) file.u8(static_cast<uint8_t>(i));
  return file.bytes();
}

TEST(SafetensorsReader, ReadsTensorsByOffset) {
  const testing::GuardedBytes bytes(sample(), '\xa5');
  const auto file = SafetensorsFile::read("test", bytes.bytes(), nullptr);
  EXPECT_EQ(file->metadata().at("note"), "h\u00e9");
  ASSERT_EQ(file->tensors().size(), 3u);
  const SafetensorsTensor& a = file->tensors()[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, SafetensorsType::kF32);
  const SafetensorsTensor& b = file->tensors()[1];
  EXPECT_EQ(b.rank, 2);
  EXPECT_EQ(b.shape[0], 2);
  EXPECT_EQ(b.shape[1], 3);
  EXPECT_EQ(file->load(b).bytes.size(), 12u);
  EXPECT_EQ(file->load(b).bytes[11], std::byte{11});
  EXPECT_EQ(file->tensors()[2].rank, 0);
  EXPECT_EQ(file->tensors()[2].value_count(), 1);
}

TEST(SafetensorsReader, AlignsWhatTheFileDoesNot) {
  for (size_t padding = 0; padding < 8; ++padding) {
    const std::string header =
        "{" + entry("a", "F32", "1", "0,4") + "}" + std::string(padding, ' ');
    const std::string file = std::move(RawBytes().counted(header).f32(3.5f)).bytes();
    const testing::GuardedBytes bytes(file, '\xa5');
    const auto read = SafetensorsFile::read("test", bytes.bytes(), nullptr);
    const TensorBytes data = read->load(read->tensors()[0]);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(data.bytes.data()) % 4, 0u);
    EXPECT_EQ(*reinterpret_cast<const float*>(data.bytes.data()), 3.5f);
  }
}

TEST(SafetensorsReader, EveryTruncationIsACleanError) {
  testing::try_every_truncation(sample(), read_and_describe);
}

TEST(SafetensorsReader, EveryBitFlipIsACleanErrorOrReadsInsideTheFile) {
  testing::try_every_bit_flip(sample(), sample().size(), read_and_describe);
}

TEST(SafetensorsThreats, HeaderLength) {
  expect_rejected(ErrorCode::kFormat, "", "header's length");
  expect_rejected(ErrorCode::kFormat, file_of("", 0), "does not start with '{'");
  expect_rejected(ErrorCode::kFormat, std::move(RawBytes().u64(9).text("{}")).bytes(),
                  "inside the header");
  for (const uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}}) {
    expect_rejected(ErrorCode::kLimit, std::move(RawBytes().u64(length).text("{}")).bytes(),
                    "100000000 are allowed");
  }
}

TEST(SafetensorsThreats, HeaderThatIsNoJson) {
  expect_header_rejected("[]", 0, "does not start with '{'");
  expect_header_rejected(" {}", 0, "does not start with '{'");
  expect_header_rejected("{", 0, "not valid JSON");
  expect_header_rejected("{}x", 0, "not valid JSON");
  expect_header_rejected(std::string("{}\0", 3), 0, "zero byte");
  expect_header_rejected("{\"\xff\":{}}", 0, "not valid JSON");
  expect_header_rejected("{\"\xc0\xaf\":{}}", 0, "not valid JSON");
  expect_header_rejected("{\"a\":" + std::string(100'000, '['), 0, "an array");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  expect_header_rejected(deep, 0, "unknown field 'a'");
}

TEST(SafetensorsThreats, DuplicateKeys) {
  expect_header_rejected(
      "{" + entry("a", "U8", "1", "0,1") + "," + entry("a", "U8", "1", "1,2") + "}", 2,
      "'a' stands twice");
  expect_header_rejected(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' stands twice");
  expect_header_rejected(R"({"__metadata__":{},"__metadata__":{}})", 0, "stands twice");
  expect_header_rejected(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0, "'dtype' twice");
}

TEST(SafetensorsThreats, ShapesThatOverflow) {
  // The product wraps to 4 in 64 bits.
  expect_header_rejected("{" + entry("a", "U8", "4194305,4194305,211106198978564", "0,4") + "}", 4,
                         "overflows");
  expect_header_rejected("{" + entry("a", "F64", "2305843009213693952", "0,0") + "}", 0,
                         "overflows");
  expect_header_rejected("{" + entry("a", "U8", "18446744073709551615", "0,0") + "}", 0,
                         "impossible size");
  expect_header_rejected("{" + entry("a", "U8", "18446744073709551616", "0,0") + "}", 0,
                         "not whole, or too large");
  expect_header_rejected("{" + entry("a", "U8", "-1", "0,0") + "}", 0, "a negative number");
  expect_header_rejected("{" + entry("a", "U8", "1.0", "0,1") + "}", 1, "not whole");
  expect_header_rejected("{" + entry("a", "U8", "1,1,1,1,1,1,1,1,1", "0,1") + "}", 1,
                         "more than 8 dimensions");
}

TEST(SafetensorsThreats, OffsetsThatDoNotCoverTheData) {
  const auto two = [](std::string_view first, std::string_view second, size_t data) {
    return file_of("{" + entry("a", "U8", "4", first) + "," + entry("b", "U8", "4", second) + "}",
                   data);
  };
  EXPECT_NO_THROW({
    const testing::GuardedBytes bytes(two("4,8", "0,4", 8), '\xa5');
    read_and_describe(bytes.bytes());
  });
  expect_rejected(ErrorCode::kFormat, two("0,4", "2,6", 8), "starts at 2");    // overlap
  expect_rejected(ErrorCode::kFormat, two("0,4", "0,4", 8), "starts at 0");    // the same twice
  expect_rejected(ErrorCode::kFormat, two("0,4", "6,10", 10), "starts at 6");  // a hole
  expect_rejected(ErrorCode::kFormat, two("1,5", "5,9", 9), "starts at 1");    // a hole in front
  expect_rejected(ErrorCode::kFormat, two("0,4", "8,4", 8), "data_offsets 8 to 4");
  expect_rejected(ErrorCode::kFormat, two("0,4", "4,8", 9), "the file after 9");  // trailing bytes
  expect_rejected(ErrorCode::kFormat, two("0,4", "4,8", 7), "the file after 7");
  expect_rejected(ErrorCode::kFormat, two("0,4", "4,9", 9), "of 4 bytes has");
  expect_rejected(ErrorCode::kFormat, two("0,4", "18446744073709551612,18446744073709551616", 8),
                  "too large");
  expect_header_rejected("{}", 1, "the file after 1");
}

TEST(SafetensorsThreats, ZeroSizeTensors) {
  expect_header_rejected(
      "{" + entry("a", "U8", "4", "0,4") + "," + entry("b", "U8", "0,7", "0,0") + "}", 4,
      "impossible size 0");
}

TEST(SafetensorsThreats, MissingAndForeignFields) {
  expect_header_rejected(R"({"a":{"dtype":"U8","shape":[1]}})", 1, "must have dtype, shape");
  expect_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1,
                         "has 1 data_offsets");
  expect_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1,
                         "has 3 data_offsets");
  expect_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"extra":[0,1]}})", 1, "'extra'");
  expect_header_rejected(R"({"a":{"dtype":7}})", 0, "a number");
  expect_header_rejected(R"({"a":{"dtype":"U8","shape":null}})", 0, "null");
  expect_header_rejected(R"({"a":"b"})", 0, "a string");
  expect_header_rejected(R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
                         "without a name");
  expect_header_rejected(R"({"__metadata__":{"a":1}})", 0, "a number");
  expect_header_rejected(R"({"__metadata__":["a"]})", 0, "an array");
}

TEST(SafetensorsThreats, UnsupportedTypesAreNamed) {
  for (const char* type : {"F8_E4M3", "F8_E5M2", "F4", "C64", "Q4"}) {
    expect_rejected(ErrorCode::kUnsupported,
                    file_of("{" + entry("layer", type, "1", "0,1") + "}", 1),
                    fmt::format("tensor 'layer' has the type {}", type));
  }
}

TEST(SafetensorsThreats, AHundredThousandTensors) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    if (i > 0) header += ',';
    header +=
        entry(fmt::format("model.layers.{}.weight", i), "U8", "1", fmt::format("{},{}", i, i + 1));
  }
  const std::string file = file_of(header + "}", 100'000);
  const auto start = std::chrono::steady_clock::now();
  const auto read = SafetensorsFile::read("many", std::as_bytes(std::span(file)), nullptr);
  EXPECT_EQ(read->tensors().size(), 100'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));  // 0.1 s here
}

TEST(SafetensorsThreats, MemoryStaysNearTheSizeOfTheFile) {
  std::string header = "{";
  for (int i = 0; i < 800'000; ++i) {
    if (i > 0) header += ',';
    header += fmt::format(R"("{}":{{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", i);
  }
  expect_rejected(ErrorCode::kLimit, file_of(header + "}", 1), "more memory");
}

class SafetensorsIndexTest : public ::testing::Test {
 protected:
  void shard(const std::string& name, const std::string& tensor) {
    write_bytes(folder_.path() / name, file_of("{" + entry(tensor, "U8", "1", "0,1") + "}", 1));
  }
  Path index(const std::string& weight_map) {
    const Path path = folder_.path() / "model.safetensors.index.json";
    write_bytes(path, R"({"metadata":{"total_size":2},"weight_map":)" + weight_map + "}");
    return path;
  }
  void expect_index_error(ErrorCode code, const std::string& weight_map, std::string_view part) {
    expect_error(code, part, [&] { open_safetensors_index(index(weight_map)); });
  }

  testing::TemporaryFolder folder_;
};

TEST_F(SafetensorsIndexTest, JoinsShards) {
  shard("one.safetensors", "a");
  shard("two.safetensors", "b");
  const auto sources =
      open_safetensors_index(index(R"({"a":"one.safetensors","b":"two.safetensors"})"));
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources.at("b").file->path().filename(), "two.safetensors");
  EXPECT_EQ(sources.at("b").load().bytes.size(), 1u);
}

TEST_F(SafetensorsIndexTest, ShardsMustMatchTheIndex) {
  shard("one.safetensors", "a");
  shard("two.safetensors", "b");
  expect_index_error(ErrorCode::kFormat, R"({"a":"one.safetensors","b":"one.safetensors"})",
                     "expects the tensor 'b'");
  expect_index_error(ErrorCode::kFormat, R"({"c":"one.safetensors"})", "does not expect there");
  expect_index_error(ErrorCode::kNotFound, R"({"a":"three.safetensors"})", "three.safetensors");
  expect_index_error(ErrorCode::kFormat, "{}", "lists no tensors");
  expect_index_error(ErrorCode::kFormat, "[]", "no object 'weight_map'");
  expect_index_error(ErrorCode::kFormat, R"({"a":1})", "not a string");
  expect_index_error(ErrorCode::kFormat, R"({"a":"one.safetensors","a":"x"})", "stands twice");
}

TEST_F(SafetensorsIndexTest, ShardsCannotEscapeTheFolder) {
  std::filesystem::create_directory(folder_.path() / "inner");
  shard("outside.safetensors", "a");
  shard("inner/inside.safetensors", "a");
  const Path inner = folder_.path() / "inner";
  const auto expect_escape = [&](const std::string& name, std::string_view part) {
    const Path path = inner / "model.safetensors.index.json";
    write_bytes(path, fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name));
    expect_error(ErrorCode::kFormat, part, [&] { open_safetensors_index(path); });
  };
  expect_escape("../outside.safetensors", "not the name of a file");
  expect_escape((folder_.path() / "outside.safetensors").string(), "not the name of a file");
  expect_escape("..", "not the name of a file");
  expect_escape("", "not the name of a file");
  expect_escape("inside.safetensors\\u0000", "not the name of a file");
  expect_escape("..\\\\outside.safetensors", "not the name of a file");
  std::filesystem::create_symlink("../outside.safetensors", inner / "link.safetensors");
  expect_escape("link.safetensors", "leads out of its folder");
  std::filesystem::create_symlink("inside.safetensors", inner / "local.safetensors");
  EXPECT_NO_THROW(resolve_inside(inner, "local.safetensors"));
}

TEST_F(SafetensorsIndexTest, FollowsTheLinksOfACacheEntry) {
  const Path entry = folder_.path() / "models--a--b";
  std::filesystem::create_directories(entry / "snapshots/0123");
  std::filesystem::create_directories(entry / "blobs");
  shard("models--a--b/blobs/abc", "a");
  shard("outside.safetensors", "a");
  const Path revision = entry / "snapshots/0123";
  std::filesystem::create_symlink("../../blobs/abc", revision / "model.safetensors");
  EXPECT_NO_THROW(resolve_inside(revision, "model.safetensors"));
  std::filesystem::create_symlink("../../../outside.safetensors", revision / "bad.safetensors");
  expect_error(ErrorCode::kFormat, "leads out",
               [&] { resolve_inside(revision, "bad.safetensors"); });
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const testing::TemporaryFolder folder;
  const Path path = folder.path() / "model.safetensors";
  const std::vector<SafetensorsDeclaration> tensors = {
      {"wide \"quoted\"", SafetensorsType::kF64, {1}},
      {"matrix", SafetensorsType::kBf16, {2, 3}},
      {"scalar", SafetensorsType::kU8, {}}};
  SafetensorsWriter writer(path, tensors, {{"format", "pt"}});
  const std::string data = "01234567abcdefghijklX";
  writer.write(std::as_bytes(std::span(std::string_view(data).substr(0, 5))));
  writer.write(std::as_bytes(std::span(std::string_view(data).substr(5))));
  expect_error(ErrorCode::kInvalidArgument, "0 were left",
               [&] { writer.write(std::as_bytes(std::span(data))); });
  writer.commit();
  const std::string bytes = read_file(path);
  EXPECT_EQ((bytes.size() - data.size()) % 8, 0u);
  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].name, "wide \"quoted\"");
  EXPECT_EQ(file->tensors()[1].shape[1], 3);
  EXPECT_EQ(file->load(file->tensors()[2]).bytes[0], std::byte{'X'});
}

TEST(SafetensorsWriter, RefusesWhatCannotBeStored) {
  const testing::TemporaryFolder folder;
  const Path path = folder.path() / "model.safetensors";
  const auto refuse = [&](const std::vector<SafetensorsDeclaration>& tensors,
                          std::string_view part) {
    expect_error(ErrorCode::kInvalidArgument, part, [&] { SafetensorsWriter(path, tensors); });
    EXPECT_FALSE(std::filesystem::exists(path));
  };
  refuse({{"a", SafetensorsType::kU8, {0}}}, "impossible shape");
  refuse({{"a", SafetensorsType::kU8, {-1}}}, "impossible shape");
  refuse({{"a", SafetensorsType::kF32, {INT64_MAX, 3}}}, "impossible shape");
  refuse({{"a", SafetensorsType::kU8, {1}}, {"a", SafetensorsType::kU8, {1}}}, "twice");
  refuse({{"", SafetensorsType::kU8, {1}}}, "without a name");
  refuse({{"\xff", SafetensorsType::kU8, {1}}}, "not UTF-8");
  SafetensorsWriter writer(path, {{"a", SafetensorsType::kU8, {1}}});
  expect_error(ErrorCode::kInvalidArgument, "1 bytes of tensors are missing",
               [&] { writer.commit(); });
}

}  // namespace
}  // namespace minim
