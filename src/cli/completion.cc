// `minim completion`: shell completion scripts, made from the same tables as --help.
#include <fmt/core.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace minim::cli {
namespace {

// The long options of a command, with their help texts.
struct OptionHelp {
  std::string name;
  std::string text;
};

void collect_options(const CLI::App& app, std::vector<OptionHelp>& options) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      options.push_back({"--" + name, option->get_description()});
    }
  }
  // `minim tokenizer train` and its like: the options of what follows the command.
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    collect_options(*sub, options);
  }
}

std::vector<OptionHelp> options_of(const Command& command) {
  CLI::App app;
  command.add(app);
  std::vector<OptionHelp> options;
  collect_options(app, options);
  return options;
}

std::string bash_script() {
  std::string commands;
  std::string cases;
  for (const Command& command : minim::cli::commands()) {
    commands += fmt::format("{} ", command.name);
    std::string words;
    for (const OptionHelp& option : options_of(command)) {
      words += option.name + " ";
    }
    cases += fmt::format("    {}) options=\"{}\" ;;\n", command.name, words);
  }
  return fmt::format(R"sh(# bash completion for minim: eval "$(minim completion bash)"
_minim() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" options=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{}--help --version" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{}  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _minim minim
)sh",
                     commands, cases);
}

// Inside single quotes, and with what _arguments and _describe give a meaning taken out.
std::string zsh_text(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else if (c == '[' || c == ']' || c == ':') {
      quoted += std::string("\\") + c;
    } else {
      quoted += c;
    }
  }
  return quoted;
}

std::string zsh_script() {
  std::string commands;
  std::string cases;
  for (const Command& command : minim::cli::commands()) {
    commands += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.summary));
    cases += fmt::format("    {}) _arguments", command.name);
    for (const OptionHelp& option : options_of(command)) {
      cases += fmt::format(" \\\n      '{}[{}]'", option.name, zsh_text(option.text));
    }
    cases += " '*:file:_files' ;;\n";
  }
  return fmt::format(R"sh(#compdef minim
# zsh completion for minim: eval "$(minim completion zsh)"
_minim() {{
  local -a commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
compdef _minim minim
)sh",
                     commands, cases);
}

std::string fish_text(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

std::string fish_script() {
  std::string script = "# fish completion for minim: minim completion fish | source\n";
  for (const Command& command : minim::cli::commands()) {
    script += fmt::format("complete -c minim -n __fish_use_subcommand -f -a {} -d '{}'\n",
                          command.name, fish_text(command.summary));
    for (const OptionHelp& option : options_of(command)) {
      script += fmt::format("complete -c minim -n '__fish_seen_subcommand_from {}' -l {} -d '{}'\n",
                            command.name, option.name.substr(2), fish_text(option.text));
    }
  }
  return script;
}

}  // namespace

Action add_completion(CLI::App& app) {
  app.footer("Example:\n  eval \"$(minim completion bash)\"");
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell] {
    const std::string script = *shell == "bash"  ? bash_script()
                               : *shell == "zsh" ? zsh_script()
                                                 : fish_script();
    fmt::print("{}", script);
    return 0;
  };
}

}  // namespace minim::cli
