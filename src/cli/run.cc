// `minim run`: text from a model.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/adapter_options.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/model_catalog.h"
#include "cli/public_model.h"
#include "cli/sampling_options.h"
#include "cli/speculation_options.h"
#include "cli/structured_options.h"
#include "cli/terminal.h"
#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr int kPollMilliseconds = 50;  // how soon Ctrl-C is seen

struct Options {
  PublicModelOptions model;
  std::string prompt;
  std::string file;
  std::string system;
  std::string save;
  std::string load;
  int64_t tokens_max = 256;
  v1::Overflow overflow = v1::Overflow::kStop;
  SamplingOptions sampling;
  StructuredOptions structured;
  AdapterOptions adapters;
  SpeculationOptions speculation;
  bool raw = false;
  bool no_echo = false;
  bool json = false;

  bool quiet() const { return model.engine.quiet; }
};

std::string prompt_text(const Options& options) {
  if (!options.prompt.empty() && !options.file.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "run: give a PROMPT or a --file, not both");
  }
  if (!options.file.empty()) return read_text(options.file);
  if (!options.prompt.empty()) return options.prompt;
  if (::isatty(STDIN_FILENO) == 0) return read_text("-");
  return {};
}

struct Prompt {
  std::string text;
  bool templated = false;
};

// The conversation as the model's own template writes it.
Prompt give_conversation(const v1::Model& model, v1::Session& session, const Options& options,
                         const std::string& text, const v1::ChatOptions& chat) {
  OrderedJson messages = OrderedJson::array();
  if (!options.system.empty()) {
    messages.push_back({{"role", "system"}, {"content", options.system}});
  }
  messages.push_back({{"role", "user"}, {"content", text}});
  const std::string json = messages.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  session.chat_json(json, chat);
  return {model.chat_text(json, chat), true};
}

Prompt give_prompt(const v1::Model& model, v1::Session& session, const Options& options,
                   const std::string& text, const Structure& structure) {
  const v1::ModelInfo info = model.info();
  const bool loaded = !options.load.empty();
  if (!options.raw && !loaded && info.has_chat_template != 0) {
    return give_conversation(model, session, options, text, structure.chat());
  }
  if (structure.tools() != nullptr) {
    throw Error(ErrorCode::kInvalidArgument,
                loaded ? "run: --tools begin a conversation, and --load goes on with one"
                       : "run: --tools need a model with a chat template, and no --raw");
  }
  if (!options.system.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                loaded ? "run: --system begins a conversation, and --load goes on with one"
                       : "run: --system needs a model with a chat template, and no --raw");
  }
  session.append(text, {.add_special = !loaded});
  // An empty prompt still needs something to continue.
  if (session.length() == 0 && info.bos_token >= 0) session.append({&info.bos_token, 1});
  if (session.length() == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "run: this model has no token to begin with; give a prompt");
  }
  return {text, false};
}

