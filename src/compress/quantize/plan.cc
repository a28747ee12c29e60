// Which tensor is stored as what.
#include <fmt/core.h>

#include <cmath>

#include "base/error.h"
#include "compress/quantize/quantize_file.h"

namespace minim {
namespace {

double bits_per_value(DataType type) {
  const DataTypeInfo& info = data_type_info(type);
  return 8.0 * info.block_bytes / info.block_values;
}

bool is_quantized(DataType type) { return data_type_info(type).block_values > 1; }

// Norms, biases, routers, positions and frequency factors are few and sensitive: they stay.
bool is_matrix(const TensorEntry& tensor) {
  const std::string& name = tensor.name;
  return tensor.rank >= 2 && name.ends_with(".weight") && data_type_info(tensor.type).is_weight &&
         name.find("norm") == std::string::npos && !name.ends_with("ffn_gate_inp.weight") &&
         !name.starts_with("position_embd") && !name.starts_with("rope_");
}

bool is_head(const ModelFile& file, const TensorEntry& tensor) {
  return tensor.name == "output.weight" ||
         (tensor.name == "token_embd.weight" && file.find("output.weight") == nullptr);
}

DataType wanted_type(const ModelFile& file, const TensorEntry& tensor,
                     const QuantizeOptions& options) {
  for (const TensorTypeRule& rule : options.rules) {
    if (tensor.name.find(rule.text) != std::string::npos) return rule.type;
  }
  if (!is_matrix(tensor)) return tensor.type;
  if (!is_head(file, tensor)) return options.type;
  if (options.head_type) return *options.head_type;
  return bits_per_value(options.type) >= 8 ? options.type : DataType::kQ8_0;
}

QuantizedTensor plan_tensor(const ModelFile& file, const TensorEntry& tensor,
                            const QuantizeOptions& options) {
  QuantizedTensor plan;
  plan.name = tensor.name;
  plan.from = tensor.type;
  plan.to = wanted_type(file, tensor, options);
  plan.values = tensor.value_count();
  const bool again = plan.to != plan.from && is_quantized(plan.from) && is_quantized(plan.to);
  if (again && !options.allow_requantize) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("quantize: tensor '{}' is {} already, and quantizing twice adds errors; "
                    "start from the original, or allow it with --requantize",
                    tensor.name, data_type_info(tensor.type).name));
  }
  const int block_values = data_type_info(plan.to).block_values;
  if (plan.to != plan.from && tensor.shape[0] % block_values != 0) {
    const auto reason = fmt::format("rows of {} values are no whole number of {} blocks of {}",
                                    tensor.shape[0], data_type_info(plan.to).name, block_values);
    if (!options.fallback_type) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("quantize: tensor '{}': {}; choose another type, or one for such "
                              "tensors with --fallback",
                              tensor.name, reason));
    }
    if (tensor.shape[0] % data_type_info(*options.fallback_type).block_values != 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("quantize: tensor '{}': {}, and of the fallback {} neither",
                              tensor.name, reason, data_type_info(*options.fallback_type).name));
    }
    plan.to = *options.fallback_type;
    plan.fallback = true;
  }
  plan.bytes = *data_type_bytes(plan.to, static_cast<uint64_t>(plan.values));
  return plan;
}

}  // namespace

double QuantizeReport::bits_per_weight() const {
  return values == 0 ? 0 : 8.0 * static_cast<double>(bytes_after) / static_cast<double>(values);
}

double QuantizeReport::error() const {
  double squares = 0;
  double count = 0;
  for (const QuantizedTensor& tensor : tensors) {
    if (tensor.to == tensor.from) continue;
    squares += tensor.error * tensor.error * static_cast<double>(tensor.values);
    count += static_cast<double>(tensor.values);
  }
  return count == 0 ? 0 : std::sqrt(squares / count);
}

QuantizeReport plan_quantization(const ModelFile& file, const QuantizeOptions& options) {
  for (const TensorTypeRule& rule : options.rules) {
    bool used = false;
    for (const TensorEntry& tensor : file.tensors()) {
      used = used || tensor.name.find(rule.text) != std::string::npos;
    }
    if (!used) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("quantize: no tensor's name contains '{}'", rule.text));
    }
  }
  QuantizeReport report;
  for (const TensorEntry& tensor : file.tensors()) {
    report.tensors.push_back(plan_tensor(file, tensor, options));
    report.bytes_before += tensor.byte_count();
    report.bytes_after += report.tensors.back().bytes;
    report.values += static_cast<uint64_t>(tensor.value_count());
  }
  return report;
}

}  // namespace minim
