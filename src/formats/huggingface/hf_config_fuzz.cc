// Any text as config.json (and tokenizer_config.json), with the weights of a tiny model, for every
// architecture.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/tokenizer_config.h"
#include "formats/safetensors/safetensors_reader.h"

namespace {

// Tensors by the names that any architecture asks for, all of one small shape each.
struct Weights {
  std::string header = "{";
  uint64_t end = 0;

  void add(const std::string& name, const std::string& shape, uint64_t values) {
    if (header.size() > 1) header += ',';
    header += "\"" + name + "\":{\"dtype\":\"F16\",\"shape\":[" + shape + "],\"data_offsets\":[" +
              std::to_string(end) + "," + std::to_string(end + 2 * values) + "]}";
    end += 2 * values;
  }

  std::vector<std::byte> file() const {
    const std::string json = header + "}";
    const uint64_t size = json.size();
    std::vector<std::byte> bytes(8 + json.size() + end);
    std::memcpy(bytes.data(), &size, 8);
    std::memcpy(bytes.data() + 8, json.data(), json.size());
    return bytes;
  }
};

// One layer, 4 wide, 2 heads of 2, 6 tokens.
std::vector<std::byte> make_file(bool is_gpt2) {
  Weights weights;
  const auto matrix = [&](const std::string& name, int rows, int cols) {
    weights.add(name, std::to_string(rows) + "," + std::to_string(cols),
                static_cast<uint64_t>(rows * cols));
  };
  const auto vector = [&](const std::string& name, int size) {
    weights.add(name, std::to_string(size), static_cast<uint64_t>(size));
  };
  if (is_gpt2) {
    matrix("wte.weight", 6, 4);
    matrix("wpe.weight", 8, 4);
    matrix("h.0.attn.c_attn.weight", 4, 12);
    vector("h.0.attn.c_attn.bias", 12);
    matrix("h.0.attn.c_proj.weight", 4, 4);
    vector("h.0.attn.c_proj.bias", 4);
    matrix("h.0.mlp.c_fc.weight", 4, 16);
    vector("h.0.mlp.c_fc.bias", 16);
    matrix("h.0.mlp.c_proj.weight", 16, 4);
    vector("h.0.mlp.c_proj.bias", 4);
    for (const char* name : {"h.0.ln_1", "h.0.ln_2", "ln_f"}) {
      vector(name + std::string(".weight"), 4);
      vector(name + std::string(".bias"), 4);
    }
    return weights.file();
  }
  matrix("model.embed_tokens.weight", 6, 4);
  vector("model.norm.weight", 4);
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    matrix(std::string("model.layers.0.self_attn.") + name + ".weight", 4, 4);
  }
  matrix("model.layers.0.self_attn.qkv_proj.weight", 12, 4);
  for (const char* name : {"q_norm", "k_norm"}) {
    vector(std::string("model.layers.0.self_attn.") + name + ".weight", 2);
  }
  for (const char* name : {"input_layernorm", "post_attention_layernorm",
                           "pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
    vector(std::string("model.layers.0.") + name + ".weight", 4);
  }
  matrix("model.layers.0.mlp.gate_up_proj.weight", 16, 4);
  matrix("model.layers.0.mlp.gate_proj.weight", 8, 4);
  matrix("model.layers.0.mlp.up_proj.weight", 8, 4);
  matrix("model.layers.0.mlp.down_proj.weight", 4, 8);
  return weights.file();
}

std::shared_ptr<const minim::SafetensorsFile> open(bool is_gpt2) {
  const auto bytes = std::make_shared<const std::vector<std::byte>>(make_file(is_gpt2));
  return minim::SafetensorsFile::read("fuzz.safetensors", *bytes, bytes);
}

// Tensors that an architecture does not know end its import.
bool belongs(std::string_view architecture, std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  if (has("qkv_proj") || has("gate_up_proj")) return architecture == "phi3";
  if (has("q_norm") || has("k_norm")) return architecture == "qwen3" || architecture == "gemma3";
  if (has("feedforward")) return architecture == "gemma3";
  const bool is_split =
      has("q_proj") || has("k_proj") || has("v_proj") || has("gate_proj") || has("up_proj");
  return !is_split || architecture != "phi3";
}

void try_config(const minim::HfConfig& config, const minim::HfArchitecture& architecture,
                const std::shared_ptr<const minim::SafetensorsFile>& weights) {
  try {
    auto sources = minim::list_tensors(weights);
    std::erase_if(sources, [&](const auto& source) {
      return !belongs(architecture.gguf_name, source.first);
    });
    minim::HfImport import(architecture.gguf_name, config, std::move(sources));
    architecture.run(import);
    const auto tensors = import.take_tensors();
    for (const minim::TensorEntry& tensor : tensors) {
      if (tensor.load().bytes.size() != tensor.byte_count()) std::abort();
    }
  } catch (const minim::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto plain = open(false);
  static const auto gpt2 = open(true);
  try {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const minim::HfConfig config(minim::parse_json(text, "config.json"), "config.json");
    for (const minim::HfArchitecture& architecture : minim::hf_architectures()) {
      const bool is_gpt2 = std::string_view(architecture.gguf_name) == "gpt2";
      try_config(config, architecture, is_gpt2 ? gpt2 : plain);
    }
    minim::Vocabulary vocabulary;
    vocabulary.tokens = {"a", "b", "<s>"};
    minim::apply_tokenizer_config(config.json(), vocabulary);
    minim::apply_special_ids(config.json(), "config.json", vocabulary);
  } catch (const minim::Error&) {
  }
  return 0;
}
