#include "eval/metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/rng.h"

namespace minim {
namespace {

constexpr double kNormal95 = 1.959964;

constexpr std::array<const char*, 16> kNames = {
    "accuracy", "accuracy_bytes", "exact",           "json",
    "number",   "precision",      "recall",          "f1",
    "macro_f1", "token_f1",       "edit_similarity", "bleu",
    "rouge1",   "rouge2",         "rouge_l",         "bits_per_byte"};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

using Counts = std::map<std::vector<std::string>, int64_t>;

Counts count_ngrams(const std::vector<std::string>& words, size_t size) {
  Counts counts;
  for (size_t i = 0; i + size <= words.size(); ++i) {
    ++counts[{words.begin() + static_cast<std::ptrdiff_t>(i),
              words.begin() + static_cast<std::ptrdiff_t>(i + size)}];
  }
  return counts;
}

int64_t count_common(const Counts& a, const Counts& b) {
  int64_t common = 0;
  for (const auto& [ngram, count] : a) {
    const auto found = b.find(ngram);
    if (found != b.end()) common += std::min(count, found->second);
  }
  return common;
}

double f1(double common, double answer, double expected) {
  if (answer == 0 && expected == 0) return 1;
  return common == 0 ? 0 : 2 * common / (answer + expected);
}

std::vector<std::string> lower_words(std::string_view text) {
  return split_words(normalize_answer(text));
}

// The last number in `text`: a sign, digits with commas between, a fraction.
std::optional<double> last_number(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !is_digit(text[end - 1])) --end;
  if (end == 0) return std::nullopt;
  size_t begin = end;
  while (begin > 0) {
    const char c = text[begin - 1];
    const bool joins = (c == '.' || c == ',') && begin > 1 && is_digit(text[begin - 2]);
    if (!is_digit(c) && !joins) break;
    --begin;
  }
  std::string digits;
  for (const char c : text.substr(begin, end - begin)) {
    if (c != ',') digits += c;
  }
  if (begin > 0 && text[begin - 1] == '-') digits.insert(digits.begin(), '-');
  return std::strtod(digits.c_str(), nullptr);
}

}  // namespace

const char* metric_name(Metric metric) { return kNames[static_cast<size_t>(metric)]; }

Metric parse_metric(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return static_cast<Metric>(found - kNames.begin());
  std::string known;
  for (const char* one : kNames) known += (known.empty() ? "" : ", ") + std::string(one);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no metric; there are {}", name, known));
}

bool is_loss(Metric metric) { return metric == Metric::kBitsPerByte; }

std::string normalize_answer(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (!is_space(c)) {
      made += lower(c);
    } else if (!made.empty() && made.back() != ' ') {
      made += ' ';
    }
  }
  if (made.ends_with(' ')) made.pop_back();
  if (made.ends_with('.')) made.pop_back();
  return made;
}

bool same_json(std::string_view a, std::string_view b) {
  const Json left = Json::parse(a, nullptr, false);
  const Json right = Json::parse(b, nullptr, false);
  return !left.is_discarded() && !right.is_discarded() && left == right;
}

bool same_last_number(std::string_view a, std::string_view b) {
  const auto left = last_number(a);
  return left && left == last_number(b);
}

double edit_similarity(std::string_view a, std::string_view b) {
  if (a.empty() && b.empty()) return 1;
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return 1 - static_cast<double>(row.back()) / static_cast<double>(std::max(a.size(), b.size()));
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool joins = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_space(c)) {
      joins = false;
      continue;
    }
    const bool mark = std::ispunct(static_cast<unsigned char>(c)) != 0 && c != '\'' && c != '-';
    // 1,000 and 1.5 are words.
    const bool in_number = (c == '.' || c == ',') && joins && is_digit(text[i - 1]) &&
                           i + 1 < text.size() && is_digit(text[i + 1]);
    if (mark && !in_number) {
      words.emplace_back(1, c);
      joins = false;
    } else {
      if (!joins) words.emplace_back();
      words.back() += c;
      joins = true;
    }
  }
  return words;
}

