#include "runtime/sampling/candidates.h"

#include <bit>
#include <cmath>
#include <functional>
#include <iterator>

#include "base/error.h"

namespace minim {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMost = std::numeric_limits<float>::max();

// Few tokens have nearly all the probability: those with logits this far below the best, or the
// next further ones if that is not enough.
constexpr float kGaps[] = {4, 8, 16, kInfinity};

// Lists are sorted as far as they are looked at: this far at first, then four times further.
constexpr size_t kSortFirst = 64;

// Sorts `items` so that the first `count` are the least and in order, knowing that the first `done`
// are already.
template <typename Item, typename Less>
void sort_front(std::vector<Item>& items, size_t done, size_t count, Less less) {
  if (count <= done) return;
  const auto begin = items.begin() + static_cast<ptrdiff_t>(done);
  const auto end = items.begin() + static_cast<ptrdiff_t>(count);
  if (count < items.size()) std::nth_element(begin, end, items.end(), less);
  std::sort(begin, end, less);
}

}  // namespace

// ---- The vocabulary in blocks ----

void Candidates::assign(std::span<const float> logits) {
  logits_ = logits;
  listed_ = false;
  forget_weights();
  find_block_maxima();
  if (best_logit() == kInfinity) take_infinite();
  if (empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "sampler: no logit is a number; the model's weights may be damaged");
  }
}

void Candidates::find_block_maxima() {
  block_best_.resize((logits_.size() + kBlockLogits - 1) / kBlockLogits);
  for (size_t b = 0; b < block_best_.size(); ++b) block_best_[b] = block_maximum(b);
  stale_.assign(block_best_.size(), 0);
  any_stale_ = false;
}

// Infinite logits share all the probability.
void Candidates::take_infinite() {
  own_logits();
  for (float& logit : own_) logit = logit == kInfinity ? 0.0f : kNever;
  find_block_maxima();
}

void Candidates::own_logits() {
  if (logits_.data() == own_.data()) return;
  own_.assign(logits_.begin(), logits_.end());
  logits_ = own_;
}

void Candidates::set_logit(size_t token, float logit) {
  own_[token] = logit;
  stale_[token / kBlockLogits] = 1;
  any_stale_ = true;
}

void Candidates::refresh_blocks() {
  if (!any_stale_) return;
  for (size_t b = 0; b < block_best_.size(); ++b) {
    if (stale_[b] == 0) continue;
    block_best_[b] = block_maximum(b);
    stale_[b] = 0;
  }
  any_stale_ = false;
}

// A logit that the best `count` are not below: the maxima of that many blocks are such logits.
float Candidates::bound_of_best(size_t count) {
  refresh_blocks();
  if (count == 0 || count > block_best_.size()) return bound_by_gaps(count);
  scratch_ = block_best_;
  const auto last = scratch_.begin() + static_cast<ptrdiff_t>(count - 1);
  std::nth_element(scratch_.begin(), last, scratch_.end(), std::greater<>());
  return *last;
}

float Candidates::bound_by_gaps(size_t count) {
  const float best = best_logit();
  for (const float gap : kGaps) {
    size_t above = 0;
    for (size_t b = 0; b < block_best_.size() && above < count; ++b) {
      if (block_best_[b] < best - gap) continue;
      for (const float logit : block(b)) above += logit >= best - gap ? 1 : 0;
    }
    if (above >= count) return best - gap;
  }
  return kNever;
}

void Candidates::collect_from(float logit_min, std::vector<Candidate>& out) {
  refresh_blocks();
  out.clear();
  const float least = std::max(logit_min, -kMost);
  for (size_t b = 0; b < block_best_.size(); ++b) {
    if (!(block_best_[b] >= least)) continue;
    const auto values = block(b);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= least) {
        out.push_back({values[i], static_cast<int32_t>(b * kBlockLogits + i)});
      }
    }
  }
}

void Candidates::make_list(float logit_min) {
  collect_from(logit_min, list_);
  listed_ = true;
  sorted_ = 0;
  forget_weights();
}

void Candidates::sort_list(size_t count) {
  count = std::min(count, list_.size());
  if (count <= sorted_) return;
  sort_front(list_, sorted_, count, is_better);
  sorted_ = count;
  forget_weights();
}

