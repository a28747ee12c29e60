// Adapters in GGUF, as llama.cpp's convert_lora_to_gguf.py writes them: `general.type` is
// "adapter", a matrix's two are named after it with ".lora_a" and ".lora_b". minim adds
// ".lora_magnitude" for DoRA and `adapter.base_fingerprint`.
#include <fmt/core.h>

#include <map>

#include "base/error.h"
#include "formats/adapter/adapter_formats.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf_writer.h"

namespace minim {
namespace {

// The tensors of one matrix.
struct Tensors {
  std::optional<TensorEntry> a, b, magnitude;
};

std::optional<TensorEntry>* find_place(Tensors& tensors, std::string_view kind) {
  if (kind == "lora_a") return &tensors.a;
  if (kind == "lora_b") return &tensors.b;
  if (kind == "lora_magnitude") return &tensors.magnitude;
  return nullptr;
}

[[noreturn]] void refuse(ErrorCode code, const Path& path, const std::string& what) {
  throw Error(code, fmt::format("adapter '{}': {}", path.string(), what));
}

std::map<std::string, Tensors> sort_tensors(const Path& path, const ModelFile& file) {
  std::map<std::string, Tensors> sorted;
  for (const TensorEntry& entry : file.tensors()) {
    const size_t dot = entry.name.rfind('.');
    const bool is_named = dot != std::string::npos && dot > 0;
    auto* place = is_named ? find_place(sorted[entry.name.substr(0, dot)],
                                        std::string_view(entry.name).substr(dot + 1))
                           : nullptr;
    if (place == nullptr) {
      refuse(ErrorCode::kUnsupported, path,
             fmt::format("the tensor '{}' is no part of a LoRA or DoRA", printable(entry.name)));
    }
    *place = entry;
  }
  return sorted;
}

// What the file calls the model that it was made for.
std::string base_name(const Metadata& metadata) {
  for (const char* key : {"general.base_model.0.name", "general.base_model.0.repo_url"}) {
    if (const auto name = metadata.string(key)) return *name;
  }
  return "";
}

}  // namespace

AdapterFile read_gguf_adapter(const Path& path, const ModelFile& file) {
  const Metadata& metadata = file.metadata();
  if (metadata.string("general.type").value_or("model") != "adapter") {
    refuse(ErrorCode::kFormat, path, "it is a model, not an adapter ('general.type')");
  }
  const std::string type = metadata.string("adapter.type").value_or("");
  if (type != "lora") {
    refuse(ErrorCode::kUnsupported, path,
           fmt::format("'adapter.type' is '{}'; minim knows 'lora'", printable(type)));
  }
  const auto alpha = metadata.number("adapter.lora.alpha");
  if (!alpha) refuse(ErrorCode::kFormat, path, "'adapter.lora.alpha' is missing");

  AdapterFile adapter;
  adapter.path = path;
  adapter.base = base_name(metadata);
  adapter.architecture = metadata.require_string("general.architecture");
  if (const MetadataValue* print = metadata.find("adapter.base_fingerprint")) {
    if (const auto* value = std::get_if<uint64_t>(&print->value)) adapter.base_fingerprint = *value;
  }
  for (auto& [target, tensors] : sort_tensors(path, file)) {
    if (!tensors.a || !tensors.b) {
      refuse(ErrorCode::kFormat, path,
             fmt::format("'{}' has only one of .lora_a and .lora_b", printable(target)));
    }
    AdapterPart part = {target, *tensors.a, *tensors.b, tensors.magnitude};
    part.scale = static_cast<float>(*alpha / static_cast<double>(part.a.shape[1]));
    adapter.parts.push_back(std::move(part));
  }
  check_adapter(adapter);
  return adapter;
}

void save_gguf_adapter(const Path& target, const AdapterFile& adapter) {
  check_adapter(adapter);
  const auto alpha = [](const AdapterPart& part) {
    return part.scale * static_cast<float>(part.a.shape[1]);
  };
  Metadata metadata;
  metadata.set_string("general.type", "adapter");
  metadata.set_string("general.architecture", adapter.architecture);
  if (!adapter.base.empty()) {
    metadata.set_uint32("general.base_model.count", 1);
    metadata.set_string("general.base_model.0.name", adapter.base);
  }
  metadata.set_string("adapter.type", "lora");
  metadata.set_float32("adapter.lora.alpha", alpha(adapter.parts.front()));
  if (adapter.base_fingerprint) {
    metadata.set_uint64("adapter.base_fingerprint", *adapter.base_fingerprint);
  }
  std::vector<TensorEntry> tensors;
  for (const AdapterPart& part : adapter.parts) {
    if (alpha(part) != alpha(adapter.parts.front())) {
      refuse(ErrorCode::kUnsupported, adapter.path,
             fmt::format("'{}' has another alpha than '{}', and GGUF has one for all",
                         printable(part.target), printable(adapter.parts.front().target)));
    }
    const auto add = [&](TensorEntry entry, const char* kind) {
      entry.name = part.target + kind;
      tensors.push_back(std::move(entry));
    };
    add(part.a, ".lora_a");
    add(part.b, ".lora_b");
    if (part.magnitude) add(*part.magnitude, ".lora_magnitude");
  }
  save_gguf(target, metadata, tensors);
}

}  // namespace minim
