// Tensors of safetensors files rebuilt as GGUF stores them.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/model_file.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {

enum class TensorChange {
  kNone,
  kTranspose,   // [rows, cols] to [cols, rows]
  kPairRotary,  // rows of each head from halves to adjacent pairs: 0, d/2, 1, d/2 + 1, ...
  kAddOne,      // Gemma's norms store the difference from one
};

// One stored tensor, or several of one shape that become one with a dimension more.
struct TensorRecipe {
  std::vector<SafetensorsSource> parts;
  DataType type = DataType::kF32;  // of the result: that of the parts, or F32
  TensorChange change = TensorChange::kNone;
  int64_t heads = 0;  // of kPairRotary; divides the rows
};

// In place where nothing changes.
// REQUIRES: the parts have floating-point types and 1 or 2 dimensions.
TensorBytes cook(const TensorRecipe& recipe);

}  // namespace minim
