#include "cli/eval/eval_result.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "cli/eval/eval_page.h"
#include "cli/eval/figure_text.h"

namespace minim::cli {
namespace {

constexpr int64_t kVersion = 1;
constexpr size_t kFileBytesMax = size_t{1} << 30;

using Row = std::vector<std::string>;

// The first column to the left, the others to the right.
std::string format_rows(const std::vector<Row>& rows, EvalFormat format) {
  std::string text;
  if (format == EvalFormat::kMarkdown) {
    for (size_t i = 0; i < rows.size(); ++i) {
      for (const std::string& cell : rows[i]) text += "| " + cell + " ";
      text += "|\n";
      if (i > 0) continue;
      for (size_t j = 0; j < rows[i].size(); ++j) text += j < 2 ? "|---" : "|---:";
      text += "|\n";
    }
    return text;
  }
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (size_t j = 0; j < row.size(); ++j) widths[j] = std::max(widths[j], row[j].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t j = 0; j < row.size(); ++j) {
      line += j < 2 ? fmt::format("{:<{}}", row[j], widths[j])
                    : fmt::format("{:>{}}", row[j], widths[j]);
      line += "  ";
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

OrderedJson outcome_json(const TaskOutcome& outcome, bool is_text) {
  if (is_text) {
    return {{"origin", outcome.origin}, {"nats", outcome.nats}, {"bytes", outcome.bytes}};
  }
  return {{"origin", outcome.origin},
          {"expected", outcome.expected},
          {"given", outcome.given},
          {"right", outcome.right},
          {"right_bytes", outcome.right_bytes}};
}

OrderedJson task_json(const TaskResult& task) {
  OrderedJson metrics = OrderedJson::object();
  for (const auto& [metric, interval] : task.metrics) {
    metrics[metric_name(metric)] = {{"value", interval.value},
                                    {"low", interval.low},
                                    {"high", interval.high},
                                    {"standard_error", interval.standard_error}};
  }
  OrderedJson items = OrderedJson::array();
  for (const TaskOutcome& outcome : task.outcomes) {
    items.push_back(outcome_json(outcome, task.window_tokens > 0));
  }
  return {{"name", task.name},
          {"count", task.outcomes.size()},
          {"too_long", task.too_long},
          {"chat", task.chat},
          {"constrained", task.constrained},
          {"window_tokens", task.window_tokens},
          {"tokens", task.token_count},
          {"seconds", task.seconds},
          {"metrics", metrics},
          {"items", items}};
}

TaskOutcome parse_outcome(const OrderedJson& json) {
  TaskOutcome outcome;
  outcome.origin = json.at("origin").get<std::string>();
  outcome.expected = json.value("expected", "");
  outcome.given = json.value("given", "");
  outcome.right = json.value("right", false);
  outcome.right_bytes = json.value("right_bytes", false);
  outcome.nats = json.value("nats", 0.0);
  outcome.bytes = json.value("bytes", int64_t{0});
  return outcome;
}

TaskResult parse_task(const OrderedJson& json) {
  TaskResult task;
  task.name = json.at("name").get<std::string>();
  task.too_long = json.value("too_long", int64_t{0});
  task.chat = json.value("chat", false);
  task.constrained = json.value("constrained", false);
  task.window_tokens = json.value("window_tokens", int64_t{0});
  task.token_count = json.value("tokens", int64_t{0});
  task.seconds = json.value("seconds", 0.0);
  for (const auto& [name, value] : json.at("metrics").items()) {
    const auto number = [&](const char* key) { return value.at(key).template get<double>(); };
    task.metrics.push_back(
        {parse_metric(name),
         {number("value"), number("low"), number("high"), number("standard_error")}});
  }
  for (const OrderedJson& item : json.at("items")) task.outcomes.push_back(parse_outcome(item));
  return task;
}

const MetricResult* find_metric(const TaskResult& task, Metric metric) {
  for (const MetricResult& result : task.metrics) {
    if (result.metric == metric) return &result;
  }
  return nullptr;
}

Row compare_metric(const TaskResult& first, const TaskResult& second, const MetricResult& a,
                   const MetricResult& b) {
  const Metric metric = a.metric;
  const double change = b.interval.value - a.interval.value;
  const std::string title = title_of(first), other = title_of(second);
  Row row = {title == other ? title : title + " / " + other,
             metric_name(metric),
             fmt::format("{}", second.outcomes.size()),
             format_value(metric, a.interval.value),
             format_value(metric, b.interval.value),
             format_change(metric, change),
             "",
             ""};
  // Whether an item is right is stored by the first metric.
  const bool paired = metric == first.metrics.front().metric && is_share(metric) &&
                      metric == second.metrics.front().metric;
  if (!paired) return row;
  const PairedShares shares = compare_outcomes(first.outcomes, second.outcomes);
  if (shares.count == 0) return row;
  row[6] =
      fmt::format("{:+.1f} - {:+.1f}", 100 * shares.difference.low, 100 * shares.difference.high);
  row[7] = fmt::format("{} / {}", shares.only_first, shares.only_second);
  return row;
}

}  // namespace

OrderedJson eval_result_json(const EvalResult& result) {
  OrderedJson tasks = OrderedJson::array();
  for (const TaskResult& task : result.tasks) tasks.push_back(task_json(task));
  return {{"minim_eval", kVersion},
          {"version", result.version},
          {"model",
           {{"name", result.model},
            {"sha256", result.sha256},
            {"bytes", result.bytes},
            {"parameters", result.parameters}}},
          {"limit", result.limit},
          {"tasks", tasks}};
}

void save_eval_result(const EvalResult& result, const Path& path) {
  FileWriter writer(path);
  writer.write(eval_result_json(result).dump(1, ' ', false, OrderedJson::error_handler_t::replace) +
               "\n");
  writer.commit();
}

EvalResult load_eval_result(const Path& path) {
  const std::string origin = path.string();
  const OrderedJson json =
      parse_ordered_json(read_file(path, kFileBytesMax), origin, {.bytes_max = kFileBytesMax});
  const auto version = json.is_object() ? json.find("minim_eval") : json.end();
  if (version == json.end() || !version->is_number_integer()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("eval: '{}' is no result of minim eval --out", origin));
  }
  if (*version != kVersion) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("eval: '{}' is of version {}; this program reads version {}", origin,
                            version->dump(), kVersion));
  }
  try {
    EvalResult result;
    result.version = json.value("version", "");
    const OrderedJson& model = json.at("model");
    result.model = model.at("name").get<std::string>();
    result.sha256 = model.value("sha256", "");
    result.bytes = model.value("bytes", uint64_t{0});
    result.parameters = model.value("parameters", uint64_t{0});
    result.limit = json.value("limit", int64_t{0});
    for (const OrderedJson& task : json.at("tasks")) result.tasks.push_back(parse_task(task));
    return result;
  } catch (const OrderedJson::exception& error) {
    throw Error(ErrorCode::kFormat, fmt::format("eval: '{}' is damaged: {}", origin, error.what()));
  }
}

