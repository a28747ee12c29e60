#include "cli/governor_options.h"

#include <fmt/core.h>

#include <string>
#include <variant>

namespace minim::cli {

void add_governor_options(CLI::App& app, GovernorOptions& options) {
  for (const GovernorOptionRow& row : governor_option_rows()) {
    const std::string flag = std::string("--") + row.name;
    CLI::Option* option = nullptr;
    if (const auto* number = std::get_if<double GovernorOptions::*>(&row.field)) {
      option = app.add_option(flag, options.**number, row.help)->capture_default_str();
    } else if (const auto* on = std::get_if<bool GovernorOptions::*>(&row.field)) {
      option = app.add_flag(flag, options.**on, row.help);
    }
    option->group("Heat, power and load");
  }
}

GovernorSink governor_sink() {
  return [](const GovernorEvent& event) {
    const bool warning = event.kind == GovernorEvent::Kind::kWarning;
    fmt::print(stderr, "minim: {}{}\n", warning ? "warning: " : "", event.text);
  };
}

}  // namespace minim::cli
