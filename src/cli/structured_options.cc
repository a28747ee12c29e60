#include "cli/structured_options.h"

#include "cli/engine.h"

namespace minim::cli {
namespace {

constexpr const char* kGroup = "What is said";

}  // namespace

void add_constraint_options(CLI::App& app, StructuredOptions& options) {
  CLI::Option* const schema = app.add_option("--schema", options.schema_file,
                                             "JSON that is valid by the JSON schema of a file");
  CLI::Option* const regex = app.add_option("--regex", options.regex,
                                            "Text that matches this regular expression as a whole");
  CLI::Option* const grammar =
      app.add_option("--grammar", options.grammar_file, "Text by the GBNF grammar of a file");
  schema->type_name("FILE")->group(kGroup)->excludes(regex)->excludes(grammar);
  regex->type_name("REGEX")->group(kGroup)->excludes(grammar);
  grammar->type_name("FILE")->group(kGroup);
}

void add_structured_options(CLI::App& app, StructuredOptions& options) {
  add_constraint_options(app, options);
  CLI::Option* const tools =
      app.add_option("--tools", options.tools_file,
                     "Tools that the model may call: a file with a JSON array as for OpenAI's API; "
                     "each call is printed as a line of JSON");
  CLI::Option* const choice =
      app.add_option("--tool-choice", options.tool_choice,
                     "auto, none, required, or the name of the tool to call")
          ->capture_default_str();
  CLI::Option* const notation = app.add_option(
      "--tool-notation", options.tool_notation,
      "How calls are written: hermes, llama, mistral, mistral-args, phi, gemma or qwen-xml "
      "(default: as the model's family does)");
  CLI::Option* const single =
      app.add_flag("--single-call", options.single_call, "At most one call of a tool");
  tools->type_name("FILE")->group(kGroup);
  for (const char* other : {"--schema", "--regex", "--grammar"}) {
    tools->excludes(app.get_option(other));
  }
  choice->type_name("CHOICE");
  notation->type_name("NAME");
  for (CLI::Option* option : {choice, notation, single}) option->needs(tools)->group(kGroup);
}

Structure::Structure(const v1::Model& model, const StructuredOptions& options) {
  if (!options.schema_file.empty()) {
    constraint_ = v1::Constraint::json_schema(model, read_text(options.schema_file));
  } else if (options.regex) {
    constraint_ = v1::Constraint::regex(model, *options.regex);
  } else if (!options.grammar_file.empty()) {
    constraint_ = v1::Constraint::grammar(model, read_text(options.grammar_file));
  }
  if (options.tools_file.empty()) return;
  v1::ToolOptions tools = {.notation = options.tool_notation, .single = options.single_call};
  if (options.tool_choice == "none") {
    tools.choice = v1::ToolChoice::kNone;
  } else if (options.tool_choice != "auto") {
    tools.choice = v1::ToolChoice::kRequired;
    if (options.tool_choice != "required") tools.name = options.tool_choice;
  }
  const std::string json = read_text(options.tools_file);
  tools_.emplace(model, json, tools);
  if (tools.choice != v1::ToolChoice::kNone) chat_.tools = json;
  chat_.tool_notation = options.tool_notation;
}

}  // namespace minim::cli
