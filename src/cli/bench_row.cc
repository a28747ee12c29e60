#include "cli/bench_row.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/cpu.h"
#include "base/json.h"
#include "cli/terminal.h"
#include "formats/byte_reader.h"
#include "kernels/data_type.h"

namespace minim::cli {
namespace {

constexpr std::array<const char*, 5> kFormats = {"text", "markdown", "csv", "json", "jsonl"};

// The name of a file, fit for a terminal.
std::string file_text(const BenchPlan& plan) {
  return printable(Path(plan.path).filename().string(), 60);
}

// A column of the tables for people.
struct Column {
  const char* title;
  size_t width;  // at least
  std::string (*cell)(const BenchRow& row);
  bool to_the_left = false;
  // Nothing for columns that are always there.
  bool (*needed)(std::span<const BenchPlan> plans) = nullptr;
};

// Whether models cannot be told apart by what they are.
bool have_namesakes(std::span<const BenchPlan> plans) {
  return std::any_of(plans.begin(), plans.end(), [&](const BenchPlan& plan) {
    return plan.path != plans.front().path &&
           plan.model.class_name() == plans.front().model.class_name();
  });
}

bool have_other_batches(std::span<const BenchPlan> plans) {
  return std::any_of(plans.begin(), plans.end(), [](const BenchPlan& plan) {
    return plan.test.batch_tokens != SpeedTest().batch_tokens;
  });
}

std::string rate_text(const BenchRow& row) {
  const SampleStatistics rate = sample_statistics(row.result.rates);
  return fmt::format("{:.2f} ± {:.2f}", rate.mean, rate.standard_deviation);
}

std::string first_token_text(const BenchRow& row) {
  if (row.result.first_token_seconds.empty()) return "";
  return fmt::format("{:.1f}", sample_statistics(row.result.first_token_seconds).median * 1e3);
}

std::string joules_text(const BenchRow& row) {
  if (!row.result.joules_per_token) return "";
  return fmt::format("{}{:.3g}", is_measured(row.result.energy_source) ? "" : "~",
                     *row.result.joules_per_token);
}

const Column kColumns[] = {
    {"model", 8, [](const BenchRow& row) { return row.plan.model.class_name(); }, true},
    {"file", 8, [](const BenchRow& row) { return file_text(row.plan); }, true, have_namesakes},
    {"size", 7,
     [](const BenchRow& row) { return format_bytes(static_cast<double>(row.plan.model.bytes)); }},
    {"params", 6,
     [](const BenchRow& row) {
       return format_count(static_cast<double>(row.plan.model.parameters));
     }},
    {"backend", 11, [](const BenchRow& row) { return row.backend; }, true},
    {"threads", 7, [](const BenchRow& row) { return fmt::format("{}", row.plan.threads); }},
    {"cache", 5,
     [](const BenchRow& row) -> std::string { return data_type_info(row.plan.test.kv_type).name; }},
    {"batch", 5, [](const BenchRow& row) { return fmt::format("{}", row.plan.test.batch_tokens); },
     false, have_other_batches},
    {"test", 6, [](const BenchRow& row) { return speed_test_name(row.plan.test); }},
    {"t/s", 17, rate_text},
    {"TTFT ms", 9, first_token_text},
    {"peak mem", 8,
     [](const BenchRow& row) {
       return row.peak_resident_bytes ? format_bytes(static_cast<double>(*row.peak_resident_bytes))
                                      : std::string();
     }},
    {"GB/s", 6,
     [](const BenchRow& row) {
       const auto rate = row.bytes_per_second();
       return rate ? fmt::format("{:.1f}", *rate * 1e-9) : std::string();
     }},
    {"of mem", 6,
     [](const BenchRow& row) {
       const auto share = row.bandwidth_share();
       return share ? fmt::format("{:.0f} %", *share * 100) : std::string();
     }},
    {"J/token", 8, joules_text},
};

// What the tables have no column for.
std::string energy_note(EnergySource source) {
  if (source == EnergySource::kCounters) return "J/token: measured, by the processor's counters";
  if (source == EnergySource::kBattery) return "J/token: measured, by what the battery gave";
  return fmt::format("J/token: ~ estimated from processor time, at {:.0f} W a core",
                     EnergyOptions().watts_per_core);
}

// Rows in columns, between bars for Markdown or two spaces.
class TablePrinter : public BenchPrinter {
 public:
  explicit TablePrinter(bool markdown) : markdown_(markdown) {}

