#include "bench/speed/report.h"

#include <fmt/core.h>

#include <set>

namespace minim::bench {
namespace {

// Three digits that count: 12,300 tokens/s need no decimals, 12.3 ms do.
std::string format_value(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  return value >= 100 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

std::string format_share(const std::optional<double>& rate, const std::optional<double>& share,
                         const char* unit) {
  if (!rate || !share) return "";
  return fmt::format("{:.1f} {} ({:.0f} %)", *rate * 1e-9, unit, 100 * *share);
}

std::string format_range(const Figure& figure) {
  return fmt::format("{} ({} - {})", format_value(figure.median), format_value(figure.min),
                     format_value(figure.max));
}

Limits median_limits(const Row& row) {
  std::vector<double> bytes, bytewise, floats, halves;
  for (const Round& round : row.rounds) {
    bytes.push_back(round.limits.bytes_per_second);
    bytewise.push_back(round.limits.int8_operations);
    floats.push_back(round.limits.float_operations);
    halves.push_back(round.limits.bfloat16_operations);
  }
  return {.bytes_per_second = median(bytes),
          .int8_operations = median(bytewise),
          .float_operations = median(floats),
          .bfloat16_operations = median(halves)};
}

std::string markdown_table(std::span<const Row> rows, const std::string& work,
                           const Setting& setting) {
  std::string table;
  std::set<std::string> notes;
  for (const Row& row : rows) {
    if (row.work.name != work) continue;
    if (table.empty()) {
      table = fmt::format("\n### {}\n\n| model |", row.work.title);
      std::string rule = "|---|";
      for (const std::string& name : setting.engines) {
        table += fmt::format(" {}, {} |", name, row.work.unit());
        rule += "---:|";
      }
      table += " minim's GB/s | GOP/s | against the best peer | limits, load |\n" + rule +
               "---:|---:|---:|---|\n";
    }
    table += fmt::format("| {} {} |", row.model.name, row.model.type);
    for (size_t at = 0; at < setting.engines.size(); ++at) {
      const auto figure = figure_of(row, at);
      table += fmt::format(" {} |", figure ? format_range(*figure) : "-");
      if (!row.notes[at].empty()) {
        notes.insert(fmt::format("- {} {}, {}: {}\n", row.model.name, row.model.type,
                                 setting.engines[at], row.notes[at]));
      }
    }
    const Figure ours = figure_of(row, 0).value_or(Figure{});
    const Limits limits = median_limits(row);
    const auto ratio = ratio_to_best_peer(row);
    table += fmt::format(
        " {} | {} | {} | {:.1f} GB/s, {:.0f} GOP/s, {:.1f} |\n",
        format_share(ours.bytes_per_second, ours.bytes_share, "GB/s"),
        format_share(ours.operations_per_second, ours.operations_share, "GOP/s"),
        ratio ? fmt::format("{:.2f}x {}", ratio->value, setting.engines[ratio->peer]) : "",
        limits.bytes_per_second * 1e-9, operations_limit(limits, row.model.products) * 1e-9,
        row.load);
  }
  if (!notes.empty()) table += "\n";
  for (const std::string& note : notes) table += note;
  return table;
}

OrderedJson figure_json(const Row& row, size_t at, const std::string& name) {
  OrderedJson one = {{"name", name}};
  if (const auto figure = figure_of(row, at)) {
    one.update({{"median", figure->median}, {"min", figure->min}, {"max", figure->max}});
    if (figure->bytes_per_second) {
      one["bytes_per_second"] = *figure->bytes_per_second;
      one["bytes_share"] = *figure->bytes_share;
    }
    if (figure->operations_per_second) {
      one["operations_per_second"] = *figure->operations_per_second;
      one["operations_share"] = *figure->operations_share;
    }
  }
  if (!row.notes[at].empty()) one["note"] = row.notes[at];
  return one;
}

OrderedJson row_json(const Row& row, const Setting& setting) {
  OrderedJson json = {{"model", row.model.name},
                      {"type", row.model.type},
                      {"parameters", row.model.parameter_count},
                      {"workload", row.work.name},
                      {"unit", row.work.unit()},
                      {"more_is_better", row.work.is_rate()},
                      {"load", row.load}};
  for (const Round& round : row.rounds) {
    OrderedJson values = OrderedJson::array();
    for (const auto& value : round.values) {
      values.push_back(value ? OrderedJson(*value) : OrderedJson());
    }
    json["rounds"].push_back({{"bytes_per_second", round.limits.bytes_per_second},
                              {"int8_operations_per_second", round.limits.int8_operations},
                              {"float_operations_per_second", round.limits.float_operations},
                              {"bfloat16_operations_per_second", round.limits.bfloat16_operations},
                              {"values", values}});
  }
  for (size_t at = 0; at < setting.engines.size(); ++at) {
    json["programs"].push_back(figure_json(row, at, setting.engines[at]));
  }
  if (const auto ratio = ratio_to_best_peer(row)) {
    json["best_peer"] = setting.engines[ratio->peer];
    json["ratio"] = ratio->value;
  }
  return json;
}

}  // namespace

std::string format_row(const Row& row, const Setting& setting) {
  const Limits limits = median_limits(row);
  std::string text = fmt::format(
      "{} {}, {}\n  limits beside it: {:.1f} GB/s, {:.0f} GOP/s in bytes, {:.0f} in bfloat16, "
      "{:.0f} in float\n",
      row.model.name, row.model.type, row.work.title, limits.bytes_per_second * 1e-9,
      limits.int8_operations * 1e-9, limits.bfloat16_operations * 1e-9,
      limits.float_operations * 1e-9);
  for (size_t at = 0; at < setting.engines.size(); ++at) {
    const auto figure = figure_of(row, at);
    std::string line = fmt::format("  {:<14}", setting.engines[at]);
    if (figure) {
      line += fmt::format(
          " {:>9} {:<9} {:<22}", format_value(figure->median), row.work.unit(),
          fmt::format("({} - {})", format_value(figure->min), format_value(figure->max)));
      line += fmt::format(
          " {:<18} {}", format_share(figure->bytes_per_second, figure->bytes_share, "GB/s"),
          format_share(figure->operations_per_second, figure->operations_share, "GOP/s"));
    }
    if (!row.notes[at].empty()) line += " " + row.notes[at];
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  if (const auto ratio = ratio_to_best_peer(row)) {
    text += fmt::format("  minim against the best peer ({}): {:.2f}x\n",
                        setting.engines[ratio->peer], ratio->value);
  }
  return text;
}

std::string format_markdown(std::span<const Row> rows, const Setting& setting) {
  std::string text =
      fmt::format("{}, {}\n\n```\n{}\n```\n", setting.date, setting.machine, setting.command);
  for (const Workload& work : workloads()) text += markdown_table(rows, work.name, setting);
  return text;
}

OrderedJson format_json(std::span<const Row> rows, const Setting& setting) {
  OrderedJson json = {{"date", setting.date},
                      {"machine", setting.machine},
                      {"command", setting.command},
                      {"threads", setting.threads},
                      {"rows", OrderedJson::array()}};
  for (const Row& row : rows) json["rows"].push_back(row_json(row, setting));
  return json;
}

}  // namespace minim::bench
