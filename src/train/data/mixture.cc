#include "train/data/mixture.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "base/xxhash64.h"

namespace minim::train {
namespace {

constexpr uint64_t kPatternRows = 1 << 16;
constexpr size_t kPartsMax = 1024;
constexpr uint64_t kHeldOutSeed = 1;

[[noreturn]] void refuse(const PackedRows& rows, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("data: source '{}' {}", rows.source().name(), what));
}

// What a part asks for, before the temperature.
double stated_weight(const MixturePart& part) {
  const PackedRows& rows = *part.rows;
  if (rows.row_count() == 0) {
    refuse(rows, "has no document to train on; hold fewer out, or leave it away");
  }
  if (part.weight && part.epochs) refuse(rows, "has a weight and epochs; give one of them");
  const double value = part.weight.value_or(part.epochs.value_or(1));
  if (!std::isfinite(value) || value <= 0) {
    refuse(rows, fmt::format("has the {} {}; it must be above 0", part.weight ? "weight" : "epochs",
                             value));
  }
  return part.weight ? value : value * static_cast<double>(rows.row_count());
}

}  // namespace

Mixture::Mixture(std::vector<MixturePart> parts, const MixtureOptions& options)
    : parts_(std::move(parts)), options_(options) {
  if (parts_.empty() || parts_.size() > kPartsMax) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("data: a mixture has 1 to {} sources", kPartsMax));
  }
  if (!(options_.temperature >= 0.01 && options_.temperature <= 100)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("data: the temperature {} of the mixture; take 0.01 to 100",
                            options_.temperature));
  }
  set_shares();
  make_pattern();
  XxHash64 hash;
  hash.update_value(options_.seed);
  for (size_t i = 0; i < parts_.size(); ++i) {
    hash.update_value(parts_[i].rows->fingerprint());
    hash.update_value(shares_[i]);
  }
  fingerprint_ = hash.digest();
}

void Mixture::set_shares() {
  const bool any_weight =
      std::any_of(parts_.begin(), parts_.end(), [](const auto& part) { return part.weight; });
  for (const MixturePart& part : parts_) {
    if (any_weight && !part.weight) {
      refuse(*part.rows, "has no weight, but others do; give every source one, or none");
    }
    shares_.push_back(stated_weight(part));
  }
  const double largest = *std::max_element(shares_.begin(), shares_.end());
  double sum = 0;
  for (double& share : shares_) sum += share = std::pow(share / largest, 1 / options_.temperature);
  for (double& share : shares_) share /= sum;
}

// Each place goes to the part that is furthest behind its share.
void Mixture::make_pattern() {
  counts_.assign(parts_.size(), 0);
  pattern_.resize(kPatternRows);
  ranks_.resize(kPatternRows);
  for (uint64_t place = 0; place < kPatternRows; ++place) {
    size_t best = 0;
    double most = -1e300;
    for (size_t i = 0; i < parts_.size(); ++i) {
      const double behind = shares_[i] * static_cast<double>(place + 1) - counts_[i];
      if (behind <= most) continue;
      most = behind;
      best = i;
    }
    pattern_[place] = static_cast<uint16_t>(best);
    ranks_[place] = counts_[best]++;
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (counts_[i] > 0) continue;
    refuse(*parts_[i].rows,
           fmt::format("is {:.2g} of the mixture, less than one row in {}; give it more weight, "
                       "or leave it away",
                       shares_[i], kPatternRows));
  }
}

Mixture::Place Mixture::place(uint64_t row) const {
  const uint64_t in_pattern = row % kPatternRows;
  Place place;
  place.part = pattern_[in_pattern];
  const PackedRows& rows = *parts_[place.part].rows;
  const uint64_t index = row / kPatternRows * counts_[place.part] + ranks_[in_pattern];
  place.epoch = index / rows.row_count();
  const uint64_t seed = mix_bits(mix_bits(options_.seed ^ rows.fingerprint()) + place.epoch);
  place.row = Permutation(rows.row_count(), seed).at(index % rows.row_count());
  return place;
}

void Mixture::read(uint64_t first_row, int64_t count, Batch& batch) const {
  batch.resize(count, options_.row_tokens);
  for (int64_t i = 0; i < count; ++i) {
    const Place from = place(first_row + static_cast<uint64_t>(i));
    parts_[from.part].rows->fill(from.row, batch, i);
  }
}

double Mixture::epochs(size_t part, uint64_t row_count) const {
  return shares_[part] * static_cast<double>(row_count) /
         static_cast<double>(parts_[part].rows->row_count());
}

uint64_t Mixture::rows_of_epochs() const {
  double rows = 0;
  for (const MixturePart& part : parts_) {
    rows += part.epochs.value_or(1) * static_cast<double>(part.rows->row_count());
  }
  return static_cast<uint64_t>(std::ceil(rows));
}

void Mixture::check_epochs(uint64_t row_count) const {
  for (size_t i = 0; i < parts_.size(); ++i) {
    const double most = parts_[i].epochs_max;
    const double read = epochs(i, row_count);
    if (most <= 0 || read <= most * (1 + 1e-9)) continue;
    refuse(*parts_[i].rows,
           fmt::format("would be read {:.1f} times, and epochs_max is {:g}; lower its weight, or "
                       "take fewer steps",
                       read, most));
  }
}

HeldOutRows::HeldOutRows(std::vector<std::shared_ptr<const PackedRows>> parts, int64_t row_tokens)
    : parts_(std::move(parts)), row_tokens_(row_tokens) {
  XxHash64 hash;
  for (const auto& part : parts_) {
    firsts_.push_back(firsts_.back() + part->row_count());
    hash.update_value(part->fingerprint());
  }
  if (firsts_.back() > 0) order_.emplace(firsts_.back(), kHeldOutSeed);
  fingerprint_ = hash.digest();
}

void HeldOutRows::read(uint64_t first_row, int64_t count, Batch& batch) const {
  MINIM_CHECK(first_row + static_cast<uint64_t>(count) <= firsts_.back());
  batch.resize(count, row_tokens_);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t row = order_->at(first_row + static_cast<uint64_t>(i));
    const auto part = std::upper_bound(firsts_.begin(), firsts_.end(), row) - firsts_.begin() - 1;
    parts_[static_cast<size_t>(part)]->fill(row - firsts_[static_cast<size_t>(part)], batch, i);
  }
}

}  // namespace minim::train
