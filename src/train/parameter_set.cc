#include "train/parameter_set.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/quantize.h"
#include "model/architecture.h"

namespace minim::train {
namespace {

constexpr int64_t kAlignValues = 16;  // a cache line

std::vector<TensorSpec> required_specs(const ModelConfig& config) {
  std::vector<TensorSpec> specs = find_architecture(config.architecture).tensors(config);
  std::erase_if(specs, [](const TensorSpec& spec) { return !spec.required; });
  return specs;
}

bool writes_to_residual(std::string_view name) {
  return name.find(".attn_output.weight") != name.npos || name.find(".ffn_down") != name.npos;
}

float deviation_of(const ParameterInfo& info, const ModelConfig& config,
                   const InitialWeights& initial) {
  if (!writes_to_residual(info.spec.name)) return initial.deviation;
  switch (initial.residual) {
    case ResidualStart::kScaled:
      return initial.deviation / std::sqrt(2.0f * static_cast<float>(config.layer_count));
    case ResidualStart::kZero: return 0.0f;
    case ResidualStart::kPlain: return initial.deviation;
  }
  return initial.deviation;
}

void draw(const ParameterInfo& info, float deviation, uint64_t stream, float* values) {
  Rng rng(stream);
  for (int64_t i = 0; i < info.count(); ++i) values[i] = deviation * rng.normal();
}

}  // namespace

void ParameterSet::Free::operator()(float* memory) const { std::free(memory); }

void ParameterSet::lay_out(const std::vector<TensorSpec>& specs) {
  for (const TensorSpec& spec : specs) {
    ParameterInfo info;
    info.spec = spec;
    info.cols = spec.shape[0];
    info.rows = spec.shape[1] * spec.shape[2] * spec.shape[3];
    info.offset = value_count_;
    info.trains = spec.kind != TensorKind::kFactors;
    value_count_ += (info.count() + kAlignValues - 1) / kAlignValues * kAlignValues;
    index_.emplace(spec.name, infos_.size());
    infos_.push_back(std::move(info));
  }
}

void ParameterSet::allocate(Memory memory) {
  const size_t bytes = static_cast<size_t>(value_count_) * sizeof(float);
  const auto make = [&] {
    auto* made = static_cast<float*>(std::aligned_alloc(kAlignValues * sizeof(float), bytes));
    if (made == nullptr) throw std::bad_alloc();
    std::fill_n(made, value_count_, 0.0f);
    return made;
  };
  values_.reset(make());
  if (memory == Memory::kReal) {
    gradients_.reset(make());
  } else {
    for (ParameterInfo& info : infos_) info.trains = false;
  }
}

ParameterSet::ParameterSet(const ModelConfig& config, const InitialWeights& initial,
                           Memory memory) {
  lay_out(required_specs(config));
  if (memory == Memory::kNone) return;
  allocate(memory);
  draw_all([&](const ParameterInfo& info) { return deviation_of(info, config, initial); },
           initial.seed);
}

ParameterSet::ParameterSet(const std::vector<TensorSpec>& specs, uint64_t seed, float deviation) {
  lay_out(specs);
  allocate(Memory::kReal);
  draw_all([&](const ParameterInfo&) { return deviation; }, seed);
}

void ParameterSet::draw_all(const std::function<float(const ParameterInfo&)>& deviation,
                            uint64_t seed) {
  for (size_t i = 0; i < infos_.size(); ++i) {
    const ParameterInfo& info = infos_[i];
    float* values = values_.get() + info.offset;
    switch (info.spec.kind) {
      case TensorKind::kMatrix:
        draw(info, deviation(info), mix_bits(mix_bits(seed) ^ i), values);
        break;
      case TensorKind::kNorm:
      case TensorKind::kFactors: std::fill_n(values, info.count(), 1.0f); break;
      case TensorKind::kBias: break;
    }
  }
}

ParameterSet::ParameterSet(const Context& context, const ModelConfig& config, const ModelFile& file,
                           Memory memory) {
  std::vector<TensorSpec> specs = find_architecture(config.architecture).tensors(config);
  // Whoever loads weights to run checks them the same way, and says what the file lacks.
  const WeightLoader checked(context, std::make_shared<const ModelFile>(file), specs, {});
  std::erase_if(specs, [&](const TensorSpec& spec) { return file.find(spec.name) == nullptr; });
  lay_out(specs);
  if (memory == Memory::kNone) return;
  allocate(memory);
  context.threads.run(static_cast<int64_t>(infos_.size()), [&](int64_t i) {
    const ParameterInfo& info = infos_[static_cast<size_t>(i)];
    const TensorEntry& entry = *file.find(info.spec.name);
    const TensorBytes bytes = entry.load();
    float* values = values_.get() + info.offset;
    kernels::dequantize_row(entry.type, bytes.bytes.data(), values, info.count());
    if (std::any_of(values, values + info.count(), [](float v) { return !std::isfinite(v); })) {
      throw Error(ErrorCode::kFormat,
                  fmt::format("train: tensor '{}' holds values that are no finite numbers",
                              info.spec.name));
    }
  });
}

const ParameterInfo* ParameterSet::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &infos_[found->second];
}

Parameter ParameterSet::get(std::string_view name) const {
  const ParameterInfo* info = find(name);
  if (info == nullptr) return {};
  Parameter parameter;
  parameter.rows = info->rows;
  parameter.cols = info->cols;
  parameter.trains = info->trains;
  if (values_ != nullptr) {
    parameter.values = values_.get() + info->offset;
    if (gradients_ != nullptr) parameter.gradients = gradients_.get() + info->offset;
  }
  return parameter;
}

Parameter ParameterSet::require(std::string_view name) const {
  const Parameter parameter = get(name);
  if (parameter.exists()) return parameter;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("train: there is no tensor '{}'", name));
}

void ParameterSet::clear_gradients(const Context& context) {
  context.threads.run_ranges(value_count_, 1 << 18, [&](int64_t begin, int64_t end) {
    std::fill(gradients_.get() + begin, gradients_.get() + end, 0.0f);
  });
}

int64_t ParameterSet::parameter_count() const {
  int64_t count = 0;
  for (const ParameterInfo& info : infos_) count += info.count();
  return count;
}

void ParameterSet::freeze(std::span<const std::string> prefixes) {
  for (ParameterInfo& info : infos_) {
    for (const std::string& prefix : prefixes) {
      if (info.spec.name.starts_with(prefix)) info.trains = false;
    }
  }
}

}  // namespace minim::train
