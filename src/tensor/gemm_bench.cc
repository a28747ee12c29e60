// The products of training, at the shapes of a model of 10 million weights, beside oneDNN's where
// it is installed (Debian: libdnnl-dev).
#include <fmt/core.h>

#include <array>
#include <vector>

#include "tensor/gemm.h"
#include "tensor/limits_bench.h"

#if defined(MINIM_HAVE_DNNL)
#include <dnnl.h>
#endif

namespace minim::bench {
namespace {

struct Shape {
  int64_t m;
  int64_t n;
  int64_t k;
};

// forward: x W^T; the gradient of x: dy W; that of W: dy^T x.
struct Direction {
  const char* name;
  bool transpose_a;
  bool transpose_b;
};
constexpr Direction kDirections[] = {
    {"forward", false, true}, {"input gradient", false, false}, {"weight gradient", true, false}};

void run_direction(const Context& context, const Options& options, const Limits& limits,
                   const Shape& shape, const Direction& direction) {
  const std::vector<float> a(static_cast<size_t>(shape.m * shape.k), 0.5f);
  const std::vector<float> b(static_cast<size_t>(shape.k * shape.n), 0.25f);
  std::vector<float> out(static_cast<size_t>(shape.m * shape.n));
  const auto view = [](const std::vector<float>& values, int64_t rows, int64_t cols, bool turned) {
    return turned ? ConstMatrixView{values.data(), cols, rows, rows}
                  : ConstMatrixView{values.data(), rows, cols, cols};
  };
  const double flops = 2.0 * static_cast<double>(shape.m * shape.n * shape.k);
  const auto name = [&](const char* program) {
    return fmt::format("gemm {} {} {}x{}x{}", program, direction.name, shape.m, shape.n, shape.k);
  };
  for (const GemmPrecision precision : {GemmPrecision::kFloat32, GemmPrecision::kBfloat16}) {
    if (precision == GemmPrecision::kBfloat16 && !has_bfloat16_gemm(context)) continue;
    run_work(context, options, limits,
             {name(precision == GemmPrecision::kFloat32 ? "float" : "bf16"), flops, 0, [&] {
                gemm(context, view(a, shape.m, shape.k, direction.transpose_a),
                     view(b, shape.k, shape.n, direction.transpose_b),
                     {out.data(), shape.m, shape.n, shape.n},
                     {direction.transpose_a, direction.transpose_b, false, precision});
              }});
  }
#if defined(MINIM_HAVE_DNNL)
  run_work(context, options, limits,
           {name("oneDNN float"), flops, 0, [&] {
              dnnl_sgemm(direction.transpose_a ? 'T' : 'N', direction.transpose_b ? 'T' : 'N',
                         shape.m, shape.n, shape.k, 1.0f, a.data(),
                         direction.transpose_a ? shape.m : shape.k, b.data(),
                         direction.transpose_b ? shape.k : shape.n, 0.0f, out.data(), shape.n);
            }});
#endif
}

}  // namespace

void run_gemm_benchmarks(const Context& context, const Options& options, const Limits& limits) {
  if (options.tiny) {
    for (const Direction& direction : kDirections) {
      run_direction(context, options, limits, {50, 40, 30}, direction);
    }
    return;
  }
  constexpr int64_t kTokens = 4096;
  constexpr int64_t kDim = 384;
  for (const int64_t width : {int64_t{384}, int64_t{1024}, int64_t{4096}}) {
    const std::array<Shape, 3> shapes = {
        {{kTokens, width, kDim}, {kTokens, kDim, width}, {width, kDim, kTokens}}};
    for (size_t i = 0; i < shapes.size(); ++i) {
      run_direction(context, options, limits, shapes[i], kDirections[i]);
    }
  }
}

}  // namespace minim::bench
