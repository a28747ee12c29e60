#include "formats/llama2c/llama2c_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "formats/vocabulary.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;
using testing::RawBytes;
using testing::write_bytes;

constexpr int kDim = 8, kFfn = 12, kLayers = 2, kHeads = 4, kKvHeads = 2, kTokens = 260;
constexpr int kContext = 16, kHeadDim = kDim / kHeads, kKvDim = kHeadDim * kKvHeads;

std::string tokenizer_file(int count = kTokens) {
  RawBytes file;
  file.u32(8);
  for (int id = 0; id < count; ++id) {
    std::string text = id == 0 ? "<unk>" : id == 1 ? "\n<s>\n" : id == 2 ? "\n</s>\n" : " t";
    if (id >= 3 && id < 259) text = fmt::format("<0x{:02X}>", id - 3);
    file.f32(id < 259 ? 0.0f : static_cast<float>(259 - id));
    file.u32(static_cast<uint32_t>(text.size())).text(text);
  }
  return file.bytes();
}

RawBytes header(int version, int vocabulary = kTokens) {
  RawBytes file;
  if (version > 0) file.u32(0x616b3432).u32(static_cast<uint32_t>(version));
  for (const int size : {kDim, kFfn, kLayers, kHeads, kKvHeads, vocabulary, kContext}) {
    file.number(size);
  }
  return file;
}

RawBytes& floats(RawBytes& file, size_t count, float first) {
  for (size_t i = 0; i < count; ++i) file.f32(first + static_cast<float>(i));
  return file;
}

// Floats in the order of the file; each part starts with its own number times 10,000.
std::string version0(bool tied) {
  RawBytes file = header(0, tied ? kTokens : -kTokens);
  const size_t parts[] = {kTokens * kDim,
                          kLayers * kDim,
                          kLayers * kDim * kDim,
                          kLayers * kKvDim * kDim,
                          kLayers * kKvDim * kDim,
                          kLayers * kDim * kDim,
                          kLayers * kDim,
                          kLayers * kFfn * kDim,
                          kLayers * kDim * kFfn,
                          kLayers * kFfn * kDim,
                          kDim,
                          kContext * kHeadDim};
  float first = 0;
  for (const size_t part : parts) floats(file, part, (first += 10000));
  if (!tied) floats(file, kTokens * kDim, 990000);
  return file.bytes();
}

std::string version1() {
  RawBytes file = header(1);
  file.u8(1).align(256);
  const size_t parts[] = {kLayers * kDim,          kLayers * kDim,        kDim,
                          kTokens * kDim,          kLayers * kDim * kDim, kLayers * kKvDim * kDim,
                          kLayers * kKvDim * kDim, kLayers * kDim * kDim, kLayers * kFfn * kDim,
                          kLayers * kDim * kFfn,   kLayers * kFfn * kDim};
  float first = 0;
  for (const size_t part : parts) floats(file, part, (first += 10000));
  return file.bytes();
}

// Norms as floats, then int8 values and a scale for each group of 4.
std::string version2() {
  RawBytes file = header(2);
  file.u8(1).number(4).align(256);
  floats(file, kLayers * kDim * 2 + kDim, 0);
  const auto quantized = [&](int tensors, int count) {
    for (int tensor = 0; tensor < tensors; ++tensor) {
      for (int i = 0; i < count; ++i) file.u8(static_cast<uint8_t>(i % 7 - 3));
      for (int i = 0; i < count / 4; ++i) file.f32(0.5f + static_cast<float>(i));
    }
  };
  quantized(1, kTokens * kDim);
  quantized(kLayers, kDim * kDim);
  quantized(kLayers, kKvDim * kDim);
  quantized(kLayers, kKvDim * kDim);
  quantized(kLayers, kDim * kDim);
  for (int i = 0; i < 3; ++i) quantized(kLayers, kFfn * kDim);
  return file.bytes();
}

std::shared_ptr<const ModelFile> read(std::string_view file) {
  const auto bytes = std::make_shared<testing::GuardedBytes>(file, '\xa5');
  const std::string tokens = tokenizer_file();
  const auto vocabulary = read_llama2c_tokenizer(std::as_bytes(std::span(tokens)), kTokens);
  return read_llama2c("test.bin", bytes->bytes(), bytes, vocabulary);
}

float first_value(const ModelFile& model, const char* name, size_t index = 0) {
  float value;
  std::memcpy(&value, model.require(name).load().bytes.data() + index * sizeof(float), 4);
  return value;
}

