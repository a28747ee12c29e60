#include <fmt/core.h>

#include <algorithm>

#include "kernels/kernel_table.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kColumnsPerTask = 64;
constexpr int64_t kRowsPerTask = 64;

// Tokens repeat, so the way back is cut by columns: each is summed by one thread, in order.
void add_to_table(const Context& context, const Parameter& table, std::span<const int32_t> ids,
                  float scale, ConstMatrixView gradient) {
  context.threads.run_ranges(table.cols, kColumnsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < gradient.rows; ++t) {
      float* to = table.gradients + ids[static_cast<size_t>(t)] * table.cols + begin;
      context.kernels.training.add_scaled(scale, gradient.row(t) + begin, to, end - begin);
    }
  });
}

}  // namespace

Variable embed(Tape& tape, const Parameter& table, std::span<const int32_t> ids, float scale) {
  for (const int32_t id : ids) {
    if (id >= 0 && id < table.rows) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: token {} is outside the table of {}", id, table.rows));
  }
  const Variable out = tape.make(static_cast<int64_t>(ids.size()), table.cols);
  const Context& context = tape.context();
  tape.compute([&] {
    context.threads.run_ranges(out.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        std::copy_n(table.view().row(ids[static_cast<size_t>(t)]), table.cols, out.view().row(t));
        if (scale != 1.0f) context.kernels.scale(scale, out.view().row(t), table.cols);
      }
    });
  });
  if (table.trains) {
    tape.record([table, ids, scale, gradient = out.gradient](Tape& back) {
      if (gradient->empty()) return;
      back.compute([&] { add_to_table(back.context(), table, ids, scale, gradient->view()); });
    });
  }
  return out;
}

}  // namespace minim::train
