// `minim run`: text from a model.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/sampling_options.h"
#include "cli/terminal.h"
#include "runtime/text_generator.h"
#include "text/chat_prompt.h"
#include "text/utf8.h"

namespace minim::cli {
namespace {

// A model may be able to hold far more than a prompt and an answer need.
constexpr int64_t kContextDefault = 4096;

struct Options {
  ModelOptions model;
  EngineOptions engine;
  std::string prompt;
  std::string file;
  std::string system;
  DataType cache_type = DataType::kF16;
  int64_t tokens_max = 256;
  int64_t context_tokens = 0;
  int64_t batch_tokens = 512;
  SamplingOptions sampling;
  bool raw = false;
  bool no_echo = false;
  bool json = false;
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
  std::vector<TokenId> tokens;
  bool templated = false;
};

// The conversation as the model's own template writes it.
Prompt chat_prompt(std::shared_ptr<const Tokenizer> tokenizer, const std::string& system,
                   const std::string& prompt) {
  OrderedJson messages = OrderedJson::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  const OrderedJson variables = {{"messages", messages}, {"add_generation_prompt", true}};
  const ChatPrompt chat(std::move(tokenizer));
  const int64_t now = std::time(nullptr);
  return {chat.render(variables, now), chat.encode(variables, now), true};
}

Prompt make_prompt(std::shared_ptr<const Tokenizer> tokenizer, const Options& options) {
  const std::string text = prompt_text(options);
  const Vocabulary& vocabulary = tokenizer->vocabulary();
  if (!options.raw && !vocabulary.chat_template.empty()) {
    return chat_prompt(tokenizer, options.system, text);
  }
  if (!options.system.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "run: --system needs a model with a chat template, and no --raw");
  }
  Prompt prompt = {text, tokenizer->encode(text), false};
  // An empty prompt still needs something to continue.
  if (prompt.tokens.empty() && vocabulary.bos) prompt.tokens.push_back(*vocabulary.bos);
  if (prompt.tokens.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "run: this model has no token to begin with; give a prompt");
  }
  return prompt;
}

