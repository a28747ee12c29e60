#include "train/gradient_sums.h"

#include <charconv>
#include <string_view>

#include "base/error.h"

namespace minim::train {
namespace {

// The layer in "blk.LAYER.", or `otherwise`.
int layer_of(std::string_view name, int otherwise) {
  constexpr std::string_view kPrefix = "blk.";
  if (name.substr(0, kPrefix.size()) != kPrefix) return otherwise;
  name.remove_prefix(kPrefix.size());
  int layer = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), layer);
  return parsed.ec == std::errc() && layer < otherwise ? layer : otherwise;
}

}  // namespace

GradientSums::GradientSums(const ParameterSet& parameters, int layer_count,
                           parallel::Communicator& ranks)
    : parameters_(parameters), ranks_(ranks), layers_(static_cast<size_t>(layer_count) + 1) {
  for (const ParameterInfo& info : parameters.infos()) {
    if (!info.trains) continue;
    auto& ranges = layers_[static_cast<size_t>(layer_of(info.spec.name, layer_count))];
    // Neighbours are one sum: the zeros between them cost less than another message.
    constexpr int64_t kGapMax = 64;
    if (!ranges.empty()) {
      Range& last = ranges.back();
      const int64_t gap = info.offset - (last.offset + last.count);
      if (gap >= 0 && gap <= kGapMax) {
        last.count = info.offset + info.count() - last.offset;
        continue;
      }
    }
    ranges.push_back({info.offset, info.count()});
  }
}

void GradientSums::start(const std::vector<Range>& ranges) {
  for (const Range& range : ranges) {
    ranks_.start_sum(parameters_.gradients().subspan(static_cast<size_t>(range.offset),
                                                     static_cast<size_t>(range.count)));
  }
}

void GradientSums::start_layer(int layer) {
  MINIM_CHECK(layer >= 0 && static_cast<size_t>(layer) + 1 < layers_.size());
  start(layers_[static_cast<size_t>(layer)]);
}

void GradientSums::finish() {
  start(layers_.back());
  ranks_.finish_sums();
}

}  // namespace minim::train