std::string format_eval_result(const EvalResult& result, EvalFormat format) {
  if (format == EvalFormat::kJson) {
    return eval_result_json(result).dump(1, ' ', false, OrderedJson::error_handler_t::replace) +
           "\n";
  }
  if (format == EvalFormat::kHtml) return format_eval_page({&result});
  std::vector<Row> rows = {{"task", "metric", "items", "value", "95 % interval"}};
  for (const TaskResult& task : result.tasks) {
    for (const auto& [metric, interval] : task.metrics) {
      rows.push_back({title_of(task), metric_name(metric), fmt::format("{}", task.outcomes.size()),
                      format_value(metric, interval.value), format_interval(metric, interval)});
    }
  }
  std::string more;
  for (const TaskResult& task : result.tasks) more += format_notes(task);
  const bool markdown = format == EvalFormat::kMarkdown;
  return format_rows(rows, format) + (markdown && !more.empty() ? "\n" : "") + more;
}

std::string format_comparison(const EvalResult& first, const EvalResult& second,
                              EvalFormat format) {
  std::vector<Row> rows = {{"task", "metric", "items", first.model, second.model, "change",
                            "95 % interval", "only one right"}};
  for (const TaskResult& task : first.tasks) {
    const auto other = std::find_if(second.tasks.begin(), second.tasks.end(),
                                    [&](const TaskResult& one) { return one.name == task.name; });
    if (other == second.tasks.end()) continue;
    for (const MetricResult& metric : task.metrics) {
      const MetricResult* same = find_metric(*other, metric.metric);
      if (same != nullptr) rows.push_back(compare_metric(task, *other, metric, *same));
    }
  }
  if (rows.size() == 1) {
    throw Error(ErrorCode::kInvalidArgument, "eval: the two results have no task in common");
  }
  if (format == EvalFormat::kHtml) return format_eval_page({&first, &second});
  return format_rows(rows, format);
}

}  // namespace minim::cli
