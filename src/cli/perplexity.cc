// `minim perplexity`: how well a model predicts a text, and what a compressed copy lost.
#include "eval/perplexity.h"

#include <fmt/core.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "eval/streaming.h"

namespace minim::cli {
namespace {

struct Options {
  ModelOptions model;
  EngineOptions engine;
  std::string text;
  DataType cache_type = DataType::kF16;
  std::string save_base;
  std::string compare_base;
  int64_t context_tokens = 512;
  int64_t window_count_max = 0;
  bool stream = false;
  ShiftOptions shift;
  bool json = false;
};

OrderedJson to_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"standard_error", estimate.standard_error}};
}

OrderedJson to_json(const PerplexityResult& result, double bits_per_byte) {
  OrderedJson document = {{"perplexity", result.perplexity},
                          {"standard_error", result.standard_error},
                          {"nats_per_token", result.nats_per_token},
                          {"bits_per_byte", bits_per_byte},
                          {"tokens", result.token_count},
                          {"windows", result.window_count}};
  if (!result.divergence) return document;
  const Divergence& divergence = *result.divergence;
  document["divergence"] = {{"base_perplexity", divergence.base_perplexity},
                            {"log_ratio", to_json(divergence.log_ratio)},
                            {"kld", to_json(divergence.kld)},
                            {"kld_median", divergence.kld_median},
                            {"kld_p99_9", divergence.kld_p99_9},
                            {"kld_max", divergence.kld_max},
                            {"same_top", to_json(divergence.same_top)},
                            {"probability_rms", divergence.probability_rms}};
  return document;
}

void print(const PerplexityResult& result, double bits_per_byte, double seconds) {
  fmt::print("perplexity     {:.4f} +- {:.4f}\n", result.perplexity, result.standard_error);
  fmt::print("loss           {:.5f} nats a token, about {:.4f} bits a byte\n",
             result.nats_per_token, bits_per_byte);
  fmt::print("scored         {} tokens in {} windows, {:.0f} tokens/s\n", result.token_count,
             result.window_count, 2.0 * static_cast<double>(result.token_count) / seconds);
  if (!result.divergence) return;
  const Divergence& divergence = *result.divergence;
  const double ratio = std::exp(divergence.log_ratio.value);
  fmt::print("base           {:.4f}; ratio {:.5f} +- {:.5f}\n", divergence.base_perplexity, ratio,
             ratio * divergence.log_ratio.standard_error);
  fmt::print("KLD            {:.6f} +- {:.6f} nats; median {:.6f}, 99.9 % {:.6f}, max {:.6f}\n",
             divergence.kld.value, divergence.kld.standard_error, divergence.kld_median,
             divergence.kld_p99_9, divergence.kld_max);
  fmt::print("same top       {:.3f} +- {:.3f} %\n", 100 * divergence.same_top.value,
             100 * divergence.same_top.standard_error);
  fmt::print("probability    {:.3f} % root mean square change\n", 100 * divergence.probability_rms);
}

void print(const StreamingResult& result, double seconds) {
  const double ratio = std::exp(result.log_ratio.value);
  fmt::print("shifted        {:.4f}\n", result.shifted_perplexity);
  fmt::print("read again     {:.4f}; ratio {:.5f} +- {:.5f}\n", result.reread_perplexity, ratio,
             ratio * result.log_ratio.standard_error);
  fmt::print("scored         {} tokens after {} shifts, {:.0f} tokens/s\n", result.token_count,
             result.shift_count, 2.0 * static_cast<double>(result.token_count) / seconds);
}

OrderedJson to_json(const StreamingResult& result) {
  return {{"shifted_perplexity", result.shifted_perplexity},
          {"reread_perplexity", result.reread_perplexity},
          {"log_ratio", to_json(result.log_ratio)},
          {"tokens", result.token_count},
          {"shifts", result.shift_count}};
}

int stream(const Options& options) {
  if (!options.save_base.empty() || !options.compare_base.empty() || options.window_count_max > 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "perplexity: --stream has no windows and compares with nothing stored; leave out "
                "--windows, --save-base and --compare-base");
  }
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  const auto file = open_model(options.model);
  const auto tokens = open_tokenizer(*file)->encode(read_text(options.text));
  const auto model = load_model(engine, file, options.context_tokens);
  const auto start = std::chrono::steady_clock::now();
  StreamingResult result;
  {
    ProgressDisplay display(options.engine.quiet);
    result = measure_streaming(engine.context(), model, tokens,
                               {.context_tokens = options.context_tokens,
                                .kv_type = options.cache_type,
                                .shift = options.shift},
                               display.sink());
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (options.json) {
    fmt::print("{}\n", to_json(result).dump(2));
  } else {
    print(result, elapsed.count());
  }
  return kExitOk;
}

int perplexity(const Options& options) {
  if (options.stream) return stream(options);
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  const auto file = open_model(options.model);
  const auto tokenizer = open_tokenizer(*file);
  const std::string text = read_text(options.text);
  const auto tokens = tokenizer->encode(text);
  const auto model = load_model(engine, file, options.context_tokens);
  const auto start = std::chrono::steady_clock::now();
  PerplexityResult result;
  {
    ProgressDisplay display(options.engine.quiet);
    result = measure_perplexity(engine.context(), model, *tokenizer, tokens,
                                {.context_tokens = options.context_tokens,
                                 .window_count_max = options.window_count_max,
                                 .kv_type = options.cache_type,
                                 .save_base = options.save_base,
                                 .compare_base = options.compare_base},
                                display.sink());
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double bytes_per_token =
      static_cast<double>(text.size()) / static_cast<double>(tokens.size());
  const double bits_per_byte = result.nats_per_token / std::log(2.0) / bytes_per_token;
  if (options.json) {
    fmt::print("{}\n", to_json(result, bits_per_byte).dump(2));
  } else {
    print(result, bits_per_byte, elapsed.count());
  }
  return kExitOk;
}

}  // namespace

Action add_perplexity(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("TEXT", options->text, "Text file; - is standard input")->required();
  app.add_option("-c,--context", options->context_tokens,
                 "Tokens in a window; the second half of each is scored")
      ->capture_default_str();
  app.add_option("--windows", options->window_count_max, "Windows at most; 0: the whole text")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--save-base", options->save_base,
                 "Store every prediction, to compare others with");
  app.add_option("--compare-base", options->compare_base, "Compare with predictions stored before");
  app.add_flag("--stream", options->stream,
               "Read the text in one go, shifting the context, beside reading again what stays");
  app.add_option("--sinks", options->shift.sinks, "First tokens that a shift keeps")
      ->capture_default_str();
  app.add_option("--drop", options->shift.drop_share, "Share of the others that a shift drops")
      ->capture_default_str();
  add_cache_type_option(app, options->cache_type);
  app.add_flag("--json", options->json, "Print JSON");
  add_precision_option(app, options->engine);
  add_engine_options(app, options->engine);
  app.footer(
      "What did 4 bits cost?\n"
      "  minim perplexity model.gguf test.txt --save-base base.lp\n"
      "  minim quantize model.gguf small.gguf --type q4_k\n"
      "  minim perplexity small.gguf test.txt --compare-base base.lp\n"
      "What does going on past the context cost?\n"
      "  minim perplexity model.gguf test.txt --stream --context 2048");
  return [options] { return perplexity(*options); };
}

}  // namespace minim::cli
