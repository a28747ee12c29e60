#include "cli/power_report.h"

#include <fmt/core.h>

#include "formats/byte_reader.h"

namespace minim::cli {
namespace {

void print_line(const char* label, const std::string& text) {
  fmt::print("  {:<13} {}\n", label, printable(text, 500));
}

std::string battery_text(const Battery& battery) {
  std::string text = fmt::format("{} {:.0f} %, {}", battery.name, battery.percent,
                                 battery.discharging ? "discharging" : "not discharging");
  if (battery.watts) text += fmt::format(", {:.1f} W", *battery.watts);
  return text;
}

std::string energy_text(const PowerReport& report) {
  switch (report.energy_source) {
    case EnergySource::kCounters: return "measured, by the processor's counters (RAPL)";
    case EnergySource::kBattery: return "measured, by what the battery gives";
    case EnergySource::kEstimate: break;
  }
  return fmt::format("estimated, at {:.0f} W a busy core: {}", EnergyOptions().watts_per_core,
                     report.energy_reason);
}

void print_load(const ProcessorLoad& load) {
  if (load.frequency_hz && load.frequency_hz_max) {
    print_line("frequency", fmt::format("{:.2f} of {:.2f} GHz allowed", *load.frequency_hz * 1e-9,
                                        *load.frequency_hz_max * 1e-9));
  }
  if (load.quota) print_line("quota", fmt::format("{:.2f} processors", *load.quota));
  if (load.average) print_line("load", fmt::format("{:.2f} over a minute", *load.average));
  if (load.pressure_percent) {
    print_line("pressure", fmt::format("tasks wait for processors {:.0f} % of the time",
                                       *load.pressure_percent));
  }
}

OrderedJson number_json(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

}  // namespace

PowerReport examine_power(const Engine& engine, const GovernorOptions& options, const Path& root) {
  PowerReport report;
  ThreadPool& threads = engine.context().threads;
  report.threads = threads.thread_count();
  const auto keep = [&](const GovernorEvent& event) {
    if (event.kind == GovernorEvent::Kind::kPace) {
      report.change = event.text;
    } else {
      report.warnings.push_back(event.text);
    }
  };
  Governor governor(threads, options, keep, {.root = root});
  governor.update();
  report.sensors = governor.sensors();
  report.pace = governor.pace();
  report.reason = governor.reason();
  EnergyMeter meter({.root = root});
  report.energy_source = meter.source();
  report.energy_reason = meter.reason();
  return report;
}

void print_power(const PowerReport& report) {
  fmt::print("\npower\n");
  const Sensors& sensors = report.sensors;
  for (const TemperatureSensor& sensor : sensors.temperatures) {
    print_line("temperature", fmt::format("{:.1f} C, {}{}", sensor.celsius, sensor.name,
                                          sensor.passive_celsius
                                              ? fmt::format(", the system slows down at {:.1f} C",
                                                            *sensor.passive_celsius)
                                              : ""));
  }
  if (sensors.temperatures.empty()) print_line("temperature", "no sensor that can be read");
  for (const Battery& battery : sensors.supply.batteries) {
    print_line("battery", battery_text(battery));
  }
  if (sensors.supply.batteries.empty()) print_line("battery", "none");
  if (sensors.supply.mains) {
    print_line("charger", *sensors.supply.mains ? "plugged in" : "not plugged in");
  }
  print_load(sensors.load);
  print_line("energy", energy_text(report));
  print_line("governor", report.change.empty() ? fmt::format("{} of {}: nothing asks for less",
                                                             pace_text(report.pace), report.threads)
                                               : report.change);
}

OrderedJson power_json(const PowerReport& report) {
  const Sensors& sensors = report.sensors;
  OrderedJson temperatures = OrderedJson::array();
  for (const TemperatureSensor& sensor : sensors.temperatures) {
    temperatures.push_back({{"name", sensor.name},
                            {"celsius", sensor.celsius},
                            {"passive_celsius", number_json(sensor.passive_celsius)}});
  }
  OrderedJson batteries = OrderedJson::array();
  for (const Battery& battery : sensors.supply.batteries) {
    batteries.push_back({{"name", battery.name},
                         {"percent", battery.percent},
                         {"discharging", battery.discharging},
                         {"watts", number_json(battery.watts)}});
  }
  const ProcessorLoad& load = sensors.load;
  OrderedJson json = {{"temperatures", temperatures}, {"batteries", batteries}};
  json["charger"] =
      sensors.supply.mains ? OrderedJson(*sensors.supply.mains) : OrderedJson(nullptr);
  json["frequency_hz"] = number_json(load.frequency_hz);
  json["frequency_hz_max"] = number_json(load.frequency_hz_max);
  json["quota_processors"] = number_json(load.quota);
  json["load_average"] = number_json(load.average);
  json["pressure_percent"] = number_json(load.pressure_percent);
  json["energy_source"] = energy_source_name(report.energy_source);
  json["energy_measured"] = is_measured(report.energy_source);
  json["energy_reason"] = report.energy_reason;
  json["governor"] = {{"threads", report.pace.threads},
                      {"duty", report.pace.duty},
                      {"reason", governor_reason_name(report.reason)},
                      {"change", report.change}};
  return json;
}

}  // namespace minim::cli
