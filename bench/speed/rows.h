// One row: a model, a work, and what each program reached, in rounds of all of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/speed/engine.h"
#include "bench/speed/models.h"
#include "bench/speed/workload.h"
#include "eval/limits.h"

namespace minim::bench {

using Engines = std::vector<std::unique_ptr<const Engine>>;  // minim is the first

struct Round {
  Limits limits;                              // read just before
  std::vector<std::optional<double>> values;  // one a program
};

struct Row {
  BenchModel model;
  Workload work;
  double load = 0;  // of the machine, when the row began
  std::vector<Round> rounds;
  std::vector<std::string> notes;  // one a program: why there is no figure, or what it is worth
};

// Of one program in a row, over the rounds.
struct Figure {
  double median = 0;
  double min = 0;
  double max = 0;
  // Medians of rate times work, and of its share of the limit read in the same round. Absent where
  // they mean nothing: prompts are not bound by memory, and memory and time are no rates.
  std::optional<double> bytes_per_second;
  std::optional<double> bytes_share;
  std::optional<double> operations_per_second;
  std::optional<double> operations_share;
};

// The limit that products of a kind are held against.
double operations_limit(const Limits& limits, Products products);

// Calls every program in turn, `round_count` times. One that fails is left out of later rounds.
Row measure_row(const Engines& engines, const BenchModel& model, const Workload& work,
                int round_count, LimitsProbe& probe);

// Nothing where the program has no figure.
std::optional<Figure> figure_of(const Row& row, size_t engine);

struct Ratio {
  double value = 0;  // above 1 where minim is ahead, also where less is better
  size_t peer = 0;   // the best of them
};

// The median over the rounds of minim against the best peer; nothing without both.
std::optional<Ratio> ratio_to_best_peer(const Row& row);

// Perplexities of the same text differ by less than 1 %, or a note that says what is different;
// one note a program, empty for minim.
std::vector<std::string> compare_outputs(const Engines& engines, const BenchModel& model,
                                         const Path& text);

}  // namespace minim::bench
