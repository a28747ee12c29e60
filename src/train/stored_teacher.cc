#include "train/stored_teacher.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/xxhash64.h"
#include "kernels/kernel_table.h"
#include "tensor/ops.h"

namespace minim::train {
namespace {

// As Batch::row_hash().
uint64_t row_hash(const BatchView& batch, int64_t row) {
  const auto begin = static_cast<size_t>(row * batch.row_tokens);
  const auto count = static_cast<size_t>(batch.row_tokens);
  XxHash64 hash;
  hash.update(std::as_bytes(batch.inputs.subspan(begin, count)));
  hash.update(std::as_bytes(batch.document_starts.subspan(begin, count)));
  return hash.digest();
}

// Logits become log-probabilities at the temperature.
void normalize(const Context& context, float temperature, MatrixView logits) {
  context.threads.run_ranges(logits.rows, 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = logits.row(t);
      context.kernels.scale(1.0f / temperature, row, logits.cols);
      const float maximum = context.kernels.maximum(row, logits.cols);
      const float sum = context.kernels.exponential_sum(row, maximum, logits.cols);
      const float offset = maximum + std::log(sum);
      for (int64_t i = 0; i < logits.cols; ++i) row[i] -= offset;
    }
  });
}

class TeacherPass {
 public:
  TeacherPass(const Context& context, const TrainModel& teacher, const StoreOptions& options)
      : context_(context), teacher_(teacher), options_(options) {}

  // Adds the rows of a batch that are not there yet.
  void write(const Batch& batch, TeacherLogitsWriter& writer) {
    const BatchView view = view_rows(batch, 0, batch.row_count);
    const TokenLayout layout = make_token_layout(view.row_tokens, view.document_starts);
    Tape tape(context_, pool_,
              {.record = false, .dropping = false, .precision = options_.precision});
    const Variable hidden = teacher_.forward(tape, {view.inputs, layout});
    const Parameter head = teacher_.head();
    const SharedBuffer memory = tape.scratch(view.row_tokens * head.rows);
    const MatrixView logits{memory->data(), view.row_tokens, head.rows, head.rows};
    for (int64_t row = 0; row < batch.row_count; ++row) {
      if (writer.contains(batch.row_hash(row))) continue;
      const int64_t first = row * view.row_tokens;
      gemm(context_, hidden.view().row_range(first, view.row_tokens), head.view(), logits,
           {.transpose_b = true, .precision = options_.precision});
      const float cap = teacher_.config().final_soft_cap;
      if (cap > 0.0f) soft_cap(context_, cap, logits);
      normalize(context_, options_.header.temperature, logits);
      for (int64_t t = 0; t < view.row_tokens; ++t) {
        if (view.weights[static_cast<size_t>(first + t)] == 0.0f) {
          writer.add_empty_position();
        } else {
          writer.add_position({logits.row(t), static_cast<size_t>(head.rows)});
        }
      }
      writer.end_row(batch.row_hash(row));
    }
  }

 private:
  const Context& context_;
  const TrainModel& teacher_;
  const StoreOptions& options_;
  BufferPool pool_;
};

}  // namespace

void store_teacher(const Context& context, const TrainModel& teacher, const BatchSource& source,
                   const Path& path, const StoreOptions& options) {
  if (options.batch_rows < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: {} rows at once for the teacher", options.batch_rows));
  }
  TeacherLogitsHeader header = options.header;
  header.vocabulary_size = teacher.config().vocabulary_size;
  header.row_tokens = source.row_tokens();
  TeacherLogitsWriter writer(path, header);
  TeacherPass pass(context, teacher, options);
  Batch batch;
  for (uint64_t row = 0; row < options.row_count;) {
    const uint64_t count =
        std::min(options.row_count - row, static_cast<uint64_t>(options.batch_rows));
    source.read(row, static_cast<int64_t>(count), batch);
    pass.write(batch, writer);
    row += count;
    report_progress(options.progress, {"teaching", row, options.row_count, "rows"});
  }
  writer.commit();
}

StoredTeacherLoss::StoredTeacherLoss(const TrainModel& student,
                                     std::shared_ptr<const TeacherLogitsReader> reader,
                                     const DistillOptions& options)
    : reader_(std::move(reader)), options_(options) {
  options_.temperature = reader_->header().temperature;
  if (reader_->header().vocabulary_size == student.config().vocabulary_size) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("train: predictions of {} tokens cannot teach a student of {}; both need "
                          "the same tokenizer",
                          reader_->header().vocabulary_size, student.config().vocabulary_size));
}

HeadLoss StoredTeacherLoss::forward(Tape& tape, const TrainModel& student, const StepPart& part) {
  const BatchView& batch = part.batch;
  const int count = reader_->header().top_k;
  std::vector<int32_t> ids;
  std::vector<float> probabilities;
  TeacherRow stored;
  for (int64_t row = 0; row < batch.row_count; ++row) {
    if (batch.row_tokens != reader_->header().row_tokens ||
        !reader_->read(row_hash(batch, row), stored)) {
      throw Error(ErrorCode::kFormat,
                  "train: a row of the data is not among the teacher's stored predictions; store "
                  "them again with the data and the tokenizer of this run");
    }
    ids.insert(ids.end(), stored.tokens.begin(), stored.tokens.end());
    for (const float each : stored.log_probabilities) probabilities.push_back(std::exp(each));
  }
  const Variable hidden = student.forward(tape, {batch.inputs, part.layout});
  DistillOptions options = options_;
  options.head = {student.config().final_soft_cap, part.gradient_scale};
  return distill(tape, hidden, student.head(), TopPredictions{count, ids, probabilities},
                 batch.targets, batch.weights, options);
}

}  // namespace minim::train
