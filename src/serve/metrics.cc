#include "serve/metrics.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/process_memory.h"
#include "serve/call.h"
#include "serve/telemetry/trace_exporter.h"

namespace minim::serve {
namespace {

// A label's value: backslashes, quotes and line breaks are escaped.
std::string label(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

void write_head(std::string& out, const char* name, const char* type, const char* help) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void write_one(std::string& out, const char* name, const char* type, const char* help,
               double value) {
  write_head(out, name, type, help);
  out += fmt::format("{} {}\n", name, value);
}

void write_models(std::string& out, const ModelRegistry& models) {
  const struct {
    const char* name;
    const char* type;
    const char* help;
    double (*value)(const ModelListing&, const SchedulerStatistics&);
  } rows[] = {
      {"minim_jobs_running", "gauge", "Texts that are computed.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.jobs_running); }},
      {"minim_jobs_waiting", "gauge", "Texts that wait for their turn.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.jobs_waiting); }},
      {"minim_cache_blocks_used", "gauge", "Blocks of keys and values that are held.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.blocks_used); }},
      {"minim_cache_blocks_max", "gauge", "Blocks of keys and values that there may be.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.blocks_max); }},
      {"minim_prefix_blocks", "gauge", "Of the blocks that are held, those of the prefix cache.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.prefixes.blocks); }},
      {"minim_prefix_lookups_total", "counter", "Prompts that were looked up in the prefix cache.",
       [](const ModelListing&, const SchedulerStatistics& s) {
         return double(s.prefixes.lookups);
       }},
      {"minim_prefix_hits_total", "counter", "Prompts whose beginning was found.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.prefixes.hits); }},
      {"minim_batches_total", "counter", "Forward passes.",
       [](const ModelListing&, const SchedulerStatistics& s) { return double(s.steps); }},
      {"minim_compute_seconds_total", "counter", "Seconds spent in forward passes.",
       [](const ModelListing&, const SchedulerStatistics& s) { return s.compute_seconds; }},
      {"minim_weight_bytes", "gauge", "Memory of the weights.",
       [](const ModelListing& m, const SchedulerStatistics&) {
         return double(m.loaded->model().weight_bytes());
       }},
  };
  const auto listings = models.list();
  for (const auto& row : rows) {
    write_head(out, row.name, row.type, row.help);
    for (const ModelListing& listing : listings) {
      if (listing.loaded == nullptr || !listing.adapter.empty()) continue;
      out += fmt::format("{}{{model=\"{}\"}} {}\n", row.name, label(listing.source.id),
                         row.value(listing, listing.loaded->scheduler().statistics()));
    }
  }
}

}  // namespace

void Metrics::Histogram::add(double seconds) {
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  ++counts_[bucket];
  sum_ += seconds;
}

void Metrics::Histogram::write(std::string& out, const char* name, const char* help) const {
  write_head(out, name, "histogram", help);
  int64_t count = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    count += counts_[i];
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], count);
  }
  count += counts_.back();
  out += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name, count, name,
                     sum_, name, count);
}

void Metrics::add_request(const std::string& route, const HttpOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, outcome.status}];
  if (!outcome.complete) ++left_;
  request_seconds_.add(outcome.seconds);
}

void Metrics::add_text(const GenerationStatistics& statistics) {
  const std::lock_guard lock(mutex_);
  prompt_tokens_ += statistics.prompt_tokens;
  cached_tokens_ += statistics.reused_tokens;
  generated_tokens_ += statistics.generated_tokens;
  if (statistics.energy) joules_[statistics.energy->source] += statistics.energy->joules;
  if (statistics.generated_tokens == 0) return;  // broken off before there was any
  const auto tokens = static_cast<double>(statistics.generated_tokens);
  first_token_seconds_.add(statistics.first_token_seconds());
  each_token_seconds_.add(statistics.decode_seconds / tokens);
}

void Metrics::add_gap(double seconds) {
  const std::lock_guard lock(mutex_);
  gap_seconds_.add(seconds);
}

std::string Metrics::text(const ServerParts& parts) const {
  std::string out;
  write_head(out, "minim_build_info", "gauge", "The version of the program.");
  out += fmt::format("minim_build_info{{version=\"{}\"}} 1\n", MINIM_VERSION);
  write_one(out, "process_start_time_seconds", "gauge", "Seconds since 1970.", started_);
  {
    const std::lock_guard lock(mutex_);
    write_head(out, "minim_requests_total", "counter", "Requests that ended, by route and status.");
    for (const auto& [key, count] : requests_) {
      out += fmt::format("minim_requests_total{{route=\"{}\",status=\"{}\"}} {}\n",
                         label(key.first), key.second, count);
    }
    write_one(out, "minim_requests_left_total", "counter",
              "Requests whose clients left before the response was whole.", double(left_));
    write_one(out, "minim_prompt_tokens_total", "counter", "Tokens of prompts.",
              double(prompt_tokens_));
    write_one(out, "minim_cached_tokens_total", "counter",
              "Of them, those that the prefix cache knew.", double(cached_tokens_));
    write_one(out, "minim_generated_tokens_total", "counter", "Tokens that were generated.",
              double(generated_tokens_));
    request_seconds_.write(out, "minim_request_seconds", "From a request to its response's end.");
    first_token_seconds_.write(out, "minim_first_token_seconds",
                               "From a request to its first token.");
    each_token_seconds_.write(out, "minim_token_seconds",
                              "Between two tokens of a text, on average.");
    gap_seconds_.write(out, "minim_token_gap_seconds",
                       "Between two tokens of a text, as they were told.");
    write_energy(out);
  }
  write_server(out, parts);
  return out;
}

void Metrics::write_energy(std::string& out) const {
  if (joules_.empty()) return;
  write_head(out, "minim_energy_joules_total", "counter",
             "Energy of texts that ended, by its source.");
  for (const auto& [source, joules] : joules_) {
    out += fmt::format("minim_energy_joules_total{{source=\"{}\"}} {}\n",
                       energy_source_name(source), joules);
  }
}

void Metrics::write_server(std::string& out, const ServerParts& parts) {
  const HttpServerCounts http = parts.http_counts();
  write_one(out, "minim_connections", "gauge", "Connections that are open.",
            double(http.connections));
  write_one(out, "minim_connections_total", "counter", "Connections so far.",
            double(http.accepted));
  write_one(out, "minim_connections_refused_total", "counter",
            "Connections that were closed for being too many.", double(http.refused));
  write_one(out, "minim_requests_active", "gauge", "Requests that are answered.",
            double(http.exchanges));
  write_one(out, "minim_texts_active", "gauge", "Texts that are generated or wait for it.",
            double(parts.admission.texts()));
  if (const auto bytes = resident_bytes()) {
    write_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.", double(*bytes));
  }
  if (parts.traces != nullptr) {
    const TraceCounts counts = parts.traces->counts();
    write_one(out, "minim_trace_spans_sent_total", "counter", "Spans that the collector took.",
              double(counts.sent));
    write_one(out, "minim_trace_spans_dropped_total", "counter", "Spans that it did not take.",
              double(counts.dropped));
  }
  write_models(out, parts.models);
}

}  // namespace minim::serve
