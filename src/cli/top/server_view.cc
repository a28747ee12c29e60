#include "cli/top/server_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "cli/terminal.h"
#include "cli/terminal_text.h"

namespace minim::cli {
namespace {

constexpr std::chrono::seconds kWindow{60};

std::string row(const char* title, const std::string& text) {
  return fmt::format("{:<13} {}", title, text);
}

double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::string milliseconds(double seconds) {
  const double value = seconds * 1e3;
  return fmt::format("{:.{}f} ms", value, value < 10 ? 1 : 0);
}

// Of a request that ended so: 429, or 4 for all of 4xx.
double ended_with(const MetricsText& metrics, std::string_view status) {
  double count = 0;
  for (const Metric* metric : metrics.all("minim_requests_total")) {
    const auto found = metric->labels.find("status");
    if (found != metric->labels.end() && found->second.starts_with(status)) count += metric->value;
  }
  return count;
}

}  // namespace

void ServerView::add(ServerReading reading) {
  // A server that was started anew counts from 0 again.
  const bool is_another = !readings_.empty() && reading.metrics.sum("process_start_time_seconds") !=
                                                    now().sum("process_start_time_seconds");
  if (is_another) readings_.clear();
  while (readings_.size() > 1 && reading.time - readings_.front().time > kWindow) {
    readings_.pop_front();
  }
  readings_.push_back(std::move(reading));
}

double ServerView::rate(const char* name) const {
  if (readings_.size() < 2) return 0;
  const ServerReading& before = readings_[readings_.size() - 2];
  const double seconds = std::chrono::duration<double>(readings_.back().time - before.time).count();
  const double counted = now().sum(name) - before.metrics.sum(name);
  return seconds > 0 && counted > 0 ? counted / seconds : 0;
}

std::string ServerView::requests_line() const {
  const double limited = ended_with(now(), "429");
  return row("requests",
             fmt::format("{:.0f} now, {:.0f} ended: {:.0f} rate-limited, {:.0f} refused, {:.0f} "
                         "failed, {:.0f} left",
                         now().sum("minim_requests_active"), now().sum("minim_requests_total"),
                         limited, ended_with(now(), "4") - limited, ended_with(now(), "5"),
                         now().sum("minim_requests_left_total")));
}

std::string ServerView::tokens_line() const {
  return row("tokens/s",
             fmt::format("{:.1f} of prompts, {:.1f} of answers; in all {} and {}",
                         rate("minim_prompt_tokens_total"), rate("minim_generated_tokens_total"),
                         format_count(now().sum("minim_prompt_tokens_total")),
                         format_count(now().sum("minim_generated_tokens_total"))));
}

std::string ServerView::quantile_line(const char* title, const char* name) const {
  const MetricsText nothing;
  const auto text = [&](const MetricsText& before, const char* since) -> std::string {
    const auto half = histogram_quantile(before, now(), name, 0.5);
    const auto most = histogram_quantile(before, now(), name, 0.95);
    if (!half || !most) return {};
    return fmt::format("p50 {}, p95 {} ({})", milliseconds(*half), milliseconds(*most), since);
  };
  std::string told = text(readings_.front().metrics, "the last minute");
  if (told.empty()) told = text(nothing, "since it was started");
  return row(title, told.empty() ? "none yet" : told);
}

std::string ServerView::cache_line() const {
  return row(
      "cache",
      fmt::format(
          "{:.0f} of {:.0f} blocks; {:.0f} of {:.0f} prompts began like an earlier "
          "one, {:.0f} % of their tokens were known",
          now().sum("minim_cache_blocks_used"), now().sum("minim_cache_blocks_max"),
          now().sum("minim_prefix_hits_total"), now().sum("minim_prefix_lookups_total"),
          share(now().sum("minim_cached_tokens_total"), now().sum("minim_prompt_tokens_total"))));
}

std::string ServerView::energy_line() const {
  const std::string total = "minim_energy_joules_total";
  const auto sources = now().values(total, "source");
  if (sources.empty()) return row("energy", "none yet");
  const bool estimated = std::find(sources.begin(), sources.end(), "estimate") != sources.end();
  const double tokens = now().sum("minim_prompt_tokens_total") -
                        now().sum("minim_cached_tokens_total") +
                        now().sum("minim_generated_tokens_total");
  const double joules = now().sum(total);
  return row("energy", fmt::format("{:.1f} J for texts that ended, {:.3f} J a token{}", joules,
                                   tokens > 0 ? joules / tokens : 0,
                                   estimated ? ", estimated" : ", measured"));
}

void ServerView::add_models(std::vector<std::string>& lines) const {
  const char* title = "models";
  for (const Metric* model : now().all("minim_weight_bytes")) {
    const auto label = model->labels.find("model");
    if (label == model->labels.end()) continue;
    const auto of_it = [&](const char* name) { return now().sum(name, "model", label->second); };
    lines.push_back(
        row(title, fmt::format("{}: {} of weights, {:.0f} texts generated, {:.0f} wait",
                               terminal_text(label->second), format_bytes(model->value),
                               of_it("minim_jobs_running"), of_it("minim_jobs_waiting"))));
    title = "";
  }
  if (*title != '\0') lines.push_back(row(title, "none is loaded"));
}

std::vector<std::string> ServerView::lines() const {
  const double started = now().sum("process_start_time_seconds");
  const auto versions = now().values("minim_build_info", "version");
  std::vector<std::string> lines;
  lines.push_back(fmt::format(
      "minim {} at {}, started {} ago", versions.empty() ? "" : terminal_text(versions.front()),
      address_, format_duration(std::max(0.0, static_cast<double>(std::time(nullptr)) - started))));
  lines.push_back(requests_line());
  lines.push_back(
      row("texts", fmt::format("{:.0f} generated, {:.0f} wait", now().sum("minim_jobs_running"),
                               now().sum("minim_jobs_waiting"))));
  lines.push_back(tokens_line());
  lines.push_back(quantile_line("first token", "minim_first_token_seconds"));
  lines.push_back(quantile_line("token gap", "minim_token_gap_seconds"));
  lines.push_back(cache_line());
  lines.push_back(
      row("memory", fmt::format("{} in all, {} of weights",
                                format_bytes(now().sum("process_resident_memory_bytes")),
                                format_bytes(now().sum("minim_weight_bytes")))));
  lines.push_back(energy_line());
  add_models(lines);
  if (const double dropped = now().sum("minim_trace_spans_dropped_total"); dropped > 0) {
    lines.push_back(row("traces", fmt::format("{:.0f} spans were dropped", dropped)));
  }
  return lines;
}

}  // namespace minim::cli
