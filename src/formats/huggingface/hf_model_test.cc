#include "formats/huggingface/hf_model.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "base/half.h"
#include "base/json.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/safetensors/safetensors_reader.h"
#include "formats/safetensors/safetensors_writer.h"
#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "formats/vocabulary.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;
using testing::golden_path;
using testing::write_bytes;

std::string describe(const MetadataValue& value) {
  std::string out;
  std::visit([&](const auto& content) { testing::describe_value(content, out); }, value.value);
  return out;
}

std::vector<float> to_floats(const TensorEntry& tensor) {
  const TensorBytes data = tensor.load();
  std::vector<float> values(static_cast<size_t>(tensor.value_count()));
  const size_t width = data.bytes.size() / values.size();
  for (size_t i = 0; i < values.size(); ++i) {
    const std::byte* place = data.bytes.data() + i * width;
    if (width == 4) {
      std::memcpy(&values[i], place, 4);
    } else {
      uint16_t bits;
      std::memcpy(&bits, place, 2);
      values[i] = tensor.type == DataType::kBf16 ? bfloat16_to_float(bits) : half_to_float(bits);
    }
  }
  return values;
}

void copy_folder(const Path& from, const Path& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

void expect_same_tensors(const ModelFile& actual, const ModelFile& expected) {
  EXPECT_EQ(actual.tensors().size(), expected.tensors().size());
  for (const TensorEntry& tensor : expected.tensors()) {
    const TensorEntry* found = actual.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->type, tensor.type) << tensor.name;
    EXPECT_EQ(found->rank, tensor.rank) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
    const TensorBytes ours = found->load(), theirs = tensor.load();
    EXPECT_TRUE(std::ranges::equal(ours.bytes, theirs.bytes)) << tensor.name;
  }
}

// The converter takes <unk> of a SentencePiece model for a control token, and the symbols that its
// user defined for ordinary ones.
void expect_same_types(const std::vector<int64_t>& actual, const std::vector<int64_t>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const auto type = static_cast<TokenType>(actual[i]);
    const auto other = static_cast<TokenType>(expected[i]);
    if (type == TokenType::kUnknown && other == TokenType::kControl) continue;
    if (type == TokenType::kUserDefined && other == TokenType::kNormal) continue;
    EXPECT_EQ(actual[i], expected[i]) << "token " << i;
  }
}

// Everything that the converter wrote, but for names that it makes up from the folder's.
void expect_same_metadata(const Metadata& actual, const Metadata& expected) {
  static const std::set<std::string> kNames = {"general.name", "general.basename",
                                               "general.size_label", "general.finetune",
                                               "general.version"};
  for (const auto& [key, value] : expected.entries()) {
    if (kNames.contains(key)) continue;
    const MetadataValue* found = actual.find(key);
    ASSERT_NE(found, nullptr) << key;
    if (key == "tokenizer.ggml.token_type") continue;
    EXPECT_EQ(describe(*found), describe(value)) << key;
  }
  expect_same_types(*actual.integers("tokenizer.ggml.token_type"),
                    *expected.integers("tokenizer.ggml.token_type"));
}

class HfImportGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(HfImportGolden, GivesWhatLlamaCppsConverterGives) {
  const Path folder = golden_path(std::string("golden/formats/hf/") + GetParam());
  const auto model = open_model_file(folder);
  const auto expected = open_gguf(folder / "expected.gguf");
  EXPECT_EQ(model->format(), "safetensors");
  expect_same_tensors(*model, *expected);
  expect_same_metadata(model->metadata(), expected->metadata());
}

TEST_P(HfImportGolden, GivesTheSameFromTheConfigurationOfTransformers5) {
  const Path golden = golden_path(std::string("golden/formats/hf/") + GetParam());
  const testing::TemporaryFolder temporary;
  const Path folder = temporary.path() / GetParam();
  copy_folder(golden, folder);
  std::filesystem::rename(folder / "config5.json", folder / "config.json");
  EXPECT_EQ(testing::describe_model(*open_model_file(folder)),
            testing::describe_model(*open_model_file(golden)));
}

INSTANTIATE_TEST_SUITE_P(All, HfImportGolden,
                         ::testing::Values("llama-spm", "llama-bpe", "qwen2", "phi3", "gpt2"));

// The models of tests/golden/model were written as GGUF through the names of the gguf package.
class HfImportNames : public ::testing::TestWithParam<const char*> {};

