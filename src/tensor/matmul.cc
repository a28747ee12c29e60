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

// Rows of one product that sum in the same order.
struct Part {
  const MatmulTarget* target = nullptr;
  Input input;
  int64_t first = 0;  // rows [first, first + count) of the input
  int64_t count = 0;
  kernels::SumOrder order = kernels::SumOrder::kByTokens;
  Plan plan;
};

void run_slice(const Part& part, int64_t task) {
  const WeightMatrix& weights = *part.target->weights;
  const MatrixView out = part.target->out;
  const int64_t row_slice = task / part.plan.token_slices;
  const int64_t token_slice = task % part.plan.token_slices;
  const int64_t first = part.first + part.count * token_slice / part.plan.token_slices;
  const int64_t last = part.first + part.count * (token_slice + 1) / part.plan.token_slices;
  kernels::MatmulSlice slice;
  slice.weights = weights.data();
  slice.cols = weights.cols();
  slice.row_begin = row_slice * part.plan.rows_per_slice;
  slice.row_end = std::min(slice.row_begin + part.plan.rows_per_slice, weights.rows());
  slice.input = part.input.data + first * part.input.stride;
  slice.input_stride = part.input.stride;
  slice.tokens = last - first;
  slice.out = out.data + first * out.stride;
  slice.out_stride = out.stride;
  slice.order = part.order;
  weights.kernel().multiply(slice);
}

constexpr size_t kTargetsMax = 8;

// All that is computed at once.
class Products {
 public:
  void add(const MatmulTarget& target, const Input& input, int64_t rows, int64_t few_rows,
           int threads) {
    using kernels::SumOrder;
    Part part{.target = &target, .input = input, .count = rows};
    const bool by_number = few_rows == kByNumber || !target.weights->kernel().two_orders;
    if (by_number) return add_part(part, threads);
    part.count = few_rows;
    part.order = SumOrder::kFew;
    add_part(part, threads);
    part.first = few_rows;
    part.count = rows - few_rows;
    part.order = SumOrder::kMany;
    add_part(part, threads);
  }

  void run(const Context& context) const {
    context.threads.run(first_tasks_[count_], [&](int64_t task) {
      size_t i = 0;
      while (task >= first_tasks_[i + 1]) ++i;
      run_slice(parts_[i], task - first_tasks_[i]);
    });
  }

 private:
  void add_part(Part part, int threads) {
    if (part.count == 0) return;
    part.plan = plan_slices(*part.target->weights, part.count, threads);
    parts_[count_] = part;
    first_tasks_[count_ + 1] = first_tasks_[count_] + part.plan.tasks();
    ++count_;
  }

  // Only as many are ever touched as there are.
  Part parts_[2 * kTargetsMax];
  int64_t first_tasks_[2 * kTargetsMax + 1] = {};
  size_t count_ = 0;
};

}  // namespace

void matmul(const Context& context, const WeightMatrix& weights, ConstMatrixView x, MatrixView out,
            int64_t few_rows) {
  const MatmulTarget target{&weights, out};
  matmul(context, {&target, 1}, x, few_rows);
}

void matmul(const Context& context, std::span<const MatmulTarget> targets, ConstMatrixView x,
            int64_t few_rows) {
  require_shape(targets.size() <= kTargetsMax, "matmul: {} targets at once", targets.size());
  require_shape(few_rows >= kByNumber && few_rows <= x.rows, "matmul: {} few rows of {}", few_rows,
                x.rows);
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
  Products products;
  for (size_t i = 0; i < targets.size(); ++i) {
    size_t same = 0;
    while (prepares(same) != prepares(i)) ++same;
    inputs[i] = same < i
                    ? inputs[same]
                    : prepare_input(context, targets[i].weights->kernel(), x, memory + offsets[i]);
    products.add(targets[i], inputs[i], x.rows, few_rows, context.threads.thread_count());
  }
  products.run(context);
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
