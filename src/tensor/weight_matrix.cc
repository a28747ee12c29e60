#include "tensor/weight_matrix.h"

#include <algorithm>
#include <utility>

#include "base/checked_math.h"
#include "kernels/registry.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

// The roughest that `precision` allows.
const kernels::MatmulKernel* find_kernel(const Context& context, DataType type,
                                         MatmulPrecision precision) {
  for (const MatmulPrecision tried :
       {MatmulPrecision::kInt8, MatmulPrecision::kBfloat16, MatmulPrecision::kFloat32}) {
    if (tried > precision) continue;
    const auto* kernel = kernels::find_matmul_kernel(context.kernels, type, tried);
    if (kernel != nullptr) return kernel;
  }
  return nullptr;
}

}  // namespace

WeightMatrix WeightMatrix::pack(const Context& context, DataType type, int64_t rows, int64_t cols,
                                std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                WeightMemory& memory, MatmulPrecision precision) {
  const char* name = data_type_info(type).name;
  const kernels::MatmulKernel* kernel = find_kernel(context, type, precision);
  require_shape(kernel != nullptr, "weights: type {} cannot be multiplied with", name);
  require_shape(rows > 0 && cols > 0, "weights: [{}, {}] is no shape", rows, cols);
  const auto row_bytes = data_type_bytes(type, static_cast<uint64_t>(cols));
  require_shape(row_bytes.has_value(), "weights: {} columns are no whole blocks of {}", cols, name);
  const auto total = checked_multiply(*row_bytes, static_cast<uint64_t>(rows));
  require_shape(total && *total == bytes.size(), "weights: [{}, {}] of {} in {} bytes", rows, cols,
                name, bytes.size());

  WeightMatrix matrix;
  matrix.type_ = type;
  matrix.rows_ = rows;
  matrix.cols_ = cols;
  matrix.kernel_ = kernel;
  if (kernel->pack == nullptr) {
    matrix.bytes_ = bytes;
    matrix.owner_ = std::move(owner);
    return matrix;
  }
  const size_t packed_bytes = kernel->packed_bytes(rows, cols);
  const std::shared_ptr<std::byte> packed = memory.allocate(packed_bytes);
  const int64_t unit = kernel->row_multiple;
  context.threads.run_ranges((rows + unit - 1) / unit, 1, [&](int64_t begin, int64_t end) {
    kernel->pack(bytes.data(), begin * unit, std::min(end * unit, rows), cols, packed.get());
  });
  matrix.bytes_ = {packed.get(), packed_bytes};
  matrix.owner_ = packed;
  return matrix;
}

void WeightMatrix::dequantize_row(int64_t row, float* out) const {
  MINIM_DCHECK(row >= 0 && row < rows_);
  kernel_->dequantize_row(bytes_.data(), cols_, row, out);
}

}  // namespace minim
