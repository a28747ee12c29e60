// Gemma 3 in the ways in which it is published: alone or inside the model that also sees, with the
// configuration of transformers 4 or 5.
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "formats/model_file.h"
#include "formats/safetensors/safetensors_reader.h"
#include "formats/safetensors/safetensors_writer.h"
#include "formats/testing/corruption.h"
#include "formats/testing/raw_bytes.h"
#include "tests/support/test_data.h"

namespace minim {
namespace {

using testing::expect_error;
using testing::golden_path;
using testing::write_bytes;

class Gemma3Test : public ::testing::Test {
 protected:
  Gemma3Test()
      : golden_(golden_path("golden/model/gemma3-window")), folder_(temporary_.path() / "g") {
    std::filesystem::copy(golden_, folder_, std::filesystem::copy_options::recursive);
  }

  void edit_config(const std::function<void(Json&)>& change) {
    Json json = parse_json(read_file(golden_ / "config.json"), "config.json");
    change(json);
    write_bytes(folder_ / "config.json", json.dump());
  }

  // The same weights under other names, and one of the part that sees.
  void rename_tensors(const std::function<std::string(const std::string&)>& rename) {
    const auto file = SafetensorsFile::open(golden_ / "model.safetensors");
    std::vector<SafetensorsDeclaration> tensors;
    std::string data;
    for (const SafetensorsTensor& tensor : file->tensors()) {
      tensors.push_back({rename(tensor.name),
                         tensor.type,
                         {tensor.shape.begin(), tensor.shape.begin() + tensor.rank}});
      const TensorBytes bytes = file->load(tensor);
      data.append(reinterpret_cast<const char*>(bytes.bytes.data()), bytes.bytes.size());
    }
    tensors.push_back({rename("model.vision"), SafetensorsType::kF16, {1}});
    SafetensorsWriter writer(folder_ / "model.safetensors", tensors);
    data += "xx";
    writer.write(std::as_bytes(std::span(data)));
    writer.commit();
  }

  // But for the name, which is the folder's.
  void expect_the_same() {
    const auto actual = open_model_file(folder_);
    const auto expected = open_model_file(golden_);
    Metadata ours = actual->metadata(), theirs = expected->metadata();
    ours.erase("general.name");
    theirs.erase("general.name");
    EXPECT_EQ(testing::describe_metadata(ours), testing::describe_metadata(theirs));
    ASSERT_EQ(actual->tensors().size(), expected->tensors().size());
    for (const TensorEntry& tensor : expected->tensors()) {
      EXPECT_TRUE(
          std::ranges::equal(actual->require(tensor.name).load().bytes, tensor.load().bytes))
          << tensor.name;
    }
  }

  testing::TemporaryFolder temporary_;
  Path golden_;
  Path folder_;
};

TEST_F(Gemma3Test, TheTextPartOfTheModelThatSees) {
  edit_config([](Json& config) {
    config = {{"architectures", {"Gemma3ForConditionalGeneration"}}, {"text_config", config}};
  });
  for (const bool old_names : {true, false}) {
    rename_tensors([&](const std::string& name) -> std::string {
      if (name == "model.vision") return old_names ? "vision_tower.x" : "model.vision_tower.x";
      const std::string rest = name.substr(name.find('.'));
      return (old_names ? "language_model.model" : "model.language_model") + rest;
    });
    expect_the_same();
  }
}

TEST_F(Gemma3Test, TheConfigurationOfTransformers4) {
  edit_config([](Json& config) {
    const Json rope = config["rope_parameters"];
    config.erase("rope_parameters");
    config.erase("layer_types");
    config["sliding_window_pattern"] = 2;
    config["rope_theta"] = rope["full_attention"]["rope_theta"];
    config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"];
    config["rope_scaling"] = {{"rope_type", "linear"},
                              {"factor", rope["full_attention"]["factor"]}};
  });
  expect_the_same();
}

TEST_F(Gemma3Test, PatternsAndScalesThatCannotBeExpressedAreNamed) {
  const auto refuse = [&](ErrorCode code, std::string_view part,
                          const std::function<void(Json&)>& change) {
    edit_config(change);
    expect_error(code, part, [&] { open_model_file(folder_); });
  };
  refuse(ErrorCode::kUnsupported, "'layer_types'", [](Json& config) {
    config["layer_types"] = {"sliding_attention", "full_attention", "full_attention",
                             "sliding_attention"};
  });
  refuse(ErrorCode::kUnsupported, "'layer_types'", [](Json& config) {
    config["layer_types"] = {"sliding_attention", "full_attention"};
  });
  refuse(ErrorCode::kUnsupported, "layers with a window", [](Json& config) {
    config["rope_parameters"]["sliding_attention"] = {{"rope_type", "linear"}, {"factor", 2.0}};
  });
  refuse(ErrorCode::kUnsupported, "'use_bidirectional_attention'",
         [](Json& config) { config["use_bidirectional_attention"] = true; });
  refuse(ErrorCode::kFormat, "'query_pre_attn_scalar'",
         [](Json& config) { config["query_pre_attn_scalar"] = 0; });
  refuse(ErrorCode::kUnsupported, "'hidden_activation'",
         [](Json& config) { config["hidden_activation"] = "relu"; });
}

}  // namespace
}  // namespace minim
