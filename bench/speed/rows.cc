#include "bench/speed/rows.h"

#include <fmt/core.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace minim::bench {
namespace {

constexpr double kPerplexityTolerance = 0.01;

double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : 0;
}

// Weights that one token is multiplied with: twice as many operations. Prompts need the head only
// for their last token.
double weights_of_token(const Row& row) {
  if (row.work.kind != WorkKind::kPrompt) return row.model.weight_count;
  const auto tokens = static_cast<double>(row.work.prompt_tokens);
  return row.model.weight_count - row.model.head_count * (1 - 1 / tokens);
}

std::optional<double> bytes_of_token(const Row& row) {
  if (row.work.kind == WorkKind::kPrompt) return std::nullopt;
  const double seen =
      static_cast<double>(row.work.depth) + static_cast<double>(row.work.generated_tokens) / 2;
  return row.model.token_bytes(static_cast<double>(row.work.sequence_count), seen,
                               row.work.cache_type);
}

}  // namespace

double operations_limit(const Limits& limits, Products products) {
  switch (products) {
    case Products::kBytes: return limits.int8_operations;
    case Products::kBfloat16: return limits.bfloat16_operations;
    case Products::kFloats: break;
  }
  return limits.float_operations;
}

Row measure_row(const Engines& engines, const BenchModel& model, const Workload& work,
                int round_count, LimitsProbe& probe) {
  Row row = {.model = model, .work = work, .load = load_average()};
  row.notes.resize(engines.size());
  for (int i = 0; i < round_count; ++i) {
    Round round = {.limits = probe.read()};
    for (size_t at = 0; at < engines.size(); ++at) {
      round.values.emplace_back();
      if (!row.notes[at].empty()) continue;
      const Measurement measured = engines[at]->measure(model, work);
      row.notes[at] = measured.problem;
      if (measured.ok() && measured.value <= 0) row.notes[at] = "measured nothing";
      if (row.notes[at].empty()) round.values.back() = measured.value;
    }
    row.rounds.push_back(std::move(round));
  }
  return row;
}

std::optional<Figure> figure_of(const Row& row, size_t engine) {
  std::vector<double> values, bytes, bytes_shares, operations, operations_shares;
  const std::optional<double> token_bytes = bytes_of_token(row);
  const double token_operations = 2 * weights_of_token(row);
  for (const Round& round : row.rounds) {
    if (!round.values[engine]) continue;
    const double value = *round.values[engine];
    values.push_back(value);
    if (token_bytes) {
      bytes.push_back(value * *token_bytes);
      bytes_shares.push_back(bytes.back() / round.limits.bytes_per_second);
    }
    operations.push_back(value * token_operations);
    operations_shares.push_back(operations.back() /
                                operations_limit(round.limits, row.model.products));
  }
  if (values.empty()) return std::nullopt;
  Figure figure = {.median = median(values),
                   .min = *std::min_element(values.begin(), values.end()),
                   .max = *std::max_element(values.begin(), values.end())};
  if (!row.work.is_rate()) return figure;
  if (token_bytes) {
    figure.bytes_per_second = median(bytes);
    figure.bytes_share = median(bytes_shares);
  }
  figure.operations_per_second = median(operations);
  figure.operations_share = median(operations_shares);
  return figure;
}

std::optional<Ratio> ratio_to_best_peer(const Row& row) {
  const bool more_is_better = row.work.is_rate();
  std::optional<size_t> best;
  double best_median = 0;
  for (size_t at = 1; at < row.notes.size(); ++at) {
    const std::optional<Figure> figure = figure_of(row, at);
    if (!figure) continue;
    const bool ahead = more_is_better ? figure->median > best_median : figure->median < best_median;
    if (best && !ahead) continue;
    best = at;
    best_median = figure->median;
  }
  if (!best) return std::nullopt;
  std::vector<double> ratios;
  for (const Round& round : row.rounds) {
    if (!round.values[0] || !round.values[*best]) continue;
    const double ratio = *round.values[0] / *round.values[*best];
    ratios.push_back(more_is_better ? ratio : 1 / ratio);
  }
  if (ratios.empty()) return std::nullopt;
  return Ratio{median(ratios), *best};
}

std::vector<std::string> compare_outputs(const Engines& engines, const BenchModel& model,
                                         const Path& text) {
  std::vector<std::string> notes(engines.size());
  if (engines.size() < 2) return notes;
  const Measurement ours = engines[0]->perplexity(model, text);
  for (size_t at = 1; at < engines.size(); ++at) {
    const Measurement theirs = engines[at]->perplexity(model, text);
    if (!ours.ok() || !theirs.ok()) {
      notes[at] =
          fmt::format("outputs not compared: {}", ours.ok() ? theirs.problem : ours.problem);
    } else if (!(std::abs(theirs.value / ours.value - 1) <= kPerplexityTolerance)) {
      notes[at] = fmt::format("outputs differ: perplexity {:.5g}, minim's {:.5g}", theirs.value,
                              ours.value);
    }
  }
  return notes;
}

}  // namespace minim::bench