double token_f1(std::string_view answer, std::string_view expected) {
  return rouge_n(answer, expected, 1);
}

double rouge_n(std::string_view answer, std::string_view expected, size_t size) {
  const Counts ours = count_ngrams(lower_words(answer), size);
  const Counts theirs = count_ngrams(lower_words(expected), size);
  const auto total = [](const Counts& counts) {
    int64_t sum = 0;
    for (const auto& [ngram, count] : counts) sum += count;
    return static_cast<double>(sum);
  };
  return f1(static_cast<double>(count_common(ours, theirs)), total(ours), total(theirs));
}

double rouge_l(std::string_view answer, std::string_view expected) {
  const auto a = lower_words(answer), b = lower_words(expected);
  std::vector<size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return f1(static_cast<double>(row.back()), static_cast<double>(a.size()),
            static_cast<double>(b.size()));
}

void BleuCounts::add(const BleuCounts& other) {
  for (size_t i = 0; i < kSizes; ++i) {
    matches[i] += other.matches[i];
    totals[i] += other.totals[i];
  }
  answer_words += other.answer_words;
  expected_words += other.expected_words;
}

BleuCounts count_bleu(std::string_view answer, std::string_view expected) {
  const auto ours = split_words(answer), theirs = split_words(expected);
  BleuCounts counts;
  counts.answer_words = static_cast<double>(ours.size());
  counts.expected_words = static_cast<double>(theirs.size());
  for (size_t i = 0; i < BleuCounts::kSizes; ++i) {
    counts.matches[i] =
        static_cast<double>(count_common(count_ngrams(ours, i + 1), count_ngrams(theirs, i + 1)));
    counts.totals[i] = ours.size() > i ? static_cast<double>(ours.size() - i) : 0;
  }
  return counts;
}

double bleu(const BleuCounts& counts) {
  double log_sum = 0;
  double smooth = 1;
  size_t sizes = 0;
  for (size_t i = 0; i < BleuCounts::kSizes && counts.totals[i] > 0; ++i, ++sizes) {
    double matches = counts.matches[i];
    if (matches == 0) {
      smooth *= 2;
      matches = 1 / smooth;
    }
    log_sum += std::log(matches / counts.totals[i]);
  }
  if (sizes == 0 || counts.matches[0] == 0) return 0;
  const double brevity = counts.answer_words < counts.expected_words
                             ? std::exp(1 - counts.expected_words / counts.answer_words)
                             : 1;
  return 100 * brevity * std::exp(log_sum / static_cast<double>(sizes));
}

Interval share_interval(int64_t right, int64_t count) {
  const auto n = static_cast<double>(count);
  const double share = static_cast<double>(right) / n;
  const double z2 = kNormal95 * kNormal95;
  const double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half =
      kNormal95 * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  return {share, std::max(0.0, middle - half), std::min(1.0, middle + half),
          std::sqrt(share * (1 - share) / n)};
}

Interval mean_interval(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
  return {mean, mean - kNormal95 * error, mean + kNormal95 * error, error};
}

Interval bootstrap_interval(size_t count,
                            const std::function<double(std::span<const size_t>)>& figure) {
  constexpr size_t kSamples = 1000;
  std::vector<size_t> indices(count);
  std::iota(indices.begin(), indices.end(), size_t{0});
  Interval interval;
  interval.value = figure(indices);
  Rng rng(1);
  std::vector<double> figures(kSamples);
  for (double& one : figures) {
    for (size_t& index : indices) {
      index = static_cast<size_t>(rng.below(count));
    }
    one = figure(indices);
  }
  std::sort(figures.begin(), figures.end());
  interval.low = figures[kSamples * 25 / 1000];
  interval.high = figures[kSamples * 975 / 1000];
  const double mean = std::accumulate(figures.begin(), figures.end(), 0.0) / kSamples;
  double squares = 0;
  for (const double one : figures) squares += (one - mean) * (one - mean);
  interval.standard_error = std::sqrt(squares / (kSamples - 1));
  return interval;
}

}  // namespace minim
