#include "formats/huggingface/tensor_transforms.h"

#include <algorithm>
#include <cstring>

#include "base/half.h"

namespace minim {
namespace {

using Bytes = std::vector<std::byte>;

template <typename T>
T read_value(const std::byte* place) {
  T value;
  std::memcpy(&value, place, sizeof(T));
  return value;
}

float value_at(SafetensorsType type, const std::byte* values, size_t index) {
  switch (type) {
    case SafetensorsType::kF16: return half_to_float(read_value<uint16_t>(values + 2 * index));
    case SafetensorsType::kBf16: return bfloat16_to_float(read_value<uint16_t>(values + 2 * index));
    case SafetensorsType::kF64: return static_cast<float>(read_value<double>(values + 8 * index));
    default: return read_value<float>(values + 4 * index);
  }
}

// The values as floats, plus `addend`.
Bytes to_floats(SafetensorsType type, std::span<const std::byte> stored, float addend) {
  const size_t count = stored.size() / safetensors_type_bytes(type);
  Bytes result(count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    const float value = value_at(type, stored.data(), i) + addend;
    std::memcpy(result.data() + i * sizeof(float), &value, sizeof(float));
  }
  return result;
}

// In tiles that stay in the cache.
Bytes transpose(std::span<const std::byte> stored, size_t rows, size_t cols, size_t value_bytes) {
  constexpr size_t kTile = 32;
  Bytes result(stored.size());
  for (size_t row0 = 0; row0 < rows; row0 += kTile) {
    for (size_t col0 = 0; col0 < cols; col0 += kTile) {
      for (size_t row = row0; row < std::min(rows, row0 + kTile); ++row) {
        for (size_t col = col0; col < std::min(cols, col0 + kTile); ++col) {
          std::memcpy(result.data() + (col * rows + row) * value_bytes,
                      stored.data() + (row * cols + col) * value_bytes, value_bytes);
        }
      }
    }
  }
  return result;
}

Bytes pair_rotary(std::span<const std::byte> stored, size_t rows, size_t heads) {
  const size_t row_bytes = stored.size() / rows;
  const size_t half = rows / heads / 2;
  Bytes result(stored.size());
  for (size_t head = 0; head < heads; ++head) {
    for (size_t i = 0; i < half; ++i) {
      for (size_t side = 0; side < 2; ++side) {
        const size_t from = head * 2 * half + side * half + i;
        const size_t to = head * 2 * half + 2 * i + side;
        std::memcpy(result.data() + to * row_bytes, stored.data() + from * row_bytes, row_bytes);
      }
    }
  }
  return result;
}

}  // namespace

TensorBytes cook(const TensorRecipe& recipe) {
  const SafetensorsTensor& first = *recipe.parts.front().tensor;
  const bool keeps_type = to_data_type(first.type) == recipe.type;
  if (recipe.parts.size() == 1 && keeps_type && recipe.change == TensorChange::kNone) {
    return recipe.parts.front().load();
  }
  const auto result = std::make_shared<Bytes>();
  for (const SafetensorsSource& part : recipe.parts) {
    const TensorBytes stored = part.load();
    const float addend = recipe.change == TensorChange::kAddOne ? 1.0f : 0.0f;
    const bool converts = !keeps_type || addend != 0.0f;
    Bytes values = converts ? to_floats(first.type, stored.bytes, addend) : Bytes();
    std::span<const std::byte> bytes = converts ? std::span<const std::byte>(values) : stored.bytes;
    const auto rows = static_cast<size_t>(first.shape[0]);
    if (recipe.change == TensorChange::kTranspose) {
      const auto cols = static_cast<size_t>(first.shape[1]);
      values = transpose(bytes, rows, cols, bytes.size() / rows / cols);
      bytes = values;
    } else if (recipe.change == TensorChange::kPairRotary) {
      values = pair_rotary(bytes, rows, static_cast<size_t>(recipe.heads));
      bytes = values;
    }
    if (result->empty()) result->reserve(bytes.size() * recipe.parts.size());
    result->insert(result->end(), bytes.begin(), bytes.end());
  }
  return {*result, result};
}

}  // namespace minim
