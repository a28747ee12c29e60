#include "cli/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/nearest_name.h"
#include "cli/public_api.h"
#include "cli/version.h"

namespace minim::cli {
namespace {

constexpr const char* kFooter =
    "Try it:\n"
    "  minim run model.gguf \"Once upon a time\"     generate text\n"
    "  minim inspect model.gguf                    what is in the file\n"
    "  minim quantize model.gguf small.gguf --type q4_k\n"
    "  minim COMMAND --help                        every option of a command\n\n"
    "MODEL is a GGUF file, a Hugging Face folder (config.json and safetensors) or a llama2.c "
    "checkpoint.\n\n"
    "Exit codes: 0 done, 2 wrong usage, 3 not found, 4 read or write failed, 5 damaged file,\n"
    "6 not supported, 7 limit reached, 130 stopped by Ctrl-C, 1 anything else.";

// The first statuses of the public API are the library's codes.
int exit_code(v1::Status status) {
  return status == v1::Status::kOutOfMemory ? kExitFailure
                                            : cli::exit_code(static_cast<ErrorCode>(status));
}

int report_unknown_command(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command& command : commands()) names.push_back(command.name);
  fmt::print(stderr, "minim: there is no command '{}'", word);
  if (const auto nearest = nearest_name(word, names)) {
    fmt::print(stderr, "; did you mean '{}'?", *nearest);
  }
  fmt::print(stderr, "\nminim --help lists the commands.\n");
  return kExitUsage;
}

// CLI11 answers --help and --version by exceptions too; it prints those itself.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::string name = "minim";
  for (const CLI::App* sub : app.get_subcommands()) name += " " + sub->get_name();
  fmt::print(stderr, "{}: {}\n{} --help shows the options.\n", name, error.what(), name);
  return kExitUsage;
}

int run_checked(int argc, const char* const* argv) {
  CLI::App app(
      "minim makes compact language models, measures them and runs them, on this machine.");
  app.name("minim");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer(kFooter);
  app.get_formatter()->column_width(34);
  // Options only where they may be needed: most of the start of a small program is their making.
  const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
  std::vector<Action> actions;
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->fallthrough(false);
    const bool named = std::find(words.begin(), words.end(), command.name) != words.end();
    actions.push_back(named ? command.add(*sub) : Action());
  }
  if (argc < 2) {
    fmt::print("{}", app.help());
    return kExitUsage;
  }
  const std::string_view first = argv[1];
  const auto known = [&](const Command& command) { return first == command.name; };
  const auto all = commands();
  if (!first.starts_with("-") && std::none_of(all.begin(), all.end(), known)) {
    return report_unknown_command(first);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error);
  }
  for (size_t i = 0; i < actions.size(); ++i) {
    if (app.got_subcommand(all[i].name)) return actions[i]();
  }
  return kExitUsage;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  try {
    return run_checked(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "minim: {}\n", error.what());
    return exit_code(error.code());
  } catch (const v1::Error& error) {
    fmt::print(stderr, "minim: {}\n", error.what());
    return exit_code(error.status());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "minim: out of memory\n");
    return kExitFailure;
  } catch (const std::exception& error) {
    fmt::print(stderr, "minim: internal error: {}\n", error.what());
    return kExitFailure;
  }
}

}  // namespace minim::cli
