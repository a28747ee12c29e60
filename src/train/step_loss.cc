#include "train/step_loss.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"

namespace minim::train {

HeadLoss NextTokenLoss::forward(Tape& tape, const TrainModel& student, const StepPart& part) {
  const Variable hidden = student.forward(tape, {part.batch.inputs, part.layout});
  const CrossEntropyOptions options = {{student.config().final_soft_cap, part.gradient_scale},
                                       z_loss_};
  return cross_entropy(tape, hidden, student.head(), part.batch.targets, part.batch.weights,
                       options);
}

LiveTeacherLoss::LiveTeacherLoss(const TrainModel& student, const TrainModel& teacher,
                                 const TeacherOptions& options)
    : teacher_(teacher), options_(options) {
  const ModelConfig& learns = student.config();
  const ModelConfig& teaches = teacher.config();
  if (learns.vocabulary_size != teaches.vocabulary_size) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: a teacher of {} tokens cannot teach a student of {}; both need "
                            "the same tokenizer",
                            teaches.vocabulary_size, learns.vocabulary_size));
  }
  if (options.hidden_weight == 0.0f || options.layers.empty()) return;
  std::vector<TensorSpec> specs;
  for (const LayerPair& pair : options.layers) {
    const bool ascends = student_layers_.empty() || (pair.student > student_layers_.back() &&
                                                     pair.teacher > teacher_layers_.back());
    if (!ascends || pair.student < 0 || pair.student >= learns.layer_count || pair.teacher < 0 ||
        pair.teacher >= teaches.layer_count) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("train: layer {} of a student of {} cannot follow layer {} of a "
                              "teacher of {}; pairs must ascend",
                              pair.student, learns.layer_count, pair.teacher, teaches.layer_count));
    }
    student_layers_.push_back(pair.student);
    teacher_layers_.push_back(pair.teacher);
    specs.push_back(
        matrix_spec(fmt::format("projection.{}.weight", pair.student), teaches.dim, learns.dim));
  }
  const float deviation = 1.0f / std::sqrt(static_cast<float>(learns.dim));
  projections_ = std::make_unique<ParameterSet>(specs, options.seed, deviation);
}

HeadLoss LiveTeacherLoss::forward(Tape& tape, const TrainModel& student, const StepPart& part) {
  Tape silent(tape.context(), tape.pool(),
              {.record = false, .dropping = false, .precision = tape.options().precision});
  std::vector<Variable> shown;
  const Variable taught =
      teacher_.forward(silent, {part.batch.inputs, part.layout, teacher_layers_, &shown});
  const LiveTeacher teacher(taught.view(), teacher_.head(), teacher_.config().final_soft_cap);
  std::vector<Variable> kept;
  const Variable hidden =
      student.forward(tape, {part.batch.inputs, part.layout, student_layers_, &kept});
  // Each part of a batch counts by its share of the weights.
  double weight = 0;
  for (const float each : part.batch.weights) weight += each;
  const auto share = static_cast<float>(weight * part.gradient_scale) * options_.hidden_weight;
  for (size_t i = 0; i < kept.size(); ++i) {
    const std::string name = fmt::format("projection.{}.weight", student_layers_[i]);
    const double apart = match_hidden(tape, kept[i], projections_->require(name), shown[i].view(),
                                      part.batch.weights, share);
    tape.add_auxiliary_loss(options_.hidden_weight * apart);
  }
  DistillOptions options = options_.distill;
  options.head = {student.config().final_soft_cap, part.gradient_scale};
  return distill(tape, hidden, student.head(), teacher, part.batch.targets, part.batch.weights,
                 options);
}

void start_from_layers(TrainModel& student, const TrainModel& teacher,
                       std::span<const int> layers) {
  const ParameterSet& from = teacher.parameters();
  ParameterSet& to = student.parameters();
  if (static_cast<int>(layers.size()) != student.config().layer_count) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("train: {} layers of the teacher for a student of {}", layers.size(),
                            student.config().layer_count));
  }
  for (const ParameterInfo& info : to.infos()) {
    std::string name = info.spec.name;
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      const std::string prefix = layer_tensor(static_cast<int>(layer), "");
      if (!info.spec.name.starts_with(prefix)) continue;
      name = layer_tensor(layers[layer], info.spec.name.substr(prefix.size()));
    }
    const ParameterInfo* source = from.find(name);
    if (source == nullptr || source->rows != info.rows || source->cols != info.cols) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("train: the student's tensor '{}' is [{}, {}], the teacher's '{}' {}",
                      info.spec.name, info.rows, info.cols, name,
                      source == nullptr ? std::string("does not exist")
                                        : fmt::format("is [{}, {}]", source->rows, source->cols)));
    }
    std::copy_n(from.values().data() + source->offset, info.count(),
                to.values().data() + info.offset);
  }
}

}  // namespace minim::train
