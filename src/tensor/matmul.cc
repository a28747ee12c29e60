// Products with weights: the input is prepared once for all targets, then every target's rows (and,
// for wide inputs, its tokens) are cut into slices that the threads take one by one.
#include <algorithm>

#include "kernels/kernel_table.h"
#include "tensor/ops.h"
#include "tensor/scratch.h"
#include "tensor/shape_check.h"

namespace minim {
namespace {

constexpr int64_t kSliceBytes = 64 << 10;  // of weights: below, handing out costs more than it wins
constexpr int64_t kSlicesPerThread = 6;    // so that a thread that lost its core delays little
constexpr int64_t kTokensPerSliceMin = 48;  // converting the weights to a panel is spread over them

struct Plan {
  int64_t row_slices = 1;
  int64_t rows_per_slice = 0;
  int64_t token_slices = 1;
  int64_t tasks() const { return row_slices * token_slices; }
};

// How one product is cut. The kernels' results do not depend on it.
Plan plan_slices(const WeightMatrix& weights, int64_t tokens, int threads) {
  const int64_t unit = weights.kernel().row_multiple;
  const int64_t units = (weights.rows() + unit - 1) / unit;
  Plan plan;
  int64_t wanted = 1;
  if (threads > 1) {
    const int64_t work = static_cast<int64_t>(weights.bytes()) * tokens;
    wanted = std::clamp<int64_t>(work / kSliceBytes, 1, threads * kSlicesPerThread);
  }
  const int64_t units_per_slice = (units + wanted - 1) / wanted;
  plan.rows_per_slice = units_per_slice * unit;
  plan.row_slices = (units + units_per_slice - 1) / units_per_slice;
  const int64_t token_slices_max = std::max<int64_t>(tokens / kTokensPerSliceMin, 1);
  plan.token_slices = std::min((wanted + plan.row_slices - 1) / plan.row_slices, token_slices_max);
  return plan;
}

struct Input {
  const std::byte* data;
  int64_t stride;  // bytes
};

// The activations as `kernel` reads them, written to `memory` unless they are floats.
Input prepare_input(const Context& context, const kernels::MatmulKernel& kernel, ConstMatrixView x,
                    std::byte* memory) {
  if (kernel.prepare == nullptr) {
    return {reinterpret_cast<const std::byte*>(x.data),
            x.stride * static_cast<int64_t>(sizeof(float))};
  }
  const auto stride = static_cast<int64_t>(kernel.prepared_bytes(x.cols));
  context.threads.run_ranges(x.rows, std::max<int64_t>(1, 16384 / x.cols),
                             [&](int64_t begin, int64_t end) {
                               for (int64_t t = begin; t < end; ++t) {
                                 kernel.prepare(x.row(t), x.cols, memory + t * stride);
                               }
                             });
  return {memory, stride};
}

void check_target(const MatmulTarget& target, ConstMatrixView x) {
  require_shape(!target.weights->empty(), "matmul: the weights are empty");
  require_shape(x.cols == target.weights->cols(),
                "matmul: the input has {} columns, the weights {}", x.cols, target.weights->cols());
  require_shape(target.out.rows == x.rows && target.out.cols == target.weights->rows(),
                "matmul: the output is [{}, {}], not [{}, {}]", target.out.rows, target.out.cols,
                x.rows, target.weights->rows());
}

void run_slice(const MatmulTarget& target, const Plan& plan, const Input& input, int64_t tokens,
               int64_t task) {
  const int64_t row_slice = task / plan.token_slices;
  const int64_t token_slice = task % plan.token_slices;
  const int64_t first = tokens * token_slice / plan.token_slices;
  const int64_t last = tokens * (token_slice + 1) / plan.token_slices;
  kernels::MatmulSlice slice;
  slice.weights = target.weights->data();
  slice.cols = target.weights->cols();
  slice.row_begin = row_slice * plan.rows_per_slice;
  slice.row_end = std::min(slice.row_begin + plan.rows_per_slice, target.weights->rows());
  slice.input = input.data + first * input.stride;
  slice.input_stride = input.stride;
  slice.tokens = last - first;
  slice.out = target.out.data + first * target.out.stride;
  slice.out_stride = target.out.stride;
  target.weights->kernel().multiply(slice);
}

}  // namespace

void matmul(const Context& context, const WeightMatrix& weights, ConstMatrixView x,
            MatrixView out) {
  const MatmulTarget target{&weights, out};
  matmul(context, {&target, 1}, x);
}

void matmul(const Context& context, std::span<const MatmulTarget> targets, ConstMatrixView x) {
  constexpr size_t kTargetsMax = 8;
  require_shape(targets.size() <= kTargetsMax, "matmul: {} targets at once", targets.size());
  for (const MatmulTarget& target : targets) check_target(target, x);
  if (x.rows == 0) return;

  // Memory for every form of input that some target wants and none before it did.
  const auto prepares = [&](size_t i) { return targets[i].weights->kernel().prepare; };
  size_t offsets[kTargetsMax] = {};
  size_t memory_bytes = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    offsets[i] = memory_bytes;
    if (prepares(i) == nullptr) continue;
    memory_bytes +=
        targets[i].weights->kernel().prepared_bytes(x.cols) * static_cast<size_t>(x.rows);
  }
  std::byte* memory = memory_bytes > 0 ? operation_scratch().bytes(memory_bytes) : nullptr;

  Input inputs[kTargetsMax];
  Plan plans[kTargetsMax];
  int64_t first_tasks[kTargetsMax + 1] = {};
  for (size_t i = 0; i < targets.size(); ++i) {
    size_t same = 0;
    while (prepares(same) != prepares(i)) ++same;
    inputs[i] = same < i
                    ? inputs[same]
                    : prepare_input(context, targets[i].weights->kernel(), x, memory + offsets[i]);
    plans[i] = plan_slices(*targets[i].weights, x.rows, context.threads.thread_count());
    first_tasks[i + 1] = first_tasks[i] + plans[i].tasks();
  }
  context.threads.run(first_tasks[targets.size()], [&](int64_t task) {
    size_t i = 0;
    while (task >= first_tasks[i + 1]) ++i;
    run_slice(targets[i], plans[i], inputs[i], x.rows, task - first_tasks[i]);
  });
}

void embed(const Context& context, const WeightMatrix& table, std::span<const int32_t> ids,
           MatrixView out) {
  require_shape(out.rows == static_cast<int64_t>(ids.size()) && out.cols == table.cols(),
                "embed: {} ids of {} columns into [{}, {}]", ids.size(), table.cols(), out.rows,
                out.cols);
  for (const int32_t id : ids) {
    require_shape(id >= 0 && id < table.rows(), "embed: id {} of a table of {} rows", id,
                  table.rows());
  }
  context.threads.run_ranges(out.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      table.dequantize_row(ids[static_cast<size_t>(t)], out.row(t));
    }
  });
}

}  // namespace minim
