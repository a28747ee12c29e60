#include "model/batch.h"

#include <algorithm>

#include "kernels/kernel_table.h"

namespace minim {

std::optional<FewRows> count_few_rows(const Batch& batch) {
  FewRows few;
  bool rows_done = false;
  bool outputs_done = false;
  auto output = batch.outputs.begin();
  for (const SequenceChunk& chunk : batch.chunks) {
    const auto end = std::lower_bound(output, batch.outputs.end(), chunk.begin + chunk.count);
    const int64_t outputs = end - output;
    output = end;
    const bool few_rows = chunk.count <= kernels::kFewRowsMax;
    const bool few_outputs = outputs <= kernels::kFewRowsMax;
    if ((few_rows && rows_done) || (few_outputs && outputs > 0 && outputs_done)) {
      return std::nullopt;
    }
    if (few_rows) few.rows += chunk.count;
    if (few_outputs) few.outputs += outputs;
    rows_done = rows_done || !few_rows;
    outputs_done = outputs_done || !few_outputs;
  }
  return few;
}

}  // namespace minim
