// What is written is read again; what contradicts itself is refused.
#include "formats/adapter/adapter_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "base/error.h"
#include "formats/adapter/adapter_formats.h"
#include "formats/gguf/gguf_writer.h"
#include "formats/safetensors/safetensors_writer.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

TensorEntry entry_of(int64_t rows, int64_t cols, float first) {
  const auto values = std::make_shared<std::vector<float>>();
  for (int64_t i = 0; i < rows * cols; ++i) values->push_back(first + static_cast<float>(i));
  TensorEntry entry;
  entry.rank = rows == 1 ? 1 : 2;
  entry.shape = {cols, rows, 1, 1};
  entry.load = [values] { return TensorBytes{std::as_bytes(std::span(*values)), values}; };
  return entry;
}

AdapterFile some_adapter() {
  AdapterFile file;
  file.path = "some";
  file.base = "somebody/base";
  file.architecture = "llama";
  file.base_fingerprint = 0xfedcba9876543210;
  file.parts.push_back({"blk.0.attn_q.weight", entry_of(2, 4, 1), entry_of(6, 2, 50), {}, 4.0f});
  file.parts.push_back(
      {"blk.0.ffn_up.weight", entry_of(2, 4, 100), entry_of(3, 2, 150), entry_of(1, 3, 9), 4.0f});
  return file;
}

std::vector<float> floats_of(const TensorEntry& entry) {
  const TensorBytes stored = entry.load();
  std::vector<float> values(stored.bytes.size() / sizeof(float));
  std::memcpy(values.data(), stored.bytes.data(), stored.bytes.size());
  return values;
}

class AdapterFileTest : public ::testing::Test {
 protected:
  Path path(const char* name) const { return folder_.path() / name; }

  // The message of the refusal.
  static std::string refused(ErrorCode code, const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return "";
  }

  // A PEFT folder: its config and the tensors.
  void write_peft(const std::string& config, std::vector<TensorEntry> tensors) {
    FileWriter writer(path("adapter_config.json"));
    writer.write(config);
    writer.commit();
    std::vector<SafetensorsDeclaration> declared;
    for (const TensorEntry& tensor : tensors) {
      declared.push_back({tensor.name, SafetensorsType::kF32, {tensor.shape[1], tensor.shape[0]}});
    }
    SafetensorsWriter model(path("adapter_model.safetensors"), declared);
    for (const TensorEntry& tensor : tensors) model.write(tensor.load().bytes);
    model.commit();
  }
  static TensorEntry named(std::string name, TensorEntry entry) {
    entry.name = std::move(name);
    return entry;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(AdapterFileTest, GgufComesBackAsItWas) {
  const AdapterFile written = some_adapter();
  save_gguf_adapter(path("a.gguf"), written);
  const AdapterFile read = open_adapter_file(path("a.gguf"), {});
  EXPECT_EQ(read.base, written.base);
  EXPECT_EQ(read.architecture, "llama");
  EXPECT_EQ(read.base_fingerprint, written.base_fingerprint);
  ASSERT_EQ(read.parts.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.parts[i].target, written.parts[i].target);
    EXPECT_EQ(read.parts[i].scale, 4.0f);
    EXPECT_EQ(floats_of(read.parts[i].a), floats_of(written.parts[i].a));
    EXPECT_EQ(floats_of(read.parts[i].b), floats_of(written.parts[i].b));
  }
  EXPECT_FALSE(read.parts[0].magnitude);
  EXPECT_EQ(floats_of(*read.parts[1].magnitude), (std::vector<float>{9, 10, 11}));
}

TEST_F(AdapterFileTest, RefusesWhatContradictsItself) {
  const auto refused_after = [&](const std::function<void(AdapterFile&)>& change) {
    AdapterFile file = some_adapter();
    change(file);
    return refused(ErrorCode::kFormat, [&] { check_adapter(file); });
  };
  refused_after([](AdapterFile& file) { file.parts.clear(); });
  refused_after([](AdapterFile& file) { file.parts[1].target = file.parts[0].target; });
  refused_after([](AdapterFile& file) { file.parts[0].b = entry_of(6, 3, 0); });
  refused_after([](AdapterFile& file) { file.parts[1].magnitude = entry_of(1, 4, 0); });
  refused_after([](AdapterFile& file) { file.parts[0].a.shape = {0, 2, 1, 1}; });
  refused_after([](AdapterFile& file) { file.parts[0].scale = std::nanf(""); });
  AdapterFile scales = some_adapter();
  scales.parts[1].scale = 3.0f;
  refused(ErrorCode::kUnsupported, [&] { save_gguf_adapter(path("b.gguf"), scales); });
}

TEST_F(AdapterFileTest, RefusesOtherGgufFiles) {
  const AdapterFile adapter = some_adapter();
  const TensorEntry tensor = named("blk.0.attn_q.weight.lora_a", adapter.parts[0].a);
  const auto refusal = [&](ErrorCode code, Metadata metadata, std::vector<TensorEntry> tensors) {
    save_gguf(path("c.gguf"), metadata, tensors);
    return refused(code, [&] { open_adapter_file(path("c.gguf"), {}); });
  };
  Metadata metadata;
  metadata.set_string("general.architecture", "llama");
  EXPECT_NE(refusal(ErrorCode::kFormat, metadata, {tensor}).find("a model, not an adapter"),
            std::string::npos);
  metadata.set_string("general.type", "adapter");
  metadata.set_string("adapter.type", "ia3");
  EXPECT_NE(refusal(ErrorCode::kUnsupported, metadata, {tensor}).find("'ia3'"), std::string::npos);
  metadata.set_string("adapter.type", "lora");
  EXPECT_NE(refusal(ErrorCode::kFormat, metadata, {tensor}).find("alpha"), std::string::npos);
  metadata.set_float32("adapter.lora.alpha", 8);
  EXPECT_NE(refusal(ErrorCode::kFormat, metadata, {tensor}).find("only one of"), std::string::npos);
  EXPECT_NE(refusal(ErrorCode::kUnsupported, metadata, {named("blk.0.attn_q.weight", tensor)})
                .find("no part of a LoRA"),
            std::string::npos);
}

constexpr const char* kQuery = "base_model.model.model.layers.0.self_attn.q_proj";

TEST_F(AdapterFileTest, PeftFoldersAreReadUnderGgufsNames) {
  write_peft(R"({"peft_type": "LORA", "r": 2, "lora_alpha": 8, "use_rslora": false, "bias": "none",
                "base_model_name_or_path": "somebody/base", "alpha_pattern": {"mlp.c_fc": 4}})",
             {named(std::string(kQuery) + ".lora_A.weight", entry_of(2, 4, 1)),
              named(std::string(kQuery) + ".lora_B.weight", entry_of(8, 2, 0)),
              named("base_model.model.transformer.h.11.mlp.c_fc.lora_A.weight", entry_of(2, 4, 1)),
              named("base_model.model.transformer.h.11.mlp.c_fc.lora_B.weight", entry_of(6, 2, 0)),
              named("base_model.model.lm_head.lora_A.weight", entry_of(2, 4, 1)),
              named("base_model.model.lm_head.lora_B.weight", entry_of(6, 2, 0))});
  const AdapterFile other = open_adapter_file(folder_.path(), {"qwen2", 2, 1});
  EXPECT_EQ(other.base, "somebody/base");
  ASSERT_EQ(other.parts.size(), 3u);
  EXPECT_EQ(other.parts[0].target, "output.weight");
  EXPECT_EQ(other.parts[1].target, "blk.0.attn_q.weight");
  EXPECT_EQ(other.parts[2].target, "blk.11.ffn_up.weight");
  EXPECT_EQ(other.parts[1].scale, 4.0f);
  EXPECT_EQ(other.parts[2].scale, 2.0f) << "it has an alpha of its own";
  EXPECT_EQ(floats_of(other.parts[1].b).front(), 0.0f);

  // GGUF's llama has the rows of each query head in pairs: 0 and 2, 1 and 3.
  const AdapterFile llama = open_adapter_file(path("adapter_model.safetensors"), {"llama", 2, 1});
  EXPECT_EQ(floats_of(llama.parts[1].b),
            (std::vector<float>{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}));
}