  void begin(std::span<const BenchPlan> plans) override {
    for (const Column& column : kColumns) {
      if (column.needed == nullptr || column.needed(plans)) columns_.push_back(column);
    }
    // What is known before anything is measured; the rest has room for what is usual.
    for (Column& column : columns_) {
      for (const BenchPlan& plan : plans) {
        const std::string title = column.title;
        size_t width = 0;
        if (title == "model") width = plan.model.class_name().size();
        if (title == "file") width = file_text(plan).size();
        if (title == "test") width = speed_test_name(plan.test).size();
        column.width = std::max(column.width, width);
      }
    }
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.emplace_back(column.title);
    print_line(titles);
    if (!markdown_) return;
    std::string line = "|";
    for (const Column& column : columns_) {
      line += " " + std::string(column.width, '-') + (column.to_the_left ? " |" : ":|");
    }
    fmt::print("{}\n", line);
  }

  void print(const BenchRow& row) override {
    std::vector<std::string> cells;
    for (const Column& column : columns_) cells.push_back(column.cell(row));
    print_line(cells);
    std::fflush(stdout);
    if (row.result.joules_per_token) source_ = row.result.energy_source;
  }

  void end(bool) override {
    if (source_) fmt::print("\n{}\n", energy_note(*source_));
  }

 private:
  void print_line(const std::vector<std::string>& cells) const {
    std::string line = markdown_ ? "|" : "";
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = columns_[i].to_the_left
                                   ? fmt::format("{:<{}}", cells[i], columns_[i].width)
                                   : fmt::format("{:>{}}", cells[i], columns_[i].width);
      if (markdown_) {
        line += " " + cell + " |";
      } else {
        line += (i > 0 ? "  " : "") + cell;
      }
    }
    while (line.ends_with(' ')) line.pop_back();
    fmt::print("{}\n", line);
  }