double rate(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void print_statistics(const GenerationStatistics& statistics, const Model& model, bool templated,
                      const char* reason) {
  const double decode_rate = rate(statistics.decode_steps, statistics.decode_seconds);
  fmt::print(stderr,
             "\n[{}{} prompt tokens in {:.2f} s ({:.1f}/s) | {} generated, {:.1f} tokens/s, {:.2f} "
             "GB/s of weights | stopped: {}]\n",
             templated ? "chat template (--raw: none) | " : "", statistics.prompt_tokens,
             statistics.prompt_seconds, rate(statistics.prompt_tokens, statistics.prompt_seconds),
             statistics.generated_tokens, decode_rate,
             decode_rate * static_cast<double>(model.weight_bytes()) * 1e-9, reason);
}

void write_now(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// What came out, and how it went.
struct Outcome {
  std::string text;
  std::vector<TokenId> tokens;
  StopReason reason = StopReason::kRunning;
  std::string stop_string;
  OrderedJson logprobs = OrderedJson::array();
};

OrderedJson logprob_json(const Tokenizer& tokenizer, const TokenLogprob& token) {
  const std::string bytes = tokenizer.token_bytes(token.token);
  OrderedJson values = OrderedJson::array();
  for (const unsigned char c : bytes) values.push_back(c);
  return {{"token", token.token},
          {"text", replace_invalid_utf8(bytes)},
          {"bytes", values},
          {"logprob", token.logprob}};
}

// Generates to the end, or until Ctrl-C; writes the text as it comes unless it becomes JSON.
Outcome generate(TextGenerator& generator, const Tokenizer& tokenizer, const Options& options) {
  Outcome outcome;
  while (const auto event = generator.next()) {
    if (!options.json) write_now(event->text);
    outcome.text += event->text;
    if (event->kind == GenerationEvent::Kind::kDone) {
      outcome.reason = event->reason;
      outcome.stop_string = event->stop_string;
      break;
    }
    outcome.tokens.push_back(event->token);
    if (options.sampling.sampler.logprobs >= 0) {
      OrderedJson entry = logprob_json(tokenizer, {event->token, event->logprob});
      entry["top"] = OrderedJson::array();
      for (const TokenLogprob& top : event->top_logprobs) {
        entry["top"].push_back(logprob_json(tokenizer, top));
      }
      outcome.logprobs.push_back(std::move(entry));
    }
    if (InterruptGuard::interrupted()) generator.cancel();
  }
  return outcome;
}

void print_json(const Prompt& prompt, const Outcome& outcome, const Options& options,
                const GenerationStatistics& statistics) {
  OrderedJson document = {{"prompt", prompt.text},
                          {"text", outcome.text},
                          {"tokens", outcome.tokens},
                          {"stop_reason", stop_reason_name(outcome.reason)}};
  if (!outcome.stop_string.empty()) document["stop_string"] = outcome.stop_string;
  if (!outcome.logprobs.empty()) document["logprobs"] = outcome.logprobs;
  document["seed"] = options.sampling.sampler.seed;
  document["statistics"] = {
      {"prompt_tokens", statistics.prompt_tokens},
      {"generated_tokens", statistics.generated_tokens},
      {"prompt_seconds", statistics.prompt_seconds},
      {"decode_seconds", statistics.decode_seconds},
      {"prompt_tokens_per_second", rate(statistics.prompt_tokens, statistics.prompt_seconds)},
      {"decode_tokens_per_second", rate(statistics.decode_steps, statistics.decode_seconds)}};
  fmt::print("{}\n", document.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

// What the command line alone does not say, and what contradicts itself.
void finish_options(const ModelFile& file, Options& options) {
  finish_sampling_options(options.sampling);
  if (options.sampling.sampler.logprobs >= 0 && !options.json) {
    throw Error(ErrorCode::kInvalidArgument, "run: --logprobs are part of --json; give both");
  }
  if (options.context_tokens == 0) {
    options.context_tokens = std::min(kContextDefault, read_model_config(file).context_length);
  }
}

int run(Options options) {
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  const auto file = open_model(options.model);
  const auto tokenizer = open_tokenizer(*file);
  finish_options(*file, options);
  const Prompt prompt = make_prompt(tokenizer, options);
  const auto model = load_model(engine, file, options.context_tokens);
  Session session(engine.context(), model,
                  {.context_tokens = options.context_tokens,
                   .batch_tokens = options.batch_tokens,
                   .kv_type = options.cache_type});
  TextGenerator generator(session, tokenizer,
                          {.generator = {.sampler = options.sampling.sampler,
                                         .tokens_max = options.tokens_max,
                                         .stop_tokens = options.sampling.stop_tokens},
                           .stop_strings = options.sampling.stop_strings});
  {
    ProgressDisplay display(options.engine.quiet || options.json);
    generator.start(prompt.tokens, display.sink());
  }
  if (!options.json && !prompt.templated && !options.no_echo) write_now(prompt.text);
  const Outcome outcome = generate(generator, *tokenizer, options);
  if (options.json) {
    print_json(prompt, outcome, options, generator.statistics());
  } else {
    write_now("\n");
    if (!options.engine.quiet) {
      print_statistics(generator.statistics(), *model, prompt.templated,
                       stop_reason_name(outcome.reason));
    }
  }
  return outcome.reason == StopReason::kCancelled ? exit_code(ErrorCode::kCancelled) : kExitOk;
}

}  // namespace

Action add_run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("PROMPT", options->prompt, "The prompt (default: --file, or standard input)");
  app.add_option("-f,--file", options->file, "Read the prompt from a file; - is standard input");
  app.add_option("--system", options->system, "System message, for models with a chat template");
  app.add_flag("--raw", options->raw, "Continue the prompt as it is, without a chat template");
  app.add_option("-n,--tokens", options->tokens_max, "Tokens to generate at most; -1: no limit")
      ->capture_default_str();
  app.add_option("-c,--context", options->context_tokens,
                 "Tokens that fit in all (default: the model's, at most 4096)")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", options->batch_tokens, "Prompt tokens computed at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_cache_type_option(app, options->cache_type);
  app.add_flag("--no-echo", options->no_echo, "Print the generated text only");
  app.add_flag("--json", options->json, "Print one JSON object at the end");
  add_precision_option(app, options->engine);
  add_engine_options(app, options->engine);
  add_sampling_options(app, options->sampling);
  app.footer(
      "Examples:\n"
      "  minim run model.gguf \"Once upon a time\"\n"
      "  minim run chat.gguf \"Why is the sky blue?\" --system \"Answer in one sentence.\"\n"
      "  git diff | minim run model.gguf -f - --temperature 0 -n 100\n"
      "  minim run model.gguf \"Dear\" --dry-multiplier 0.8 --stop \"\\n\\n\"");
  return [options] { return run(*options); };
}

}  // namespace minim::cli
