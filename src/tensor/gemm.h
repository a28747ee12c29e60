// Products of matrices of floats, either of them transposed: what training multiplies with.
#pragma once

#include "base/context.h"
#include "tensor/matrix_view.h"

namespace minim {

enum class GemmPrecision {
  kFloat32,
  kBfloat16,  // values are rounded to bfloat16, products summed in float
};

// Whether the kernels at hand have products of bfloat16.
bool has_bfloat16_gemm(const Context& context);

struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;  // add to what `out` holds
  GemmPrecision precision = GemmPrecision::kFloat32;
};

// out = a * b, where a, as transposed, is [m, k], b is [k, n] and out [m, n]. Results do not depend
// on the number of threads. Throws kInvalidArgument for shapes that do not fit, kUnsupported for
// bfloat16 where the processor has no such products.
void gemm(const Context& context, ConstMatrixView a, ConstMatrixView b, MatrixView out,
          const GemmOptions& options = {});

// The bytes of working memory that a product takes beside its operands, for plans.
size_t gemm_scratch_bytes(const Context& context, int64_t m, int64_t n, int64_t k,
                          const GemmOptions& options = {});

}  // namespace minim
