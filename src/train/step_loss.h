// What a step learns: the next token, or a teacher's predictions of it.
#pragma once

#include <memory>
#include <vector>

#include "train/data/batch.h"
#include "train/ops/distill.h"
#include "train/ops/head.h"
#include "train/train_model.h"

namespace minim::train {

// One part of a batch on its way through the student.
struct StepPart {
  const BatchView& batch;
  const TokenLayout& layout;
  float gradient_scale;  // 1 / the weights of the whole batch
};

class StepLoss {
 public:
  virtual ~StepLoss() = default;
  // Runs the student forward and adds the loss of the part.
  virtual HeadLoss forward(Tape& tape, const TrainModel& student, const StepPart& part) = 0;
  // What is learned beside the student's own tensors, such as projections. May be null.
  virtual ParameterSet* parameters() { return nullptr; }
};

// -log p(target), with the model's own soft cap.
class NextTokenLoss final : public StepLoss {
 public:
  explicit NextTokenLoss(float z_loss) : z_loss_(z_loss) {}
  HeadLoss forward(Tape& tape, const TrainModel& student, const StepPart& part) override;

 private:
  float z_loss_;
};

// The layer of the student whose output follows that of a layer of the teacher.
struct LayerPair {
  int student = 0;
  int teacher = 0;
};

struct TeacherOptions {
  DistillOptions distill;
  std::vector<LayerPair> layers;  // ascending in both
  float hidden_weight = 0.0f;     // of the mean squared distance of each pair
  uint64_t seed = 1;              // of the projections
};

// A teacher that runs beside the student, over the same tokens.
class LiveTeacherLoss final : public StepLoss {
 public:
  // Throws kInvalidArgument where the vocabularies differ or there is no such layer. `teacher`
  // outlives this.
  LiveTeacherLoss(const TrainModel& student, const TrainModel& teacher,
                  const TeacherOptions& options);
  HeadLoss forward(Tape& tape, const TrainModel& student, const StepPart& part) override;
  ParameterSet* parameters() override { return projections_.get(); }

 private:
  const TrainModel& teacher_;
  TeacherOptions options_;
  std::vector<int> student_layers_;
  std::vector<int> teacher_layers_;
  std::unique_ptr<ParameterSet> projections_;  // null: no layers are compared
};

// Starts a student as some layers of its teacher: layer i as the teacher's layer layers[i], what is
// no layer as the teacher's own. Throws kInvalidArgument where a tensor has another shape or there
// is no such layer.
void start_from_layers(TrainModel& student, const TrainModel& teacher, std::span<const int> layers);

}  // namespace minim::train