  bool markdown_;
  std::vector<Column> columns_;
  std::optional<EnergySource> source_;
};

OrderedJson optional_json(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

OrderedJson statistics_json(const std::vector<double>& samples) {
  const SampleStatistics statistics = sample_statistics(samples);
  return {{"mean", statistics.mean},     {"standard_deviation", statistics.standard_deviation},
          {"median", statistics.median}, {"min", statistics.min},
          {"max", statistics.max},       {"samples", samples}};
}

OrderedJson row_json(const BenchRow& row) {
  const ModelSummary& model = row.plan.model;
  const SpeedTest& test = row.plan.test;
  OrderedJson json = {{"model", model.class_name()},
                      {"path", row.plan.path},
                      {"architecture", model.architecture},
                      {"type", model.type},
                      {"model_bytes", model.bytes},
                      {"parameters", model.parameters},
                      {"kernels", row.backend},
                      {"threads", row.plan.threads},
                      {"cache_type", data_type_info(test.kv_type).name},
                      {"test", speed_test_name(test)},
                      {"prompt_tokens", test.prompt_tokens},
                      {"generated_tokens", test.generated_tokens},
                      {"depth", test.depth},
                      {"sequences", test.sequence_count},
                      {"batch_tokens", test.batch_tokens},
                      {"tokens_per_second", statistics_json(row.result.rates)}};
  if (row.result.first_token_seconds.empty()) {
    json["first_token_seconds"] = nullptr;
  } else {
    json["first_token_seconds"] = sample_statistics(row.result.first_token_seconds).median;
  }
  json["peak_resident_bytes"] =
      row.peak_resident_bytes ? OrderedJson(*row.peak_resident_bytes) : OrderedJson(nullptr);
  json["weight_bytes"] = row.weight_bytes;
  json["cache_bytes"] = row.result.cache_bytes;
  json["bytes_per_second"] = optional_json(row.bytes_per_second());
  json["memory_bytes_per_second"] = optional_json(row.memory_bytes_per_second);
  json["bandwidth_share"] = optional_json(row.bandwidth_share());
  json["joules_per_token"] = optional_json(row.result.joules_per_token);
  json["energy_source"] = row.result.joules_per_token
                              ? OrderedJson(energy_source_name(row.result.energy_source))
                              : OrderedJson(nullptr);
  return json;
}

std::string dump(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

class JsonPrinter : public BenchPrinter {
 public:
  void begin(std::span<const BenchPlan>) override {}
  void print(const BenchRow& row) override { rows_.push_back(row_json(row)); }
  void end(bool complete) override {
    const OrderedJson document = {
        {"processor", cpu_model_name()}, {"complete", complete}, {"rows", rows_}};
    fmt::print("{}\n", dump(document, 2));
  }

 private:
  OrderedJson rows_ = OrderedJson::array();
};

class JsonLinesPrinter : public BenchPrinter {
 public:
  void begin(std::span<const BenchPlan>) override {}
  void print(const BenchRow& row) override {
    fmt::print("{}\n", dump(row_json(row), -1));
    std::fflush(stdout);
  }
  void end(bool) override {}
};

// The fields of the JSON, flat: statistics become columns of their own, samples are left out.
class CsvPrinter : public BenchPrinter {
 public:
  void begin(std::span<const BenchPlan>) override {}

  void print(const BenchRow& row) override {
    std::string titles, cells;
    const OrderedJson json = row_json(row);
    for (const auto& [key, value] : json.items()) {
      if (!value.is_object()) {
        add(key, value, titles, cells);
        continue;
      }
      for (const auto& [part, one] : value.items()) {
        if (!one.is_array()) add(key + "_" + part, one, titles, cells);
      }
    }
    if (!titled_) fmt::print("{}\n", titles);
    titled_ = true;
    fmt::print("{}\n", cells);
    std::fflush(stdout);
  }

  void end(bool) override {}

 private:
  static void add(const std::string& key, const OrderedJson& value, std::string& titles,
                  std::string& cells) {
    const char* comma = titles.empty() ? "" : ",";
    titles += comma + key;
    cells += comma;
    if (value.is_string()) {
      cells += quoted(value.get<std::string>());
    } else if (!value.is_null()) {
      cells += dump(value, -1);
    }
  }

  // RFC 4180.
  static std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
      if (c == '"') result += '"';
      result += c;
    }
    return result + '"';
  }

  bool titled_ = false;
};

}  // namespace

std::optional<double> BenchRow::bytes_per_second() const {
  const SpeedTest& test = plan.test;
  if (test.prompt_tokens > 0 || test.generated_tokens == 0) return std::nullopt;
  const double steps =
      sample_statistics(result.rates).mean / static_cast<double>(test.sequence_count);
  return steps * (token_weight_bytes + result.step_bytes);
}

std::optional<double> BenchRow::bandwidth_share() const {
  const auto rate = bytes_per_second();
  if (!rate || !memory_bytes_per_second) return std::nullopt;
  return *rate / *memory_bytes_per_second;
}

std::span<const char* const> bench_format_names() { return kFormats; }

std::optional<BenchFormat> parse_bench_format(const std::string& name) {
  const auto found = std::find(kFormats.begin(), kFormats.end(), name);
  if (found == kFormats.end()) return std::nullopt;
  return static_cast<BenchFormat>(found - kFormats.begin());
}

std::unique_ptr<BenchPrinter> make_bench_printer(BenchFormat format) {
  switch (format) {
    case BenchFormat::kText: return std::make_unique<TablePrinter>(false);
    case BenchFormat::kMarkdown: return std::make_unique<TablePrinter>(true);
    case BenchFormat::kCsv: return std::make_unique<CsvPrinter>();
    case BenchFormat::kJson: return std::make_unique<JsonPrinter>();
    case BenchFormat::kJsonLines: return std::make_unique<JsonLinesPrinter>();
  }
  return nullptr;
}

}  // namespace minim::cli
