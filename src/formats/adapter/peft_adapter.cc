// Adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors, whose tensors are
// named after the modules of the Hugging Face model.
#include <fmt/core.h>

#include <cmath>
#include <map>
#include <memory>

#include "base/error.h"
#include "formats/adapter/adapter_formats.h"
#include "formats/byte_reader.h"
#include "formats/huggingface/hf_config.h"
#include "formats/huggingface/tensor_transforms.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {
namespace {

constexpr const char* kConfigName = "adapter_config.json";
constexpr size_t kConfigBytesMax = size_t{1} << 20;

struct Module {
  std::string_view source, target;
};
// Of a layer; the names mean the same in every architecture that has them.
constexpr Module kModules[] = {
    {"self_attn.q_proj", "attn_q"},     {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},     {"self_attn.o_proj", "attn_output"},
    {"self_attn.qkv_proj", "attn_qkv"}, {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},          {"mlp.down_proj", "ffn_down"},
    {"mlp.gate_up_proj", "ffn_up"},     {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},     {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
};

struct Tensors {
  const SafetensorsSource* a = nullptr;
  const SafetensorsSource* b = nullptr;
  const SafetensorsSource* magnitude = nullptr;
};

class PeftReader {
 public:
  PeftReader(const Path& folder, std::string_view config, const AdapterBase& base)
      : folder_(folder), base_(base), config_(parse_config(folder / kConfigName, config)) {}

  AdapterFile read(const SafetensorsSources& sources) {
    check_config();
    std::map<std::string, Tensors> modules;
    for (const auto& [name, source] : sources) sort(name, source, modules);

    AdapterFile adapter;
    adapter.path = folder_;
    adapter.base = config_.text("base_model_name_or_path").value_or("");
    for (const auto& [module, tensors] : modules) adapter.parts.push_back(part(module, tensors));
    check_adapter(adapter);
    return adapter;
  }

 private:
  static HfConfig parse_config(const Path& path, std::string_view text) {
    return HfConfig(parse_json(text, path.string(), {.bytes_max = kConfigBytesMax}), path.string());
  }

  [[noreturn]] void refuse(ErrorCode code, const std::string& what) const {
    throw Error(code, fmt::format("adapter '{}': {}", folder_.string(), what));
  }

  // Kinds and options that change what the matrices mean.
  void check_config() const {
    config_.expect_text("peft_type", {"LORA"});
    config_.expect_text("bias", {"none"});
    for (const char* key :
         {"lora_bias", "modules_to_save", "layer_replication", "trainable_token_indices",
          "target_parameters", "alora_invocation_tokens", "use_qalora", "use_bdlora",
          "arrow_config", "kasa_config", "velora_config", "monteclora_config"}) {
      const Json* value = config_.find(key);
      if (value == nullptr || *value == false || (!value->is_primitive() && value->empty()))
        continue;
      refuse(ErrorCode::kUnsupported,
             fmt::format("adapter_config.json: '{}' is not supported; train without it", key));
    }
  }

  void sort(const std::string& name, const SafetensorsSource& source,
            std::map<std::string, Tensors>& modules) const {
    struct Kind {
      std::string_view suffix;
      const SafetensorsSource* Tensors::*place;
    };
    static constexpr Kind kKinds[] = {{".lora_A.weight", &Tensors::a},
                                      {".lora_B.weight", &Tensors::b},
                                      {".lora_magnitude_vector", &Tensors::magnitude},
                                      {".lora_magnitude_vector.weight", &Tensors::magnitude}};
    for (const auto& [suffix, place] : kKinds) {
      if (!name.ends_with(suffix)) continue;
      modules[name.substr(0, name.size() - suffix.size())].*place = &source;
      return;
    }
    // With an adapter of the head PEFT saves the head itself too, unchanged.
    if (name.ends_with(".base_layer.weight")) return;
    refuse(ErrorCode::kUnsupported,
           fmt::format("the tensor '{}' is no part of a LoRA or DoRA of a linear module",
                       printable(name)));
  }

  // "base_model.model.model.layers.3.self_attn.q_proj" -> "blk.3.attn_q.weight".
  std::string target_of(const std::string& module) const {
    std::string_view rest = module;
    const auto skip = [&](std::string_view prefix) {
      if (!rest.starts_with(prefix)) return false;
      rest.remove_prefix(prefix.size());
      return true;
    };
    skip("base_model.model.");
    if (rest == "lm_head") return "output.weight";
    if (skip("model.layers.") || skip("transformer.h.")) {
      const size_t dot = rest.find('.');
      const std::string_view layer = rest.substr(0, dot);
      const bool is_number = !layer.empty() && layer.size() <= 4 &&
                             layer.find_first_not_of("0123456789") == std::string_view::npos;
      if (is_number && dot != std::string_view::npos) {
        for (const Module& known : kModules) {
          if (known.source != rest.substr(dot + 1)) continue;
          return fmt::format("blk.{}.{}.weight", layer, known.target);
        }
      }
    }
    refuse(ErrorCode::kUnsupported, fmt::format("minim does not know the module '{}'; adapters "
                                                "change attention, feed-forward and lm_head",
                                                printable(module)));
  }

  // For the last part of its name that a pattern ends in, as PEFT has it.
  double of_module(const char* pattern, std::string_view module, double otherwise) const {
    const Json* patterns = config_.find(pattern);
    if (patterns == nullptr || !patterns->is_object()) return otherwise;
    for (const auto& [key, value] : patterns->items()) {
      if (!value.is_number()) continue;
      const bool whole = module == key || module.ends_with("." + key);
      if (whole) return value.get<double>();
    }
    return otherwise;
  }

  float scale_of(std::string_view module, int64_t rank) const {
    const double alpha = of_module("alpha_pattern", module, config_.require_number("lora_alpha"));
    const bool by_root = config_.boolean("use_rslora").value_or(false);
    const auto divisor = static_cast<double>(rank);
    return static_cast<float>(alpha / (by_root ? std::sqrt(divisor) : divisor));
  }

  // GGUF's Llama rotates adjacent pairs, so the rows of its queries and keys change places.
  int64_t rotated_heads(std::string_view target) const {
    if (base_.architecture != "llama") return 0;
    if (target.ends_with(".attn_q.weight")) return base_.head_count;
    return target.ends_with(".attn_k.weight") ? base_.kv_head_count : 0;
  }

  TensorEntry entry(std::string name, const SafetensorsSource& source, int64_t heads) const {
    const SafetensorsTensor& tensor = *source.tensor;
    const auto type = to_data_type(tensor.type);
    const bool is_float =
        type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBf16;
    if (!is_float || tensor.rank < 1 || tensor.rank > 2) {
      refuse(ErrorCode::kUnsupported,
             fmt::format("'{}' must be a matrix of F32, F16 or BF16", printable(tensor.name)));
    }
    TensorEntry entry;
    entry.name = std::move(name);
    entry.type = *type;
    entry.rank = tensor.rank;
    for (int i = 0; i < tensor.rank; ++i) {
      entry.shape[static_cast<size_t>(tensor.rank - 1 - i)] = tensor.shape[static_cast<size_t>(i)];
    }
    if (heads > 0 && (tensor.shape[0] % (2 * heads)) != 0) {
      refuse(ErrorCode::kFormat, fmt::format("'{}' has {} rows, which are no whole heads of {}",
                                             printable(tensor.name), tensor.shape[0], heads));
    }
    const auto recipe = std::make_shared<const TensorRecipe>(TensorRecipe{
        {source}, *type, heads > 0 ? TensorChange::kPairRotary : TensorChange::kNone, heads});
    entry.load = [recipe] { return cook(*recipe); };
    return entry;
  }

  AdapterPart part(const std::string& module, const Tensors& tensors) const {
    if (tensors.a == nullptr || tensors.b == nullptr) {
      refuse(ErrorCode::kFormat,
             fmt::format("'{}' has only one of lora_A and lora_B", printable(module)));
    }
    AdapterPart part;
    part.target = target_of(module);
    const int64_t heads = rotated_heads(part.target);
    part.a = entry(part.target + ".lora_a", *tensors.a, 0);
    part.b = entry(part.target + ".lora_b", *tensors.b, heads);
    if (tensors.magnitude != nullptr) {
      part.magnitude = entry(part.target + ".lora_magnitude", *tensors.magnitude, heads);
    } else if (config_.boolean("use_dora").value_or(false)) {
      refuse(ErrorCode::kFormat,
             fmt::format("'{}' has no magnitude, and 'use_dora' is set", printable(module)));
    }
    part.scale = scale_of(module, part.a.shape[1]);
    return part;
  }

  const Path& folder_;
  const AdapterBase& base_;
  HfConfig config_;
};

}  // namespace

AdapterFile open_peft_adapter(const Path& folder, const AdapterBase& base) {
  const std::string config = read_file(folder / kConfigName, kConfigBytesMax);
  const auto tensors = SafetensorsFile::open(folder / "adapter_model.safetensors");
  return read_peft_adapter(folder, config, list_tensors(tensors), base);
}

AdapterFile read_peft_adapter(const Path& folder, std::string_view config,
                              const SafetensorsSources& tensors, const AdapterBase& base) {
  return PeftReader(folder, config, base).read(tensors);
}

}  // namespace minim
