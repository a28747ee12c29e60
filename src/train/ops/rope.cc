#include "kernels/kernel_table.h"
#include "train/ops/ops.h"

namespace minim::train {
namespace {

constexpr int64_t kRowsPerTask = 64;

// A rotation is undone by the opposite one; what it was multiplied by, the gradient is too.
void rotate_back(const Context& context, const RopeTable& table, std::span<const int32_t> positions,
                 int head_dim, MatrixView x) {
  context.threads.run_ranges(x.rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels::RopeSlice slice;
      slice.x = x.row(t);
      slice.head_count = static_cast<int>(x.cols / head_dim);
      slice.head_dim = head_dim;
      slice.frequencies = table.frequencies.data();
      slice.pair_count = static_cast<int>(table.frequencies.size());
      slice.position = -static_cast<float>(positions[static_cast<size_t>(t)]);
      slice.magnitude = table.magnitude;
      slice.pairing = table.pairing;
      context.kernels.rope(slice);
    }
  });
}

}  // namespace

Variable rope(Tape& tape, const Variable& x, const RopeTable& table,
              std::span<const int32_t> positions, int head_dim) {
  tape.compute([&] { minim::rope(tape.context(), table, positions, head_dim, x.view()); });
  tape.record([gradient = x.gradient, table, positions, head_dim](Tape& back) {
    if (gradient == nullptr || gradient->empty()) return;
    const MatrixView own = gradient->own(back);
    back.compute([&] { rotate_back(back.context(), table, positions, head_dim, own); });
  });
  return x;
}

}  // namespace minim::train
