// How far answers agree with what is right, and how far a figure over a sample can be trusted.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minim {

enum class Metric {
  kAccuracy,        // share of answers that are the expected one, as normalize_answer() has them
  kAccuracyBytes,   // of choices: the likeliest a byte of its text is the expected one
  kExact,           // share that is the expected one byte by byte
  kJson,            // share that is the expected JSON value, whatever its spaces and key order
  kNumber,          // share whose last number is that of the expected answer
  kPrecision,       // of the positive class: share right of those so called
  kRecall,          // share found of those that are so
  kF1,              // harmonic mean of the two
  kMacroF1,         // mean over the expected classes of each one's F1
  kTokenF1,         // mean over answers: F1 of the words, as SQuAD counts (Rajpurkar et al., 2016)
  kEditSimilarity,  // mean over answers: 1 - Levenshtein distance / length of the longer, in bytes
  kBleu,            // of all answers together (Papineni et al., 2002): up to 4-grams, one reference
  kRouge1,          // mean over answers: F1 of unigrams (Lin, 2004)
  kRouge2,          // of bigrams
  kRougeL,          // of the longest common subsequence
  kBitsPerByte,     // of texts: the model's surprise
};
// "accuracy", "bits_per_byte", ...; throws kInvalidArgument for a name that is none, listing all.
const char* metric_name(Metric metric);
Metric parse_metric(std::string_view name);
// Less is better.
bool is_loss(Metric metric);

// Lower case (ASCII), runs of white space as one space, none around, no full stop at the end.
std::string normalize_answer(std::string_view text);
// Whether both are JSON values and equal.
bool same_json(std::string_view a, std::string_view b);
// Whether both have a number and their last ones are equal; commas between digits are dropped.
bool same_last_number(std::string_view a, std::string_view b);
double edit_similarity(std::string_view a, std::string_view b);

// Words and punctuation marks apart, as BLEU counts them (mteval-v13a without its entities).
std::vector<std::string> split_words(std::string_view text);
double token_f1(std::string_view answer, std::string_view expected);
// `size`: of n-grams.
double rouge_n(std::string_view answer, std::string_view expected, size_t size);
double rouge_l(std::string_view answer, std::string_view expected);

// What BLEU adds up over answers.
struct BleuCounts {
  static constexpr size_t kSizes = 4;
  double matches[kSizes] = {};
  double totals[kSizes] = {};
  double answer_words = 0;
  double expected_words = 0;

  void add(const BleuCounts& other);
};
BleuCounts count_bleu(std::string_view answer, std::string_view expected);
// 0 to 100. Sizes without a match count 1/2, 1/4, ... of one (sacreBLEU's "exp").
double bleu(const BleuCounts& counts);

// A figure with its 95 % confidence interval.
struct Interval {
  double value = 0;
  double low = 0;
  double high = 0;
  double standard_error = 0;
};
// Of a share: Wilson's interval (1927). REQUIRES: 0 <= right <= count, count > 0.
Interval share_interval(int64_t right, int64_t count);
// Of a mean: 1.96 standard errors. REQUIRES: values is not empty.
Interval mean_interval(std::span<const double> values);
// Of anything computed from a sample of `count`: the percentiles of 1000 samples drawn from it
// with replacement (Efron, 1979), always the same ones. `figure` gets indices into the sample.
Interval bootstrap_interval(size_t count,
                            const std::function<double(std::span<const size_t>)>& figure);

}  // namespace minim