void write_now(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// What came out, and how it went.
struct Outcome {
  std::string text;
  std::vector<int32_t> tokens;
  v1::DoneReason reason = v1::DoneReason::kNone;
  std::string stop_string;
  bool complete = false;
  OrderedJson calls = OrderedJson::array();
  OrderedJson logprobs = OrderedJson::array();
};

OrderedJson logprob_json(const v1::Model& model, const v1::TokenLogprob& token) {
  const std::string bytes = model.token_bytes(token.token);
  OrderedJson values = OrderedJson::array();
  for (const unsigned char c : bytes) values.push_back(c);
  return {{"token", token.token},
          {"text", replace_invalid_utf8(bytes)},
          {"bytes", values},
          {"logprob", token.logprob}};
}

OrderedJson logprobs_json(const v1::Model& model, const v1::Event& event) {
  OrderedJson entry = logprob_json(model, {event.token, event.logprob});
  entry["top"] = OrderedJson::array();
  for (const v1::TokenLogprob& top : event.top) entry["top"].push_back(logprob_json(model, top));
  return entry;
}

bool wants_logprobs(const Options& options) {
  const auto given = options.sampling.values.find("logprobs");
  return given != options.sampling.values.end() && given->second != "-1";
}

// What is neither text nor a token.
void show_notice(const v1::Event& event, const Options& options) {
  if (options.quiet()) return;
  switch (event.type) {
    case v1::EventType::kContextOverflow:
      fmt::print(stderr, "\n[the context was full: {} tokens after the first {} were dropped]\n",
                 event.total, event.done);
      break;
    case v1::EventType::kThermal: fmt::print(stderr, "\n[{}]\n", event.detail); break;
    case v1::EventType::kBackendFallback:
      if (options.model.engine.verbose) fmt::print(stderr, "minim: {}\n", event.detail);
      break;
    default: break;
  }
}

void take_event(const v1::Model& model, const v1::Event& event, const Options& options,
                Outcome& outcome) {
  if (!options.json) write_now(event.text);
  outcome.text += event.text;
  if (event.type == v1::EventType::kDone) {
    outcome.reason = event.reason;
    outcome.stop_string = event.detail;
    outcome.complete = event.complete;
  } else if (event.type == v1::EventType::kToolCall) {
    outcome.calls.push_back(OrderedJson::parse(event.detail));
    if (!options.json) write_now(std::string(event.detail) + "\n");
  } else if (event.type == v1::EventType::kToken) {
    outcome.tokens.push_back(event.token);
    if (wants_logprobs(options)) outcome.logprobs.push_back(logprobs_json(model, event));
  } else {
    show_notice(event, options);
  }
}

// Generates to the end, or until Ctrl-C; writes the text as it comes unless it becomes JSON.
Outcome generate(const v1::Model& model, v1::Session& session, const v1::Sampling& sampling,
                 const Options& options, const Prompt& prompt, const Structure& structure) {
  const Speculation speculation(model, options.speculation);
  Outcome outcome;
  ProgressDisplay display(options.quiet() || options.json);
  const ProgressSink show = display.sink();
  // What is by a schema is for programs, and the prompt no part of it.
  bool echoes =
      !options.json && !prompt.templated && !options.no_echo && !options.structured.given();
  v1::Generation generation = session.generate(sampling, {.tokens_max = options.tokens_max,
                                                          .constraint = structure.constraint(),
                                                          .tools = structure.tools(),
                                                          .draft = speculation.draft(),
                                                          .lookup = speculation.lookup()});
  while (outcome.reason == v1::DoneReason::kNone) {
    const v1::Event& event = generation.next(kPollMilliseconds);
    if (InterruptGuard::interrupted()) session.cancel();
    if (event.type == v1::EventType::kNone) continue;
    if (event.type == v1::EventType::kProgress) {
      show({.stage = "reading",
            .done = static_cast<uint64_t>(event.done),
            .total = static_cast<uint64_t>(event.total),
            .unit = "tokens"});
      continue;
    }
    if (std::exchange(echoes, false)) write_now(prompt.text);
    take_event(model, event, options, outcome);
  }
  return outcome;
}

double rate(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

const char* energy_source_text(int32_t source) {
  switch (source) {
    case MINIM_ENERGY_RAPL: return "rapl";
    case MINIM_ENERGY_BATTERY: return "battery";
    case MINIM_ENERGY_ESTIMATED: return "estimate";
    default: return "none";
  }
}

void print_statistics(const v1::SessionStatistics& statistics, const v1::Model& model,
                      bool templated, v1::DoneReason reason) {
  const double decode_rate = rate(statistics.decode_steps, statistics.decode_seconds);
  std::string more;
  if (statistics.forced_tokens > 0) more = fmt::format(", {} forced", statistics.forced_tokens);
  more += guesses_text(statistics);
  if (statistics.generated_tokens > 0) {
    more += fmt::format(", first after {:.2f} s", statistics.first_token_seconds);
    if (statistics.energy_source != MINIM_ENERGY_NONE) {
      const int64_t tokens = statistics.prompt_tokens + statistics.generated_tokens;
      more += fmt::format(", {:.3g} J/token ({})", statistics.joules / static_cast<double>(tokens),
                          energy_source_text(statistics.energy_source));
    }
  }
  fmt::print(stderr,
             "\n[{}{} prompt tokens in {:.2f} s ({:.1f}/s) | {} generated, {:.1f} tokens/s, {:.2f} "
             "GB/s of weights{} | stopped: {}]\n",
             templated ? "chat template (--raw: none) | " : "", statistics.prompt_tokens,
             statistics.prompt_seconds, rate(statistics.prompt_tokens, statistics.prompt_seconds),
             statistics.generated_tokens, decode_rate,
             rate(statistics.decode_passes, statistics.decode_seconds) *
                 static_cast<double>(model.info().weight_bytes) * 1e-9,
             more, minim_done_reason_name(static_cast<int32_t>(reason)));
}

OrderedJson statistics_json(const v1::SessionStatistics& statistics) {
  OrderedJson json = {
      {"prompt_tokens", statistics.prompt_tokens},
      {"generated_tokens", statistics.generated_tokens},
      {"prompt_seconds", statistics.prompt_seconds},
      {"first_token_seconds", statistics.first_token_seconds},
      {"decode_seconds", statistics.decode_seconds},
      {"prompt_tokens_per_second", rate(statistics.prompt_tokens, statistics.prompt_seconds)},
      {"decode_tokens_per_second", rate(statistics.decode_steps, statistics.decode_seconds)}};
  if (statistics.mask_seconds > 0) {
    json["forced_tokens"] = statistics.forced_tokens;
    json["mask_seconds"] = statistics.mask_seconds;
  }
  if (statistics.guessed_tokens > 0) {
    json["guessed_tokens"] = statistics.guessed_tokens;
    json["right_tokens"] = statistics.right_tokens;
    json["draft_seconds"] = statistics.draft_seconds;
    json["speculation_gain"] = speculation_gain(statistics);
  }
  if (statistics.energy_source != MINIM_ENERGY_NONE) {
    json["joules"] = statistics.joules;
    json["energy_source"] = energy_source_text(statistics.energy_source);
  }
  return json;
}

void print_json(const Prompt& prompt, const Outcome& outcome, const Options& options,
                const v1::SessionStatistics& statistics) {
  OrderedJson document = {
      {"prompt", prompt.text},
      {"text", outcome.text},
      {"tokens", outcome.tokens},
      {"stop_reason", minim_done_reason_name(static_cast<int32_t>(outcome.reason))}};
  if (!outcome.stop_string.empty()) document["stop_string"] = outcome.stop_string;
  if (options.structured.given()) document["complete"] = outcome.complete;
  if (!options.structured.tools_file.empty()) document["tool_calls"] = outcome.calls;
  if (!outcome.logprobs.empty()) document["logprobs"] = outcome.logprobs;
  document["seed"] = std::stoull(options.sampling.values.at("seed"));
  document["statistics"] = statistics_json(statistics);
  fmt::print("{}\n", document.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

int run(Options options) {
  const InterruptGuard interrupt;
  const v1::Sampling sampling = make_sampling(options.sampling);
  if (wants_logprobs(options) && !options.json) {
    throw Error(ErrorCode::kInvalidArgument, "run: --logprobs are part of --json; give both");
  }
  const std::string text = prompt_text(options);
  options.model.sessions_max = 1;
  if (options.model.model.path.empty()) options.model.model.path = default_model();
  PublicModel opened(options.model);
  const v1::Model& model = opened.model();
  v1::Session session(model, {.overflow = options.overflow});
  Adapters(model, options.adapters).give(session);
  if (!options.load.empty()) session.load(options.load);
  const Structure structure(model, options.structured);
  const Prompt prompt = give_prompt(model, session, options, text, structure);
  const Outcome outcome = generate(model, session, sampling, options, prompt, structure);
  if (options.json) {
    print_json(prompt, outcome, options, session.statistics());
  } else {
    write_now("\n");
    if (!options.quiet()) {
      print_statistics(session.statistics(), model, prompt.templated, outcome.reason);
    }
  }
  if (!options.save.empty()) session.save(options.save);
  if (outcome.reason == v1::DoneReason::kCancelled) return exit_code(ErrorCode::kCancelled);
  if (!options.structured.given() || outcome.complete) return kExitOk;
  fmt::print(stderr, "minim: the text ended before it was whole ({}); allow more --tokens\n",
             minim_done_reason_name(static_cast<int32_t>(outcome.reason)));
  return exit_code(ErrorCode::kLimit);
}

void add_session_options(CLI::App& app, Options& options) {
  const std::map<std::string, v1::Overflow> policies = {{"stop", v1::Overflow::kStop},
                                                        {"error", v1::Overflow::kError},
                                                        {"shift", v1::Overflow::kShift}};
  app.add_option("--overflow", options.overflow,
                 "When the context is full: stop, fail with an error, or drop old tokens and go "
                 "on: stop, error or shift (default: stop)")
      ->transform(CLI::Transformer(policies).description(""))
      ->type_name("POLICY");
  app.add_option("--save", options.save, "Save the session in the end, for --load");
  app.add_option("--load", options.load,
                 "Go on with a saved session; the prompt is put after it as it is");
}

}  // namespace

Action add_run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_public_model_options(app, options->model)->required(false);
  app.add_option("PROMPT", options->prompt, "The prompt (default: --file, or standard input)");
  app.add_option("-f,--file", options->file, "Read the prompt from a file; - is standard input");
  app.add_option("--system", options->system, "System message, for models with a chat template");
  app.add_flag("--raw", options->raw, "Continue the prompt as it is, without a chat template");
  app.add_option("-n,--tokens", options->tokens_max, "Tokens to generate at most; -1: no limit")
      ->capture_default_str();
  add_session_options(app, *options);
  app.add_flag("--governor", options->model.governor,
               "Watch temperature, battery and load, and slow down where they ask for it");
  app.add_flag("--no-echo", options->no_echo, "Print the generated text only");
  app.add_flag("--json", options->json, "Print one JSON object at the end");
  add_structured_options(app, options->structured);
  add_adapter_options(app, options->adapters);
  add_speculation_options(app, options->speculation);
  add_sampling_options(app, options->sampling);
  app.footer(
      "Examples:\n"
      "  minim run model.gguf \"Once upon a time\"\n"
      "  minim run chat.gguf \"Why is the sky blue?\" --system \"Answer in one sentence.\"\n"
      "  git diff | minim run model.gguf -f - --temperature 0 -n 100\n"
      "  minim run model.gguf \"Dear\" --dry-multiplier 0.8 --stop \"\\n\\n\"\n"
      "  minim run chat.gguf -f mail.txt --schema person.json | jq .name");
  return [options] { return run(*options); };
}

}  // namespace minim::cli
