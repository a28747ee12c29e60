// A teacher whose predictions were computed once and kept in a file, for runs that see the same
// rows more than once, or students that share a teacher.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/progress.h"
#include "train/data/batch_source.h"
#include "train/data/teacher_logits.h"
#include "train/step_loss.h"

namespace minim::train {

struct StoreOptions {
  uint64_t row_count = 0;      // rows [0, row_count) of the source; copies are stored once
  int64_t batch_rows = 8;      // that go through the teacher at once
  TeacherLogitsHeader header;  // its vocabulary_size and row_tokens are set here
  GemmPrecision precision = GemmPrecision::kFloat32;
  ProgressSink progress;  // stage "teaching", in rows
};

// Runs the teacher over rows of `source` and writes its likeliest predictions. Positions of weight
// 0 are stored empty. Throws what TeacherLogitsWriter throws, kIo.
void store_teacher(const Context& context, const TrainModel& teacher, const BatchSource& source,
                   const Path& path, const StoreOptions& options);

// Learns from such a file. `options.temperature` is that of the file.
class StoredTeacherLoss final : public StepLoss {
 public:
  // Throws kInvalidArgument where the file is for another vocabulary than the student's.
  StoredTeacherLoss(const TrainModel& student, std::shared_ptr<const TeacherLogitsReader> reader,
                    const DistillOptions& options);
  // Throws kFormat for a row that the file has not.
  HeadLoss forward(Tape& tape, const TrainModel& student, const StepPart& part) override;

 private:
  std::shared_ptr<const TeacherLogitsReader> reader_;
  DistillOptions options_;
};

}  // namespace minim::train