TEST(Llama2c, ReadsVersion0) {
  const auto model = read(version0(true));
  EXPECT_EQ(model->format(), "llama2c");
  EXPECT_EQ(model->metadata().integer("llama.context_length"), kContext);
  EXPECT_EQ(model->metadata().integer("llama.attention.head_count_kv"), kKvHeads);
  EXPECT_EQ(model->find("output.weight"), nullptr);
  EXPECT_EQ(first_value(*model, "token_embd.weight"), 10000);
  EXPECT_EQ(first_value(*model, "blk.1.attn_norm.weight"), 20000 + kDim);
  EXPECT_EQ(first_value(*model, "blk.1.attn_q.weight"), 30000 + kDim * kDim);
  EXPECT_EQ(first_value(*model, "blk.1.attn_k.weight"), 40000 + kKvDim * kDim);
  EXPECT_EQ(first_value(*model, "blk.0.attn_v.weight"), 50000);
  EXPECT_EQ(first_value(*model, "blk.0.attn_output.weight"), 60000);
  EXPECT_EQ(first_value(*model, "blk.0.ffn_norm.weight"), 70000);
  EXPECT_EQ(first_value(*model, "blk.0.ffn_gate.weight"), 80000);
  EXPECT_EQ(first_value(*model, "blk.0.ffn_down.weight"), 90000);
  EXPECT_EQ(first_value(*model, "blk.0.ffn_up.weight"), 100000);
  EXPECT_EQ(first_value(*model, "output_norm.weight"), 110000);
  EXPECT_EQ(model->require("blk.0.attn_k.weight").shape,
            (std::array<int64_t, 4>{kDim, kKvDim, 1, 1}));
}

TEST(Llama2c, ReadsAnUntiedHead) {
  EXPECT_EQ(first_value(*read(version0(false)), "output.weight"), 990000);
}

TEST(Llama2c, ReadsVersion1) {
  const auto model = read(version1());
  EXPECT_EQ(first_value(*model, "blk.0.attn_norm.weight"), 10000);
  EXPECT_EQ(first_value(*model, "blk.0.ffn_norm.weight"), 20000);
  EXPECT_EQ(first_value(*model, "output_norm.weight"), 30000);
  EXPECT_EQ(first_value(*model, "token_embd.weight"), 40000);
  EXPECT_EQ(first_value(*model, "blk.0.ffn_up.weight"), 110000);
}

TEST(Llama2c, ReadsVersion2) {
  const auto model = read(version2());
  EXPECT_EQ(model->require("token_embd.weight").type, DataType::kF32);
  EXPECT_EQ(first_value(*model, "blk.1.attn_q.weight", 0), -3 * 0.5f);
  EXPECT_EQ(first_value(*model, "blk.1.attn_q.weight", 6), 3 * 1.5f);
  EXPECT_EQ(first_value(*model, "blk.1.ffn_up.weight", 95), (95 % 7 - 3) * (0.5f + 23));
}

TEST(Llama2c, ReadsItsTokenizer) {
  const std::string file = tokenizer_file();
  const auto vocabulary = read_llama2c_tokenizer(std::as_bytes(std::span(file)), kTokens);
  EXPECT_EQ(vocabulary.tokens[1], "<s>");
  EXPECT_EQ(vocabulary.types[1], TokenType::kControl);
  EXPECT_EQ(vocabulary.tokens[13], "<0x0A>");
  EXPECT_EQ(vocabulary.types[13], TokenType::kByte);
  EXPECT_EQ(vocabulary.tokens[259], "\u2581t");
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_TRUE(vocabulary.add_space_prefix);
}

TEST(Llama2c, FindsTheTokenizerBesideTheModel) {
  const testing::TemporaryFolder folder;
  const Path path = folder.path() / "model.bin";
  write_bytes(path, version0(true));
  expect_error(ErrorCode::kNotFound, "tok260.bin", [&] { open_model_file(path); });
  write_bytes(folder.path() / "tokenizer.bin", tokenizer_file());
  EXPECT_EQ(open_model_file(path)->metadata().require_string("general.name"), "model");
  write_bytes(folder.path() / "tok260.bin", "damaged");
  expect_error(ErrorCode::kFormat, "tokenizer", [&] { open_model_file(path); });
  OpenModelOptions options;
  options.tokenizer = folder.path() / "tokenizer.bin";
  EXPECT_NO_THROW(open_model_file(path, options));
}