TEST_P(HfImportNames, GivesTheTensorsOfTheReferenceFile) {
  const Path folder = golden_path(std::string("golden/model/") + GetParam());
  const auto model = open_model_file(folder / "model.safetensors");
  const auto expected = open_gguf(folder / "model.gguf");
  for (const TensorEntry& tensor : expected->tensors()) {
    const TensorEntry* found = model->find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
    EXPECT_EQ(to_floats(*found), to_floats(tensor)) << tensor.name;
  }
  for (const TensorEntry& tensor : model->tensors()) {
    if (tensor.name == "output.weight" && expected->find("output.weight") == nullptr) continue;
    EXPECT_NE(expected->find(tensor.name), nullptr) << tensor.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HfImportNames,
                         ::testing::Values("llama-yarn", "qwen3-wide-heads", "gemma3-window",
                                           "phi3-long-partial", "gpt2", "qwen3moe-normed"));

// A small Llama whose files a test changes before opening it.
class HfImportTest : public ::testing::Test {
 protected:
  HfImportTest() : folder_(temporary_.path() / "tiny") {
    copy_folder(golden_path("golden/formats/hf/llama-bpe"), folder_);
  }

  void edit(const char* name, const std::function<void(Json&)>& change) {
    Json json = parse_json(read_file(folder_ / name), name);
    change(json);
    write_bytes(folder_ / name, json.dump());
  }
  void expect_config_error(ErrorCode code, std::string_view part,
                           const std::function<void(Json&)>& change) {
    const std::string before = read_file(folder_ / "config.json");
    edit("config.json", change);
    expect_error(code, part, [&] { open_model_file(folder_); });
    write_bytes(folder_ / "config.json", before);
  }
  // Writes the weights again with one more tensor, or without one.
  void rewrite_weights(const std::string& add, const std::string& drop) {
    const auto file = SafetensorsFile::open(folder_ / "model.safetensors");
    std::vector<SafetensorsDeclaration> tensors;
    std::string data;
    for (const SafetensorsTensor& tensor : file->tensors()) {
      if (tensor.name == drop) continue;
      tensors.push_back(
          {tensor.name, tensor.type, {tensor.shape.begin(), tensor.shape.begin() + tensor.rank}});
      const TensorBytes bytes = file->load(tensor);
      data.append(reinterpret_cast<const char*>(bytes.bytes.data()), bytes.bytes.size());
    }
    if (!add.empty()) {
      tensors.push_back({add, SafetensorsType::kU8, {1}});
      data += 'x';
    }
    SafetensorsWriter writer(folder_ / "model.safetensors", tensors);
    writer.write(std::as_bytes(std::span(data)));
    writer.commit();
  }

  testing::TemporaryFolder temporary_;
  Path folder_;
};

TEST_F(HfImportTest, ReadsTheTokenizerAndItsTemplate) {
  const Vocabulary vocabulary = read_vocabulary(open_model_file(folder_)->metadata());
  EXPECT_EQ(vocabulary.kind, TokenizerKind::kByteBpe);
  EXPECT_EQ(vocabulary.pre_tokenizer, "llama-bpe");
  EXPECT_TRUE(vocabulary.ignore_merges);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_EQ(vocabulary.tokens.at(static_cast<size_t>(*vocabulary.bos)), "<|begin_of_text|>");
  EXPECT_EQ(vocabulary.tokens.at(static_cast<size_t>(*vocabulary.eos)), "<|end_of_text|>");
  EXPECT_NE(vocabulary.chat_template.find("messages"), std::string::npos);
  EXPECT_EQ(vocabulary.tokens.back(), "[PAD278]");
  EXPECT_EQ(vocabulary.types.back(), TokenType::kUnused);
  write_bytes(folder_ / "chat_template.jinja", "other");
  EXPECT_EQ(read_vocabulary(open_model_file(folder_)->metadata()).chat_template, "other");
}

TEST_F(HfImportTest, OpensASingleFileBesideItsConfiguration) {
  const auto whole = open_model_file(folder_);
  const auto single = open_model_file(folder_ / "model.safetensors");
  EXPECT_EQ(testing::describe_model(*single), testing::describe_model(*whole));
}

TEST_F(HfImportTest, AModelWithoutATokenizerSaysSo) {
  std::filesystem::remove(folder_ / "tokenizer.json");
  const auto model = open_model_file(folder_);
  EXPECT_EQ(model->metadata().require_string("tokenizer.ggml.model"), "none");
  expect_error(ErrorCode::kUnsupported, "'none'", [&] { read_vocabulary(model->metadata()); });
}

TEST_F(HfImportTest, MissingFilesAreNamed) {
  std::filesystem::remove(folder_ / "model.safetensors");
  expect_error(ErrorCode::kNotFound, "model.safetensors.index.json",
               [&] { open_model_file(folder_); });
  std::filesystem::remove(folder_ / "config.json");
  expect_error(ErrorCode::kNotFound, "config.json", [&] { open_model_file(folder_); });
}

TEST_F(HfImportTest, UnknownArchitecturesAndSettingsAreNamed) {
  const auto unsupported = [&](std::string_view part, const std::function<void(Json&)>& change) {
    expect_config_error(ErrorCode::kUnsupported, part, change);
  };
  unsupported("'BertModel'", [](Json& c) { c["architectures"] = {"BertModel"}; });
  unsupported("'gelu'", [](Json& c) { c["hidden_act"] = "gelu"; });
  unsupported("'spiral'", [](Json& c) { c["rope_scaling"] = {{"rope_type", "spiral"}}; });
  unsupported("'longrope'", [](Json& c) { c["rope_scaling"] = {{"rope_type", "longrope"}}; });
  unsupported("quantization_config", [](Json& c) { c["quantization_config"] = {{"bits", 4}}; });
  unsupported("partial_rotary_factor", [](Json& c) { c["partial_rotary_factor"] = 0.5; });
}

TEST_F(HfImportTest, BrokenConfigurationsAreNamed) {
  const auto broken = [&](std::string_view part, const std::function<void(Json&)>& change) {
    expect_config_error(ErrorCode::kFormat, part, change);
  };
  broken("'architectures'", [](Json& c) { c.erase("architectures"); });
  broken("'hidden_size' is missing", [](Json& c) { c.erase("hidden_size"); });
  broken("'hidden_size' is 0", [](Json& c) { c["hidden_size"] = 0; });
  broken("'hidden_size' is -16", [](Json& c) { c["hidden_size"] = -16; });
  broken("'hidden_size' must be", [](Json& c) { c["hidden_size"] = "16"; });
  broken("outside", [](Json& c) { c["num_hidden_layers"] = int64_t{1} << 40; });
  broken("'model.layers.2.", [](Json& c) { c["num_hidden_layers"] = 2000000000; });
  broken("[279, 16], but", [](Json& c) { c["vocab_size"] = 2000000000; });
  broken("do not divide", [](Json& c) { c["num_key_value_heads"] = 3; });
  broken("must be even", [](Json& c) { c["head_dim"] = 7; });
  broken("has the shape [24, 16]", [](Json& c) { c["head_dim"] = 14; });
  broken("'rms_norm_eps' is missing", [](Json& c) { c.erase("rms_norm_eps"); });
  broken("'rms_norm_eps' is out of range", [](Json& c) { c["rms_norm_eps"] = 1e300; });
  broken("'rope_type' nor", [](Json& c) { c["rope_scaling"] = {{"factor", 2.0}}; });
  broken("'factor' is missing", [](Json& c) { c["rope_scaling"] = {{"rope_type", "linear"}}; });
  broken("lm_head.weight", [](Json& c) { c["tie_word_embeddings"] = false; });
  broken("not an object", [](Json& c) { c = Json::array(); });
}

TEST_F(HfImportTest, MissingAndUnknownTensorsAreNamed) {
  rewrite_weights("model.layers.0.extra.weight", "");
  expect_error(ErrorCode::kUnsupported, "'model.layers.0.extra.weight'",
               [&] { open_model_file(folder_); });
  rewrite_weights("", "model.layers.0.extra.weight");
  EXPECT_NO_THROW(open_model_file(folder_));
  rewrite_weights("", "model.layers.1.mlp.down_proj.weight");
  expect_error(ErrorCode::kFormat, "'model.layers.1.mlp.down_proj.weight' is missing",
               [&] { open_model_file(folder_); });
}

TEST_F(HfImportTest, IntegerWeightsAreRefused) {
  rewrite_weights("model.norm.bias", "model.norm.weight");
  rewrite_weights("model.norm.weight", "model.norm.bias");
  expect_error(ErrorCode::kFormat, "'model.norm.weight' has the shape [1]",
               [&] { open_model_file(folder_); });
}

TEST_F(HfImportTest, LinksOutOfTheFolderAreRefused) {
  std::filesystem::rename(folder_ / "tokenizer.json", temporary_.path() / "tokenizer.json");
  std::filesystem::create_symlink("../tokenizer.json", folder_ / "tokenizer.json");
  expect_error(ErrorCode::kFormat, "leads out of its folder", [&] { open_model_file(folder_); });
}

TEST_F(HfImportTest, ATokenizerLargerThanTheEmbeddingIsRefused) {
  edit("tokenizer.json", [](Json& tokenizer) {
    for (int id = 275; id < 400; ++id) {
      tokenizer["added_tokens"].push_back(
          {{"id", id}, {"content", fmt::format("<extra{}>", id)}, {"special", false}});
    }
  });
  expect_error(ErrorCode::kFormat, "400 tokens, but the embedding table 279 rows",
               [&] { open_model_file(folder_); });
}

TEST_F(HfImportTest, EndingIdsOfTheGenerationConfiguration) {
  edit("tokenizer_config.json", [](Json& config) { config.erase("eos_token"); });
  write_bytes(folder_ / "generation_config.json", R"({"eos_token_id": [273, 272, 999999, -1]})");
  edit("config.json", [](Json& config) { config["eos_token_id"] = nullptr; });
  const Vocabulary vocabulary = read_vocabulary(open_model_file(folder_)->metadata());
  EXPECT_EQ(vocabulary.eos, 273);
  EXPECT_EQ(vocabulary.eot, 272);
}

TEST(HfImport, DynamicScalingIsNoneWithinTheContext) {
  const testing::TemporaryFolder temporary;
  const Path folder = temporary.path() / "tiny";
  copy_folder(golden_path("golden/formats/hf/llama-bpe"), folder);
  Json config = parse_json(read_file(folder / "config.json"), "config.json");
  config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}};
  write_bytes(folder / "config.json", config.dump());
  EXPECT_FALSE(open_model_file(folder)->metadata().contains("llama.rope.scaling.type"));
}

}  // namespace
}  // namespace minim