// ---- Questions ----

float Candidates::best_logit() {
  if (!listed_) {
    refresh_blocks();
    return kernels_.maximum(block_best_.data(), static_cast<int64_t>(block_best_.size()));
  }
  if (sorted_ > 0) return list_.front().logit;
  float best = kNever;
  for (const Candidate& candidate : list_) best = std::max(best, candidate.logit);
  return best;
}

Candidate Candidates::best() {
  if (listed_) {
    sort_list(1);
    return list_.front();
  }
  const float logit = best_logit();
  const auto found = std::find(block_best_.begin(), block_best_.end(), logit);
  const auto index = static_cast<size_t>(found - block_best_.begin());
  const auto values = block(index);
  const auto at =
      static_cast<size_t>(std::find(values.begin(), values.end(), logit) - values.begin());
  return {logit, static_cast<int32_t>(index * kBlockLogits + at)};
}

int64_t Candidates::count() {
  if (listed_) return static_cast<int64_t>(list_.size());
  return std::count_if(logits_.begin(), logits_.end(), [](float x) { return x > kNever; });
}

// Block by block, so that float sums are short.
void Candidates::weigh() {
  if (weighed_) return;
  const float best = best_logit();
  weight_sum_ = 0;
  if (listed_) {
    weights_.resize(list_.size());
    for (size_t i = 0; i < list_.size(); ++i) weights_[i] = list_[i].logit - best;
    kernels_.exponential(weights_.data(), static_cast<int64_t>(weights_.size()));
  } else {
    weights_.resize(block_best_.size());
    for (size_t b = 0; b < weights_.size(); ++b) {
      const auto values = block(b);
      weights_[b] =
          kernels_.exponential_sum(values.data(), best, static_cast<int64_t>(values.size()));
    }
  }
  for (const float weight : weights_) weight_sum_ += double{weight};
  weighed_ = true;
  if (!std::isnan(weight_sum_)) return;
  // Only logits that are not numbers can do this, and those are in no list.
  own_logits();
  for (float& logit : own_) logit = std::isnan(logit) ? kNever : logit;
  weighed_ = false;
  weigh();
}

double Candidates::log_sum() {
  weigh();
  return double{best_logit()} + std::log(weight_sum_);
}

double Candidates::entropy() {
  weigh();
  const float best = best_logit();
  double weighted = 0;  // sum of weight * (logit - best)
  const auto add = [&](float logit, float weight) {
    if (weight > 0) weighted += double{weight} * (double{logit} - double{best});
  };
  if (listed_) {
    for (size_t i = 0; i < list_.size(); ++i) add(list_[i].logit, weights_[i]);
  } else {
    scratch_.resize(kBlockLogits);
    for (size_t b = 0; b < block_best_.size(); ++b) {
      const auto values = block(b);
      for (size_t i = 0; i < values.size(); ++i) scratch_[i] = values[i] - best;
      kernels_.exponential(scratch_.data(), static_cast<int64_t>(values.size()));
      for (size_t i = 0; i < values.size(); ++i) add(values[i], scratch_[i]);
    }
  }
  return std::log(weight_sum_) - weighted / weight_sum_;
}

double Candidates::deviation() {
  const double best = double{best_logit()};
  double n = 0, sum = 0, squares = 0;
  const auto add = [&](float logit) {
    if (!(logit > kNever)) return;
    const double below = double{logit} - best;
    n += 1;
    sum += below;
    squares += below * below;
  };
  if (listed_) {
    for (const Candidate& candidate : list_) add(candidate.logit);
  } else {
    for (const float logit : logits_) add(logit);
  }
  const double mean = sum / n;
  return std::sqrt(std::max(0.0, squares / n - mean * mean));
}

std::span<const Candidate> Candidates::find_best(int64_t count) {
  const auto wanted = static_cast<size_t>(std::max<int64_t>(count, 0));
  if (listed_) {
    found_ = list_;
  } else {
    collect_from(bound_of_best(wanted), found_);
  }
  const size_t found = std::min(wanted, found_.size());
  sort_front(found_, 0, found, is_better);
  return std::span(found_).first(found);
}

