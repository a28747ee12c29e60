// bench_speculate: how much sooner answers come with guesses than without.
//
// The weights are random, and each answer is held to the one that is kept with its prompt, by a
// grammar that leaves no choice but without fast-forward: every token still needs its logits, and
// guesses are as right as they would be with a model that answers so. In the rows "by schema" keys
// and punctuation are forced, as a schema forces them, and fast-forwarded beside the guesses;
// values are chosen, by biases that leave only the right ones.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "bench/speculate/texts.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/vocabulary.h"
#include "kernels/registry.h"
#include "model/presets.h"
#include "model/random_model.h"
#include "runtime/scheduler.h"
#include "tests/support/test_data.h"
#include "text/schema/constraint_factory.h"
#include "text/tokenizer_test_support.h"

namespace minim::bench {
namespace {

struct Options {
  bool tiny = false;
  std::vector<std::string> models = {"bench-135m", "nano-tiny"};
  std::string type = "q4_0";
  int rounds = 5;
  int threads = 2;
};

struct Engine {
  const Context& context;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<DraftModel> useless;  // a draft that is always wrong
};

// A real vocabulary cuts texts as real models read them.
std::shared_ptr<const Tokenizer> open_tokenizer() {
  const Path path = testing::data_path("conformance/gguf_vocab/ggml-vocab-llama-spm.gguf");
  if (path.empty()) return Tokenizer::make(testing::byte_bpe_vocabulary());
  return Tokenizer::make(read_vocabulary(open_gguf(path)->metadata()));
}

std::shared_ptr<const Model> make_model(const Context& context, const std::string& preset,
                                        DataType type, int32_t vocabulary, uint64_t seed) {
  const testing::TemporaryFolder folder;
  const Path path = folder.path() / "random.gguf";
  ModelConfig config = preset_config(preset);
  config.vocabulary_size = vocabulary;
  config.context_length = 2048;
  write_random_model(context, config, path, {.type = type, .seed = seed});
  return Model::load(context, open_model_file(path), {.context_length = 2048});
}

// Any token may be chosen that goes on with the answer, and the longest is.
std::vector<LogitBias> value_biases(const Tokenizer& tokenizer) {
  std::vector<LogitBias> biases;
  for (TokenId token = 0; token < tokenizer.size(); ++token) {
    const std::string text = tokenizer.decode({&token, 1});
    const bool strays = text.find(kStray) != std::string::npos;
    biases.push_back({token, strays ? -1e6f : 100.0f * static_cast<float>(text.size())});
  }
  return biases;
}

// How an answer is come by.
struct Way {
  bool by_schema = false;
  bool fast_forward = false;
  SpeculationOptions speculation = {};
};

GenerationStatistics answer(const Engine& engine, const AnsweredPrompt& prompt, const Way& way,
                            bool tiny) {
  Scheduler scheduler(engine.context, engine.model, engine.tokenizer,
                      {.sequences_max = 1, .prefix_bytes_max = 0});
  JobRequest request;
  request.tokens = engine.tokenizer->encode(prompt.prompt);
  GeneratorOptions& options = request.options.generator;
  options.sampler.temperature = 0;
  options.fast_forward = way.fast_forward;
  if (way.by_schema) options.sampler.biases = value_biases(*engine.tokenizer);
  if (tiny) options.tokens_max = 12;
  ConstraintFactory factory(engine.tokenizer);
  options.constraint = std::make_shared<Constraint>(factory.make(
      {ConstraintKind::kGbnf,
       "root ::= " + (way.by_schema ? json_grammar(prompt.answer) : literal(prompt.answer)),
       JsonSpacing::kSpaced}));
  request.speculation = way.speculation;
  Job job = scheduler.submit(std::move(request));
  std::string text;
  while (scheduler.step()) {
    while (const auto event = job.next(std::chrono::milliseconds(0))) {
      if (event->kind == GenerationEvent::Kind::kError) {
        throw Error(event->error_code, event->message);
      }
      text += event->text;
    }
  }
  if (!tiny && text != prompt.answer) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("speculate: '{}' was answered with {}", prompt.name, text));
  }
  return job.statistics();
}

