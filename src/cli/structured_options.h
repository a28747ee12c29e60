// What a text may be, as the command line says it: --schema, --regex, --grammar, --tools.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "cli/public_api.h"

namespace minim::cli {

struct StructuredOptions {
  std::string schema_file;
  std::optional<std::string> regex;
  std::string grammar_file;
  std::string tools_file;
  std::string tool_choice = "auto";  // or none, required, the name of a tool
  std::string tool_notation;         // empty: the model's
  bool single_call = false;

  bool given() const {
    return !schema_file.empty() || regex || !grammar_file.empty() || !tools_file.empty();
  }
};
// --schema, --regex and --grammar, of which one may be given.
void add_constraint_options(CLI::App& app, StructuredOptions& options);
// These, and those of tools, in place of them.
void add_structured_options(CLI::App& app, StructuredOptions& options);

// What they ask for, read and compiled.
class Structure {
 public:
  Structure(const v1::Model& model, const StructuredOptions& options);

  const v1::Constraint* constraint() const { return constraint_ ? &*constraint_ : nullptr; }
  const v1::Tools* tools() const { return tools_ ? &*tools_ : nullptr; }
  // What a conversation is written with.
  const v1::ChatOptions& chat() const { return chat_; }

 private:
  std::optional<v1::Constraint> constraint_;
  std::optional<v1::Tools> tools_;
  v1::ChatOptions chat_;
};

}  // namespace minim::cli
