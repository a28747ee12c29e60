#include "formats/huggingface/hf_model.h"

#include <fmt/core.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "formats/byte_reader.h"
#include "formats/huggingface/architectures.h"
#include "formats/huggingface/hf_config.h"
#include "formats/huggingface/hf_import.h"
#include "formats/huggingface/tokenizer_config.h"
#include "formats/huggingface/tokenizer_document.h"
#include "formats/huggingface/tokenizer_json.h"
#include "formats/safetensors/safetensors_reader.h"
#include "formats/sentencepiece.h"
#include "formats/vocabulary.h"

namespace minim {
namespace {

// A tree of the JSON takes up to 18 times its text.
constexpr size_t kConfigBytesMax = size_t{4} << 20;
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kWeightsIndex = "model.safetensors.index.json";
constexpr uint32_t kQuantizationVersion = 2;  // of GGUF's block layouts

constexpr HfArchitecture kArchitectures[] = {
    {"LlamaForCausalLM", "llama", import_llama},
    {"LLaMAForCausalLM", "llama", import_llama},
    {"MistralForCausalLM", "llama", import_llama},
    {"Qwen2ForCausalLM", "qwen2", import_qwen2},
    {"Qwen3ForCausalLM", "qwen3", import_qwen3},
    {"Qwen3MoeForCausalLM", "qwen3moe", import_qwen3moe},
    {"Gemma3ForCausalLM", "gemma3", import_gemma3},
    {"Gemma3ForConditionalGeneration", "gemma3", import_gemma3},
    {"Phi3ForCausalLM", "phi3", import_phi3},
    {"GPT2LMHeadModel", "gpt2", import_gpt2},
};

bool is_folder(const Path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

// The files of a model's folder. Links may not lead out of it.
class HfFolder {
 public:
  explicit HfFolder(const Path& path) : folder_(is_folder(path) ? path : path.parent_path()) {}

  bool has(const char* name) const {
    std::error_code ignored;
    return std::filesystem::exists(folder_ / name, ignored);
  }
  Path find(const char* name) const { return resolve_inside(folder_, name); }
  std::string read(const char* name, size_t bytes_max = kConfigBytesMax) const {
    return read_file(find(name), bytes_max);
  }
  std::optional<Json> read_json(const char* name) const {
    if (!has(name)) return std::nullopt;
    return parse_json(read(name), name);
  }
  std::string name() const {
    const Path absolute = std::filesystem::absolute(folder_).lexically_normal();
    return absolute.has_filename() ? absolute.filename().string()
                                   : absolute.parent_path().filename().string();
  }

 private:
  Path folder_;
};

const HfArchitecture& find_architecture(const HfConfig& config) {
  const Json* names = config.find("architectures");
  if (names == nullptr || !names->is_array() || names->empty() || !(*names)[0].is_string()) {
    throw Error(ErrorCode::kFormat, "config.json: 'architectures' names no architecture");
  }
  const auto name = (*names)[0].get<std::string>();
  std::string known;
  for (const HfArchitecture& architecture : kArchitectures) {
    if (name == architecture.name) return architecture;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture.name);
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("config.json: the architecture '{}' is not supported; supported are {}",
                          printable(name), known));
}

// The part of the configuration that describes the text model.
HfConfig text_config(const HfConfig& config) {
  auto inner = config.object("text_config");
  return inner ? *std::move(inner) : config;
}

SafetensorsSources open_tensors(const Path& path, const HfFolder& folder) {
  if (!is_folder(path)) return list_tensors(SafetensorsFile::open(path));
  if (folder.has(kWeights)) return list_tensors(SafetensorsFile::open(folder.find(kWeights)));
  if (folder.has(kWeightsIndex)) return open_safetensors_index(folder.find(kWeightsIndex));
  throw Error(ErrorCode::kNotFound,
              fmt::format("'{}' holds neither {} nor {}", path.string(), kWeights, kWeightsIndex));
}

// Nothing for a model without a tokenizer, which can still compute with token ids.
std::optional<Vocabulary> read_tokenizer(const HfFolder& folder,
                                         const std::optional<Json>& config) {
  if (folder.has("tokenizer.json")) {
    return read_tokenizer_json(folder.read("tokenizer.json", kTokenizerJsonBytesMax));
  }
  if (!folder.has("tokenizer.model")) return std::nullopt;
  const std::string model = folder.read("tokenizer.model", kTokenizerJsonBytesMax);
  Vocabulary vocabulary = read_sentencepiece(std::as_bytes(std::span(model)));
  if (const auto added = folder.read_json("added_tokens.json")) {
    add_tokens_by_name(HfConfig(*added, "added_tokens.json").json(), vocabulary);
  }
  if (config) add_tokens_by_id(*config, vocabulary);
  vocabulary.pre_tokenizer = "default";  // none, but other readers ask for the key
  // What transformers does where tokenizer_config.json does not say otherwise.
  vocabulary.add_bos = vocabulary.kind == TokenizerKind::kSentencePieceBpe && vocabulary.bos;
  vocabulary.add_eos = vocabulary.kind == TokenizerKind::kUnigram && vocabulary.eos;
  return vocabulary;
}

std::optional<Vocabulary> read_vocabulary_of(const HfFolder& folder, const HfConfig& config) {
  auto json = folder.read_json("tokenizer_config.json");
  if (json) json = HfConfig(*std::move(json), "tokenizer_config.json").json();
  auto vocabulary = read_tokenizer(folder, json);
  if (!vocabulary) return std::nullopt;
  if (json) apply_tokenizer_config(*json, *vocabulary);
  apply_special_ids(text_config(config).json(), config.origin(), *vocabulary);
  apply_special_ids(config.json(), config.origin(), *vocabulary);
  if (auto generation = folder.read_json("generation_config.json")) {
    const HfConfig checked(*std::move(generation), "generation_config.json");
    apply_special_ids(checked.json(), checked.origin(), *vocabulary);
  }
  if (folder.has("chat_template.jinja")) {
    vocabulary->chat_template = folder.read("chat_template.jinja");
  }
  return vocabulary;
}

// Embedding tables are often longer than the vocabulary; the rows have no tokens.
void pad_vocabulary(Vocabulary& vocabulary, int64_t rows) {
  const auto count = static_cast<size_t>(rows);
  if (vocabulary.tokens.size() > count) {
    throw Error(ErrorCode::kFormat,
                fmt::format("huggingface: the tokenizer has {} tokens, but the embedding table {} "
                            "rows",
                            vocabulary.tokens.size(), count));
  }
  while (vocabulary.tokens.size() < count) {
    vocabulary.tokens.push_back(fmt::format("[PAD{}]", vocabulary.tokens.size()));
    vocabulary.types.push_back(TokenType::kUnused);
    if (!vocabulary.scores.empty()) vocabulary.scores.push_back(-10000.0f);
  }
}

// GGUF's number for what most tensors are stored as.
uint32_t file_type(DataType type) {
  switch (type) {
    case DataType::kF16: return 1;
    case DataType::kBf16: return 32;
    default: return 0;
  }
}

}  // namespace

std::span<const HfArchitecture> hf_architectures() { return kArchitectures; }

std::shared_ptr<const ModelFile> open_huggingface(const Path& path) {
  const HfFolder folder(path);
  if (!folder.has("config.json")) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("'{}' has no config.json beside its weights", path.string()));
  }
  const HfConfig config(*folder.read_json("config.json"), "config.json");
  const HfArchitecture& architecture = find_architecture(config);
  if (config.find("quantization_config") != nullptr) {
    throw Error(ErrorCode::kUnsupported,
                "config.json: quantized weights ('quantization_config') are not supported; import "
                "the original model");
  }
  HfImport import(architecture.gguf_name, text_config(config), open_tensors(path, folder));
  architecture.run(import);
  auto tensors = import.take_tensors();
  Metadata metadata = import.take_metadata();

  const auto embedding = std::find_if(tensors.begin(), tensors.end(), [](const auto& tensor) {
    return tensor.name == "token_embd.weight";
  });
  MINIM_CHECK(embedding != tensors.end());
  metadata.set_string("general.type", "model");
  metadata.set_string("general.name", folder.name());
  metadata.set_uint32("general.file_type", file_type(embedding->type));
  metadata.set_uint32("general.quantization_version", kQuantizationVersion);
  if (auto vocabulary = read_vocabulary_of(folder, config)) {
    pad_vocabulary(*vocabulary, embedding->shape[1]);
    write_vocabulary(*vocabulary, metadata);
  } else {
    metadata.set_string("tokenizer.ggml.model", "none");
    metadata.set_uint32(fmt::format("{}.vocab_size", architecture.gguf_name),
                        static_cast<uint32_t>(embedding->shape[1]));
  }
  return std::make_shared<ModelFile>(path, "safetensors", std::move(metadata), std::move(tensors));
}

}  // namespace minim
