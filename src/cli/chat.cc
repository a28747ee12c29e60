// `minim chat`: a conversation with a model.
#include <fmt/core.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "cli/chat/chat.h"
#include "cli/chat/chat_signals.h"
#include "cli/choice_option.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/model_catalog.h"
#include "cli/public_model.h"
#include "cli/sampling_options.h"
#include "cli/structured_options.h"

namespace minim::cli {
namespace {

struct Options {
  PublicModelOptions model;
  SamplingOptions sampling;
  StructuredOptions structured;
  ChatOptions chat;
  bool no_history = false;
};

// What the command line gave, by name, as text.
std::map<std::string, std::string> given_values(const SamplingOptions& options) {
  std::map<std::string, std::string> given = options.values;
  for (const auto& [name, texts] : options.lists) {
    std::string& value = given[name];
    for (const std::string& text : texts) value += (value.empty() ? "" : ", ") + text;
  }
  const auto add = [&given](const char* name, const auto& values) {
    for (const auto& one : values) {
      std::string& value = given[name];
      value += fmt::format("{}{}", value.empty() ? "" : ", ", one);
    }
  };
  add("stop", options.stop_strings);
  add("stop-token", options.stop_tokens);
  add("ban-token", options.banned_tokens);
  add("logit-bias", options.biases);
  return given;
}

int chat(Options options) {
  v1::Sampling sampling = make_sampling(options.sampling);
  ChatSignals signals;
  options.model.go_on = [&] { return !signals.take_interrupt() && !signals.ending(); };
  if (options.model.model.path.empty()) options.model.model.path = default_model();
  PublicModel opened(options.model);
  const Structure structure(opened.model(), options.structured);
  options.chat.session.constraint = structure.constraint();
  options.chat.model_path = options.model.model.path;
  options.chat.history = !options.no_history;
  options.chat.screen.quiet = options.model.engine.quiet;
  Chat conversation(opened.model(), {std::move(sampling), given_values(options.sampling)}, signals,
                    options.chat);
  conversation.run();
  return kExitOk;
}

void add_chat_options(CLI::App& app, Options& options) {
  app.add_option("MESSAGE", options.chat.message, "The first message");
  app.add_option("--system", options.chat.system, "System message");
  app.add_option("--load", options.chat.load, "Go on with a chat that /save wrote");
  app.add_option("-n,--tokens", options.chat.tokens_max,
                 "Tokens of an answer at most; -1: no limit")
      ->capture_default_str();
  add_choice_option(app, "--overflow", options.chat.session.overflow,
                    "When the context is full: forget the oldest exchanges, cut the answer, or "
                    "refuse it (default: shift)",
                    {{"shift", v1::Overflow::kShift},
                     {"stop", v1::Overflow::kStop},
                     {"error", v1::Overflow::kError}});
  app.add_flag("--generic-template", options.chat.session.generic_template,
               "For models without a chat template: lines that begin with User: and Assistant:");
  add_adapter_options(app, options.chat.session.adapters);
  app.add_flag("--governor", options.model.governor,
               "Watch temperature, battery and load, and slow down where they ask for it");
  app.add_flag("--plain", options.chat.screen.plain, "No colours, Markdown as it is written");
  app.add_flag("--no-history", options.no_history, "Neither read nor keep what is typed");
}

}  // namespace

Action add_chat(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_public_model_options(app, options->model)->required(false);
  add_chat_options(app, *options);
  add_constraint_options(app, options->structured);
  add_sampling_options(app, options->sampling);
  app.footer(
      "In the chat, /help lists the commands. What is typed is kept in\n"
      "$XDG_STATE_HOME/minim/history, for the arrow keys and Ctrl-R.\n\n"
      "Examples:\n"
      "  minim chat model.gguf --system \"Answer in one sentence.\"\n"
      "  minim chat model.gguf --schema mood.json\n"
      "  printf 'Why is the sky blue?\\n/stats\\n' | minim chat model.gguf");
  return [options] { return chat(*options); };
}

}  // namespace minim::cli