std::span<const Candidate> Candidates::find_from(float logit_min) {
  if (listed_) {
    found_.clear();
    std::copy_if(list_.begin(), list_.end(), std::back_inserter(found_),
                 [&](const Candidate& candidate) { return candidate.logit >= logit_min; });
  } else {
    collect_from(logit_min, found_);
  }
  std::sort(found_.begin(), found_.end(), is_better);
  return found_;
}

// ---- Changes ----

void Candidates::scale(float factor) {
  const auto scaled = [factor](float logit) { return std::clamp(logit * factor, -kMost, kMost); };
  const bool overflows = std::isinf(best_logit() * factor);
  forget_weights();
  if (listed_) {
    for (Candidate& candidate : list_) candidate.logit = scaled(candidate.logit);
    return;
  }
  own_logits();
  if (!overflows) {
    kernels_.scale(factor, own_.data(), static_cast<int64_t>(own_.size()));
  } else {
    for (float& logit : own_) logit = logit == kNever ? logit : scaled(logit);
  }
  find_block_maxima();
}

void Candidates::remove(std::span<const int32_t> tokens) {
  if (tokens.empty()) return;
  forget_weights();
  if (!listed_) {
    own_logits();
    for (const int32_t token : tokens) {
      if (static_cast<size_t>(token) < logits_.size())
        set_logit(static_cast<size_t>(token), kNever);
    }
    return;
  }
  sorted_ = 0;
  std::erase_if(list_, [&](const Candidate& candidate) {
    return std::binary_search(tokens.begin(), tokens.end(), candidate.token);
  });
}

void Candidates::retain(std::span<const uint64_t> allowed) {
  const auto is_allowed = [allowed](size_t token) {
    return token / 64 < allowed.size() && (allowed[token / 64] >> (token % 64) & 1) != 0;
  };
  forget_weights();
  if (listed_) {
    sorted_ = 0;
    std::erase_if(list_, [&](const Candidate& candidate) {
      return !is_allowed(static_cast<size_t>(candidate.token));
    });
    return;
  }
  size_t allowed_count = 0;
  for (const uint64_t word : allowed) allowed_count += static_cast<size_t>(std::popcount(word));
  if (allowed_count < logits_.size() / 8) {
    list_allowed(allowed);
    return;
  }
  own_logits();
  for (size_t token = 0; token < own_.size(); ++token) {
    if (token % 64 == 0 && token / 64 < allowed.size() && allowed[token / 64] == UINT64_MAX) {
      token += 63;
    } else if (!is_allowed(token)) {
      own_[token] = kNever;
    }
  }
  find_block_maxima();
}

// The few tokens whose bits are set.
void Candidates::list_allowed(std::span<const uint64_t> allowed) {
  list_.clear();
  for (size_t w = 0; w < allowed.size(); ++w) {
    for (uint64_t word = allowed[w]; word != 0; word &= word - 1) {
      const size_t token = w * 64 + static_cast<size_t>(std::countr_zero(word));
      if (token < logits_.size() && logits_[token] > kNever) {
        list_.push_back({logits_[token], static_cast<int32_t>(token)});
      }
    }
  }
  listed_ = true;
  sorted_ = 0;
}

// ---- Narrowing ----

void Candidates::keep_front(size_t count) {
  if (count >= list_.size()) return;
  list_.resize(count);
  sorted_ = std::min(sorted_, count);
  forget_weights();
}

void Candidates::keep_best(int64_t count) {
  const auto wanted = static_cast<size_t>(std::max<int64_t>(count, 1));
  if (!listed_) {
    if (wanted >= logits_.size()) return;
    if (wanted == 1) {
      list_.assign(1, best());
      listed_ = true;
      sorted_ = 1;
      forget_weights();
      return;
    }
    make_list(bound_of_best(wanted));
  }
  if (wanted >= list_.size()) return;
  sort_list(wanted);
  keep_front(wanted);
}

