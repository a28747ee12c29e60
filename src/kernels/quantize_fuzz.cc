// Any bytes as stored blocks, and any bit patterns as floats (NaN and infinity among them), through
// every type: nothing may be undefined, and finite floats may not become infinite.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/quantize.h"

namespace {

using minim::DataType;
using minim::DataTypeInfo;

bool all_finite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

void check_type(const DataTypeInfo& info, const uint8_t* data, size_t size) {
  const auto block_values = static_cast<size_t>(info.block_values);
  const auto block_bytes = static_cast<size_t>(info.block_bytes);

  const size_t stored = size / block_bytes;
  std::vector<float> values(stored * block_values);
  minim::kernels::dequantize_row(info.type, data, values.data(),
                                 static_cast<int64_t>(values.size()));

  // The second half of the input is importance.
  const size_t blocks = size / sizeof(float) / 2 / block_values;
  std::vector<float> floats(blocks * block_values);
  std::vector<float> importance(floats.size());
  if (blocks == 0) return;
  std::memcpy(floats.data(), data, floats.size() * sizeof(float));
  std::memcpy(importance.data(), data + floats.size() * sizeof(float),
              floats.size() * sizeof(float));
  std::vector<uint8_t> bytes(blocks * block_bytes);
  std::vector<float> result(floats.size());
  const auto count = static_cast<int64_t>(floats.size());
  for (const bool weighted : {false, true}) {
    minim::kernels::quantize_row(info.type, floats.data(), bytes.data(), count,
                                 weighted ? importance.data() : nullptr);
    minim::kernels::dequantize_row(info.type, bytes.data(), result.data(), count);
    if (all_finite(floats) && !all_finite(result)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  for (const DataTypeInfo& info : minim::data_types()) {
    if (info.is_weight) check_type(info, data, size);
  }
  return 0;
}
