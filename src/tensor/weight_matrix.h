// Immutable weights in the layout that this machine's kernels want.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/context.h"
#include "kernels/data_type.h"
#include "kernels/kernel_table.h"
#include "tensor/weight_memory.h"

namespace minim {

using kernels::MatmulPrecision;  // kFloat32, kInt8

// [rows, cols] as stored: y = W x for x of `cols` values. An empty matrix stands for an optional
// weight that the model does not have.
class WeightMatrix {
 public:
  WeightMatrix() = default;

  // Takes `bytes` (row-major blocks of `type`, one row after the other) as they are where the
  // kernels read that layout, or packs a copy of them. `owner` keeps `bytes` alive.
  // `precision` is the roughest that the caller allows: where the kernels have nothing faster for
  // the type it stays with kFloat32, and precision() tells. A packed copy lies in `memory`.
  // Throws kInvalidArgument where the type is no weight type, or bytes.size() is not exactly the
  // size of rows x cols of its values.
  static WeightMatrix pack(const Context& context, DataType type, int64_t rows, int64_t cols,
                           std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           WeightMemory& memory,
                           MatmulPrecision precision = MatmulPrecision::kFloat32);

  bool empty() const { return rows_ == 0; }
  DataType type() const { return type_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  // How products with this matrix are formed. REQUIRES: !empty().
  MatmulPrecision precision() const { return kernel_->precision; }
  const kernels::MatmulKernel& kernel() const { return *kernel_; }
  // Resident bytes, scales included.
  size_t bytes() const { return bytes_.size(); }
  // Whether this is a packed copy: the bytes it was made from are no longer needed.
  bool is_packed() const { return kernel_->pack != nullptr; }
  const std::byte* data() const { return bytes_.data(); }
  // One row as floats: `out` takes cols() values. REQUIRES: 0 <= row < rows().
  void dequantize_row(int64_t row, float* out) const;

 private:
  DataType type_ = DataType::kF32;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  const kernels::MatmulKernel* kernel_ = nullptr;
};

}  // namespace minim