void Candidates::keep_from(float logit_min) {
  const float least = std::min(logit_min, best_logit());
  if (!listed_) {
    make_list(least);
    return;
  }
  if (sorted_ == list_.size()) {
    const auto end = std::partition_point(list_.begin(), list_.end(),
                                          [&](const Candidate& c) { return c.logit >= least; });
    keep_front(static_cast<size_t>(end - list_.begin()));
    return;
  }
  forget_weights();
  sorted_ = 0;
  std::erase_if(list_, [&](const Candidate& candidate) { return candidate.logit < least; });
}

void Candidates::keep_probable(double share) {
  weigh();
  const double wanted = share * weight_sum_;
  const float best = best_logit();
  if (!listed_) {
    for (const float gap : kGaps) {
      make_list(best - gap);
      weigh();
      if (weight_sum_ >= wanted) break;
    }
  }
  double sum = 0;
  size_t kept = 0;
  while (kept < list_.size() && (kept == 0 || sum < wanted)) {
    if (kept == sorted_) sort_list(std::max(kSortFirst, 4 * sorted_));
    sum += double{std::exp(list_[kept].logit - best)};
    ++kept;
  }
  keep_front(kept);
}

void Candidates::keep_nearest(double share, double log_probability) {
  const bool was_listed = listed_;
  const double total = log_sum();
  const double center = log_probability + total;
  const double wanted = share * std::exp(total - double{best_logit()});
  const float best = best_logit();
  const auto weight = [best](const Candidate& c) { return double{std::exp(c.logit - best)}; };
  // What is far less probable than the center is further away than most of what is wanted.
  for (const float gap : kGaps) {
    double sum = 0;
    distant_.clear();
    if (!was_listed) make_list(static_cast<float>(center) - gap);
    for (const Candidate& candidate : list_) {
      const double distance = std::abs(double{candidate.logit} - center);
      if (distance > double{gap}) continue;
      distant_.push_back({distance, candidate});
      sum += weight(candidate);
    }
    if (sum >= wanted) break;
  }
  const auto nearer = [](const Distant& a, const Distant& b) {
    return a.distance != b.distance ? a.distance < b.distance
                                    : a.candidate.token < b.candidate.token;
  };
  double sum = 0;
  size_t kept = 0, ordered = 0;
  while (kept < distant_.size() && (kept == 0 || sum < wanted)) {
    if (kept == ordered) {
      const size_t further = std::min(distant_.size(), std::max(kSortFirst, 4 * ordered));
      sort_front(distant_, ordered, further, nearer);
      ordered = further;
    }
    sum += weight(distant_[kept++].candidate);
  }
  list_.clear();
  for (size_t i = 0; i < kept; ++i) list_.push_back(distant_[i].candidate);
  sorted_ = 0;
  forget_weights();
}

// ---- The draw ----

Draw Candidates::draw(double uniform) {
  weigh();
  if (!listed_) return draw_from_blocks(uniform);
  double remaining = uniform * weight_sum_;
  size_t at = 0;
  size_t last = 0;  // with a weight: rounding may leave a rest
  for (; at < list_.size(); ++at) {
    if (weights_[at] > 0) last = at;
    remaining -= double{weights_[at]};
    if (remaining < 0) break;
  }
  if (at == list_.size()) at = last;
  return {list_[at].token, double{weights_[at]} / weight_sum_};
}

Draw Candidates::draw_from_blocks(double uniform) {
  double remaining = uniform * weight_sum_;
  size_t chosen = 0;
  for (size_t b = 0; b < weights_.size(); ++b) {
    if (weights_[b] <= 0) continue;
    chosen = b;
    if (remaining < double{weights_[b]}) break;
    remaining -= double{weights_[b]};
  }
  const auto values = block(chosen);
  const float best = best_logit();
  scratch_.resize(kBlockLogits);
  for (size_t i = 0; i < values.size(); ++i) scratch_[i] = values[i] - best;
  kernels_.exponential(scratch_.data(), static_cast<int64_t>(values.size()));
  size_t last = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (scratch_[i] <= 0) continue;
    last = i;
    remaining -= double{scratch_[i]};
    if (remaining < 0) break;
  }
  return {static_cast<int32_t>(chosen * kBlockLogits + last), double{scratch_[last]} / weight_sum_};
}

}  // namespace minim
