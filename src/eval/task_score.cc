// From what became of the items to the figures of a task.
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "base/error.h"
#include "eval/task_run.h"

namespace minim {
namespace {

bool is_right(Metric metric, const TaskOutcome& outcome) {
  switch (metric) {
    case Metric::kAccuracy:
      return normalize_answer(outcome.given) == normalize_answer(outcome.expected);
    case Metric::kAccuracyBytes: return outcome.right_bytes;
    case Metric::kExact: return outcome.given == outcome.expected;
    case Metric::kJson: return same_json(outcome.given, outcome.expected);
    case Metric::kNumber: return same_last_number(outcome.given, outcome.expected);
    default: return false;
  }
}

double answer_score(Metric metric, const TaskOutcome& outcome) {
  switch (metric) {
    case Metric::kTokenF1: return token_f1(outcome.given, outcome.expected);
    case Metric::kEditSimilarity: return edit_similarity(outcome.given, outcome.expected);
    case Metric::kRouge1: return rouge_n(outcome.given, outcome.expected, 1);
    case Metric::kRouge2: return rouge_n(outcome.given, outcome.expected, 2);
    case Metric::kRougeL: return rouge_l(outcome.given, outcome.expected);
    default: MINIM_CHECK(false); return 0;
  }
}

// Classes as numbers, so that drawing samples costs little.
struct Classes {
  std::vector<int> expected, given;
  size_t count = 0;