DataType data_type(const std::string& name) {
  if (const DataTypeInfo* info = find_data_type(name)) return info->type;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("speculate: no type '{}'", name));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double token_rate(const GenerationStatistics& s) {
  return static_cast<double>(s.generated_tokens) / s.decode_seconds;
}

// What guesses win of one prompt, over the rounds.
double run_prompt(const Engine& engine, const std::string& name, const AnsweredPrompt& prompt,
                  bool by_schema, const Options& options) {
  std::vector<double> plain, guessed, ratio, draft_ratio;
  GenerationStatistics last;
  const auto say = [&](const Way& way) { return answer(engine, prompt, way, options.tiny); };
  for (int round = 0; round < options.rounds; ++round) {
    plain.push_back(token_rate(say({by_schema})));
    last = say({by_schema, by_schema, {.prompt_lookup = true}});
    guessed.push_back(token_rate(last));
    ratio.push_back(guessed.back() / plain.back());
    const double drafted = token_rate(say({by_schema, false, {.draft = engine.useless}}));
    draft_ratio.push_back(drafted / plain.back());
  }
  fmt::print("| {} | {}{} | {} | {} | {:.1f} | {:.1f} | {:.2f} | {} | {} of {} | {:.2f} |\n", name,
             prompt.kind, by_schema ? " by schema" : "", prompt.name, last.generated_tokens,
             median(plain), median(guessed), median(ratio), last.forced_tokens, last.right_tokens,
             last.guessed_tokens, median(draft_ratio));
  std::fflush(stdout);
  return median(ratio);
}

void run_model(const Engine& engine, const std::string& name, const Options& options) {
  std::map<std::string, std::vector<double>> kinds;
  for (const AnsweredPrompt& prompt : answered_prompts()) {
    const std::string kind = prompt.kind;
    kinds[kind].push_back(run_prompt(engine, name, prompt, false, options));
    if (kind != "extraction") continue;
    kinds[kind + " by schema"].push_back(run_prompt(engine, name, prompt, true, options));
  }
  for (const auto& [kind, ratios] : kinds) {
    double logs = 0;
    for (const double ratio : ratios) logs += std::log(ratio);
    fmt::print("| {} | {} | all | | | | {:.2f} | | | |\n", name, kind,
               std::exp(logs / static_cast<double>(ratios.size())));
  }
}

void run(const Options& options) {
  ThreadPool threads(options.threads);
  const Context context{threads, kernels::select_kernel_table_from_environment(), {}};
  const auto tokenizer = open_tokenizer();
  const auto vocabulary = static_cast<int32_t>(tokenizer->size());
  const auto small = make_model(context, "bench-15m", DataType::kQ8_0, vocabulary, 2);
  fmt::print(
      "| model | kind | prompt | tokens | plain, tokens/s | guessing, tokens/s | ratio | forced | "
      "guesses right | wrong draft, ratio |\n|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n");
  for (const std::string& name : options.models) {
    const Engine engine{context, make_model(context, name, data_type(options.type), vocabulary, 1),
                        tokenizer,
                        std::make_shared<DraftModel>(context, small, *tokenizer, *tokenizer)};
    run_model(engine, name + " " + options.type, options);
  }
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  minim::bench::Options options;
  CLI::App app("How much sooner answers come with guesses than without.");
  app.add_flag("--tiny", options.tiny, "one short run: shows that it works");
  app.add_option("--models", options.models, "presets: minim init --help lists them")
      ->delimiter(',');
  app.add_option("--type", options.type, "of the weights");
  app.add_option("--rounds", options.rounds, "of each, in turns")->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "of the model")->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  if (options.tiny) {
    options.rounds = 1;
    options.models = {"bench-15m"};
  }
  try {
    minim::bench::run(options);
  } catch (const minim::Error& error) {
    fmt::print(stderr, "speculate: {}\n", error.what());
    return 1;
  }
  return 0;
}
