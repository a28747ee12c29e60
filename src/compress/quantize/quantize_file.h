// A model file with its weights stored in fewer bits, by round-to-nearest: no calibration data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/file.h"
#include "base/progress.h"
#include "formats/model_file.h"
#include "kernels/data_type.h"

namespace minim {

// The type of the tensors whose name contains `text`. The first rule that matches wins.
struct TensorTypeRule {
  std::string text;
  DataType type = DataType::kF16;
};

struct QuantizeOptions {
  DataType type = DataType::kQ4_K;  // of the matrices
  // Of the head, and of the embedding table where that is the head too. Nothing: `type` if it has
  // 8 bits or more, else Q8_0, because an error there reaches every prediction.
  std::optional<DataType> head_type;
  std::vector<TensorTypeRule> rules;  // exceptions to both
  // For matrices whose rows are no whole number of blocks. Nothing: that is an error.
  std::optional<DataType> fallback_type;
  bool allow_requantize = false;  // accept weights that are quantized already
  ProgressSink progress;          // stage "quantizing", in bytes of input
};

struct QuantizedTensor {
  std::string name;
  DataType from = DataType::kF32;
  DataType to = DataType::kF32;
  int64_t values = 0;
  uint64_t bytes = 0;
  double error = 0;       // root mean square, relative to that of the weights
  bool fallback = false;  // `type` could not hold its rows
};

struct QuantizeReport {
  std::vector<QuantizedTensor> tensors;  // all of them, kept ones too
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  uint64_t values = 0;
  double bits_per_weight() const;
  double error() const;  // of all tensors that changed, weighted by size
};

// What would be stored how; nothing is read but shapes. Throws kInvalidArgument where a tensor
// cannot be stored as asked.
QuantizeReport plan_quantization(const ModelFile& file, const QuantizeOptions& options);

// Writes `output`. Memory stays below a few hundred megabytes whatever the model's size. Throws
// kFormat for weights that are not finite numbers, naming the tensor.
QuantizeReport quantize_file(const Context& context, const ModelFile& file, const Path& output,
                             const QuantizeOptions& options);

}  // namespace minim
