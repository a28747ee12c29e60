// An option that takes one of a few names.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace minim::cli {

// `description` is followed by the names. What is none of them is refused with all of them.
template <typename Value>
CLI::Option* add_choice_option(CLI::App& app, const std::string& flag, Value& value,
                               const std::string& description,
                               const std::vector<std::pair<std::string, Value>>& choices) {
  std::string names;
  for (const auto& choice : choices) names += (names.empty() ? "" : ", ") + choice.first;
  const auto assign = [&value, flag, names, choices](const std::string& name) {
    for (const auto& choice : choices) {
      if (choice.first != name) continue;
      value = choice.second;
      return;
    }
    throw CLI::ValidationError(flag, "'" + name + "' is none of " + names);
  };
  return app.add_option_function<std::string>(flag, assign, description + "; one of " + names)
      ->type_name("NAME");
}

}  // namespace minim::cli