TEST_F(AdapterFileTest, RefusesPeftFoldersThatAreMoreThanALora) {
  const std::vector<TensorEntry> good = {
      named(std::string(kQuery) + ".lora_A.weight", entry_of(2, 4, 1)),
      named(std::string(kQuery) + ".lora_B.weight", entry_of(8, 2, 0))};
  const auto refusal = [&](ErrorCode code, const char* config, std::vector<TensorEntry> tensors) {
    write_peft(config, std::move(tensors));
    return refused(code, [&] { open_adapter_file(folder_.path(), {"llama", 2, 1}); });
  };
  const char* plain = R"({"peft_type": "LORA", "lora_alpha": 8})";
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(refusal(ErrorCode::kUnsupported, R"({"peft_type": "IA3", "lora_alpha": 8})", good), "IA3");
  has(refusal(ErrorCode::kUnsupported, R"({"peft_type": "LORA", "lora_alpha": 8, "bias": "all"})",
              good),
      "bias");
  has(refusal(ErrorCode::kUnsupported,
              R"({"peft_type": "LORA", "lora_alpha": 8, "modules_to_save": ["lm_head"]})", good),
      "modules_to_save");
  has(refusal(ErrorCode::kFormat, R"({"peft_type": "LORA"})", good), "lora_alpha");
  has(refusal(ErrorCode::kFormat, R"({"peft_type": "LORA", "lora_alpha": 8, "use_dora": true})",
              good),
      "magnitude");
  has(refusal(ErrorCode::kFormat, plain, {good[0]}), "only one of");
  has(refusal(ErrorCode::kUnsupported, plain,
              {named("base_model.model.model.embed_tokens.lora_embedding_A", good[0])}),
      "no part of a LoRA");
  has(refusal(ErrorCode::kUnsupported, plain,
              {named("base_model.model.model.layers.0.router.lora_A.weight", good[0]),
               named("base_model.model.model.layers.0.router.lora_B.weight", good[1])}),
      "does not know the module");
  has(refusal(ErrorCode::kFormat, plain,
              {good[0], named(std::string(kQuery) + ".lora_B.weight", entry_of(7, 2, 0))}),
      "no whole heads");
  refusal(ErrorCode::kFormat, "[1, 2", good);
}

TEST_F(AdapterFileTest, RefusesOtherFiles) {
  FileWriter writer(path("text"));
  writer.write("hello, world, this is no adapter");
  writer.commit();
  refused(ErrorCode::kFormat, [&] { open_adapter_file(path("text"), {}); });
  refused(ErrorCode::kNotFound, [&] { open_adapter_file(path("nothing"), {}); });
}

}  // namespace
}  // namespace minim