TEST(Llama2c, ReadsThirdPartyWeights) {
  MINIM_DATA_OR_SKIP(path, "weights/stories260K/stories260K.bin");
  const auto model = open_model_file(path);
  EXPECT_EQ(model->format(), "llama2c");
  EXPECT_EQ(model->tensors().size(), 47u);
  EXPECT_EQ(read_vocabulary(model->metadata()).tokens.size(), 512u);
}

std::string read_and_describe(std::span<const std::byte> bytes) {
  const std::string tokens = tokenizer_file();
  const auto vocabulary = read_llama2c_tokenizer(std::as_bytes(std::span(tokens)), kTokens);
  return testing::describe_model(*read_llama2c("test.bin", bytes, nullptr, vocabulary));
}

TEST(Llama2c, EveryTruncationOfTheHeaderIsACleanError) {
  for (const std::string& file : {version0(true), version1(), version2()}) {
    for (size_t size = 0; size < 300; ++size) {
      EXPECT_FALSE(testing::attempt_twice(read_and_describe, file.substr(0, size), "cut"));
    }
    EXPECT_FALSE(testing::attempt_twice(read_and_describe, file.substr(0, file.size() - 1), "cut"));
    EXPECT_FALSE(testing::attempt_twice(read_and_describe, file + "x", "longer"));
  }
}

TEST(Llama2c, EveryBitFlipOfTheHeaderIsACleanErrorOrReadsInsideTheFile) {
  for (const std::string& file : {version0(true), version1(), version2()}) {
    testing::try_every_bit_flip(file, 48, read_and_describe);
  }
}

TEST(Llama2cTokenizer, EveryTruncationAndBitFlipIsACleanErrorOrReadsInsideTheFile) {
  const std::string file = tokenizer_file();
  const auto describe = [](std::span<const std::byte> bytes) {
    Metadata metadata;
    write_vocabulary(read_llama2c_tokenizer(bytes, kTokens), metadata);
    return testing::describe_metadata(metadata);
  };
  for (size_t size = 0; size < file.size(); size += size < 64 ? 1 : 97) {
    EXPECT_FALSE(testing::attempt_twice(describe, file.substr(0, size), "cut"));
  }
  testing::try_every_bit_flip(file, 64, describe);
}

TEST(Llama2cThreats, HeadersThatNoModelHas) {
  const auto broken = [](size_t position, int32_t value) {
    std::string file = version0(true);
    std::memcpy(file.data() + position * 4, &value, 4);
    expect_error(ErrorCode::kFormat, "llama2c", [&] { read(file); });
  };
  for (size_t position = 0; position < 7; ++position) {
    for (const int32_t value : {0, 0x7fffffff, INT32_MIN}) broken(position, value);
    if (position != 5) broken(position, -1);
  }
  broken(3, 3);  // heads that do not divide the width
  broken(4, 3);  // key-value heads that do not divide the heads
  std::string file = version1();
  file[4] = 3;
  expect_error(ErrorCode::kUnsupported, "version 3", [&] { read(file); });
  file = version2();
  file[37] = 0;
  expect_error(ErrorCode::kFormat, "group size is 0", [&] { read(file); });
  file[37] = 7;
  expect_error(ErrorCode::kFormat, "no whole number of groups", [&] { read(file); });
}

TEST(Llama2cThreats, TokenizerFiles) {
  const auto refuse = [](ErrorCode code, const std::string& file, int64_t count,
                         std::string_view part) {
    expect_error(code, part,
                 [&] { read_llama2c_tokenizer(std::as_bytes(std::span(file)), count); });
  };
  const std::string file = tokenizer_file();
  refuse(ErrorCode::kFormat, file, 261, "ends inside");
  refuse(ErrorCode::kFormat, file, 259, "bytes follow");
  refuse(ErrorCode::kFormat, file, 258, "is not one of 258 tokens");
  refuse(ErrorCode::kFormat, file, int64_t{1} << 40, "is not one of");
  std::string damaged = file;
  damaged[8] = 127;  // longer than the longest
  refuse(ErrorCode::kFormat, damaged, kTokens, "token 0 has the length 127");
  damaged[11] = '\x80';  // negative
  refuse(ErrorCode::kFormat, damaged, kTokens, "token 0 has the length -");
  damaged = file;
  damaged[6] = '\x80', damaged[7] = 0x7f;  // an infinite score
  refuse(ErrorCode::kFormat, damaged, kTokens, "the score inf");
  damaged = file;
  damaged[damaged.find("<0x00>") + 3] = '1';
  refuse(ErrorCode::kUnsupported, damaged, kTokens, "not the byte <0x00>");
}

}  // namespace
}  // namespace minim
