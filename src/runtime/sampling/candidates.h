// The tokens that can still be chosen, and their logits, while the steps of a sampler narrow them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kernels/kernel_table.h"

namespace minim {

struct Candidate {
  float logit;
  int32_t token;
};

// The order of candidates: best first, equals by the smaller id.
inline bool is_better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// What a draw gave.
struct Draw {
  int32_t token = -1;
  double probability = 0;  // among the candidates that were left
};

// A vocabulary is too large to be sorted, or even listed, for each token. So there are two forms:
// at first the caller's logits are looked at where they are, in blocks whose largest logit is
// known; the first step that narrows them makes a list of what it leaves, and finds that by looking
// into few blocks. Logits that are copied are copied when a step changes them, not before.
class Candidates {
 public:
  static constexpr float kNever = -std::numeric_limits<float>::infinity();  // cannot be chosen

  // The kernels must outlive the candidates.
  explicit Candidates(const kernels::KernelTable& kernels) : kernels_(kernels) {}

  // All tokens; what is not a number cannot be chosen, and infinity leaves nothing else. The logits
  // must stay as they are while these candidates are in use. Throws kInvalidArgument if no logit is
  // a number.
  void assign(std::span<const float> logits);

  int64_t vocabulary_size() const { return static_cast<int64_t>(logits_.size()); }

  // ---- Questions ----
  bool empty() { return best_logit() == kNever; }
  float best_logit();
  // REQUIRES, here and below: !empty().
  Candidate best();
  int64_t count();     // that can be chosen
  double log_sum();    // ln of the sum of e^logit: ln p of a token is its logit less this
  double entropy();    // -sum of p ln p, in nats
  double deviation();  // of the logits: the root of their variance
  // Found and put in order, with nothing left out; valid until the next question of this kind: the
  // best `count`, or all if there are fewer; those with at least `logit_min`.
  std::span<const Candidate> find_best(int64_t count);
  std::span<const Candidate> find_from(float logit_min);

  // ---- Changes ----
  // entries: sorted by their member `token`, each token once. The logit of each becomes
  // change(logit, entry), kept finite.
  template <typename Entry, typename Change>
  void adjust(std::span<const Entry> entries, Change change);
  void scale(float factor);
  // Leaves out `tokens`: sorted, each once. Those that are no candidates do not matter.
  void remove(std::span<const int32_t> tokens);
  // Leaves only tokens whose bit is set: bit i % 64 of word i / 64; beyond the words there are
  // none.
  void retain(std::span<const uint64_t> allowed);

  // ---- Narrowing: the best token stays ----
  void keep_best(int64_t count);
  void keep_from(float logit_min);
  // The smallest set with at least `share` of the probability, taken from the most probable on.
  void keep_probable(double share);
  // The same, taken from those on whose log probability is nearest to this one; equals by the
  // smaller id. Here the best need not stay.
  void keep_nearest(double share, double log_probability);

  // A token, in proportion to its probability. uniform: in [0, 1).
  Draw draw(double uniform);

 private:
  static constexpr size_t kBlockLogits = 128;

  std::span<const float> block(size_t index) const {
    return logits_.subspan(index * kBlockLogits,
                           std::min(kBlockLogits, logits_.size() - index * kBlockLogits));
  }
  float block_maximum(size_t index) const {
    const auto values = block(index);
    return kernels_.maximum(values.data(), static_cast<int64_t>(values.size()));
  }
  void find_block_maxima();
  void take_infinite();
  void set_logit(size_t token, float logit);
  void own_logits();
  void refresh_blocks();
  float bound_of_best(size_t count);
  float bound_by_gaps(size_t count);
  void collect_from(float logit_min, std::vector<Candidate>& out);
  void make_list(float logit_min);
  void sort_list(size_t count);
  void forget_weights() { weighed_ = false; }
  void weigh();
  Draw draw_from_blocks(double uniform);
  void list_allowed(std::span<const uint64_t> allowed);
  void keep_front(size_t count);

  const kernels::KernelTable& kernels_;

  // All tokens of the vocabulary, until there is a list.
  std::span<const float> logits_;  // the caller's, or own_
  std::vector<float> own_;
  std::vector<float> block_best_;  // the largest of each block of kBlockLogits
  std::vector<uint8_t> stale_;     // blocks that have changed since
  bool any_stale_ = false;

  bool listed_ = false;
  std::vector<Candidate> list_;
  size_t sorted_ = 0;  // the best of list_ that lie in order at its front

  // e^(logit - best): for each block their sum, for a list each one.
  bool weighed_ = false;
  std::vector<float> weights_;
  double weight_sum_ = 0;

  struct Distant {
    double distance;
    Candidate candidate;
  };
  std::vector<Distant> distant_;
  std::vector<Candidate> found_;
  std::vector<float> scratch_;
};

template <typename Entry, typename Change>
void Candidates::adjust(std::span<const Entry> entries, Change change) {
  if (entries.empty()) return;
  forget_weights();
  const auto changed = [&](float logit, const Entry& entry) {
    constexpr float kMost = std::numeric_limits<float>::max();
    return logit == kNever ? logit : std::clamp(change(logit, entry), -kMost, kMost);
  };
  if (!listed_) {
    own_logits();
    for (const Entry& entry : entries) {
      const auto token = static_cast<size_t>(entry.token);
      if (token < logits_.size()) set_logit(token, changed(logits_[token], entry));
    }
    return;
  }
  sorted_ = 0;
  const auto before = [](const Entry& entry, int32_t token) { return entry.token < token; };
  for (Candidate& candidate : list_) {
    const auto entry = std::lower_bound(entries.begin(), entries.end(), candidate.token, before);
    if (entry == entries.end() || entry->token != candidate.token) continue;
    candidate.logit = changed(candidate.logit, *entry);
  }
}

}  // namespace minim