  explicit Classes(std::span<const TaskOutcome> outcomes) {
    std::map<std::string, int> numbers;
    const auto number = [&](const std::string& text) {
      return numbers.emplace(normalize_answer(text), static_cast<int>(numbers.size()))
          .first->second;
    };
    for (const TaskOutcome& outcome : outcomes) {
      expected.push_back(number(outcome.expected));
      given.push_back(number(outcome.given));
    }
    count = numbers.size();
  }
};

// Of one class, over a sample; 0 where nobody expects or gives it.
double class_score(Metric metric, const Classes& classes, int one, std::span<const size_t> sample) {
  double right = 0, expected = 0, given = 0;
  for (const size_t i : sample) {
    expected += classes.expected[i] == one ? 1 : 0;
    given += classes.given[i] == one ? 1 : 0;
    right += classes.expected[i] == one && classes.given[i] == one ? 1 : 0;
  }
  if (metric == Metric::kPrecision) return given > 0 ? right / given : 0;
  if (metric == Metric::kRecall) return expected > 0 ? right / expected : 0;
  return expected + given > 0 ? 2 * right / (expected + given) : 0;
}

// The mean over the classes that the sample expects.
double macro_f1(const Classes& classes, std::span<const size_t> sample) {
  struct Count {
    double right = 0, expected = 0, given = 0;
  };
  std::vector<Count> counts(classes.count);
  for (const size_t i : sample) {
    Count& expected = counts[static_cast<size_t>(classes.expected[i])];
    expected.expected += 1;
    expected.right += classes.expected[i] == classes.given[i] ? 1 : 0;
    counts[static_cast<size_t>(classes.given[i])].given += 1;
  }
  double sum = 0, known = 0;
  for (const Count& count : counts) {
    if (count.expected == 0) continue;
    known += 1;
    sum += 2 * count.right / (count.expected + count.given);
  }
  return sum / known;
}

Interval class_interval(Metric metric, const TaskOptions& task,
                        std::span<const TaskOutcome> outcomes) {
  const Classes classes(outcomes);
  if (metric == Metric::kMacroF1) {
    return bootstrap_interval(outcomes.size(),
                              [&](auto sample) { return macro_f1(classes, sample); });
  }
  const std::string positive = normalize_answer(task.positive);
  int one = -1;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (normalize_answer(outcomes[i].expected) == positive) one = classes.expected[i];
  }
  return bootstrap_interval(outcomes.size(),
                            [&](auto sample) { return class_score(metric, classes, one, sample); });
}

Interval bleu_interval(std::span<const TaskOutcome> outcomes) {
  std::vector<BleuCounts> counts;
  for (const TaskOutcome& outcome : outcomes) {
    counts.push_back(count_bleu(outcome.given, outcome.expected));
  }
  return bootstrap_interval(outcomes.size(), [&](auto sample) {
    BleuCounts all;
    for (const size_t i : sample) all.add(counts[i]);
    return bleu(all);
  });
}

// A ratio of two sums: its error by the delta method, over texts.
Interval bits_per_byte(std::span<const TaskOutcome> outcomes) {
  double nats = 0, bytes = 0;
  for (const TaskOutcome& outcome : outcomes) {
    nats += outcome.nats;
    bytes += static_cast<double>(outcome.bytes);
  }
  const double ratio = nats / bytes;
  double squares = 0;
  for (const TaskOutcome& outcome : outcomes) {
    const double residual = outcome.nats - ratio * static_cast<double>(outcome.bytes);
    squares += residual * residual;
  }
  const auto n = static_cast<double>(outcomes.size());
  const double error = n > 1 ? std::sqrt(squares * n / (n - 1)) / bytes : 0;
  const double bits = ratio / std::numbers::ln2;
  const double half = 1.959964 * error / std::numbers::ln2;
  return {bits, bits - half, bits + half, error / std::numbers::ln2};
}

Interval score(Metric metric, const TaskOptions& task, std::span<const TaskOutcome> outcomes) {
  switch (metric) {
    case Metric::kAccuracy:
    case Metric::kAccuracyBytes:
    case Metric::kExact:
    case Metric::kJson:
    case Metric::kNumber: {
      const auto right = std::count_if(outcomes.begin(), outcomes.end(),
                                       [&](const auto& one) { return is_right(metric, one); });
      return share_interval(right, static_cast<int64_t>(outcomes.size()));
    }
    case Metric::kPrecision:
    case Metric::kRecall:
    case Metric::kF1:
    case Metric::kMacroF1: return class_interval(metric, task, outcomes);
    case Metric::kBleu: return bleu_interval(outcomes);
    case Metric::kBitsPerByte: return bits_per_byte(outcomes);
    default: break;
  }
  std::vector<double> values;
  for (const TaskOutcome& outcome : outcomes) values.push_back(answer_score(metric, outcome));
  Interval interval = mean_interval(values);
  interval.low = std::max(interval.low, 0.0);
  interval.high = std::min(interval.high, 1.0);
  return interval;
}

}  // namespace

void mark_right(const TaskOptions& task, std::span<TaskOutcome> outcomes) {
  for (TaskOutcome& outcome : outcomes) outcome.right = is_right(task.metrics.front(), outcome);
}

std::vector<MetricResult> score_outcomes(const TaskOptions& task,
                                         std::span<const TaskOutcome> outcomes) {
  std::vector<MetricResult> results;
  for (const Metric metric : task.metrics) {
    results.push_back({metric, score(metric, task, outcomes)});
  }
  return results;
}

PairedShares compare_outcomes(std::span<const TaskOutcome> first,
                              std::span<const TaskOutcome> second) {
  std::map<std::string, const TaskOutcome*> by_origin;
  for (const TaskOutcome& outcome : first) by_origin[outcome.origin] = &outcome;
  PairedShares paired;
  std::vector<double> differences;
  for (const TaskOutcome& outcome : second) {
    const auto found = by_origin.find(outcome.origin);
    if (found == by_origin.end()) continue;
    const bool before = found->second->right, after = outcome.right;
    paired.only_first += before && !after ? 1 : 0;
    paired.only_second += after && !before ? 1 : 0;
    differences.push_back(static_cast<double>(after) - static_cast<double>(before));
  }
  paired.count = static_cast<int64_t>(differences.size());
  if (!differences.empty()) paired.difference = mean_interval(differences);
  return paired;
}

}  // namespace minim
