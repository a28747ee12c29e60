// `minim tokenizer train`: learns a vocabulary from texts.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "formats/vocabulary_file.h"
#include "text/bpe_trainer.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "train/data/file_list.h"
#include "train/data/source_texts.h"

namespace minim::cli {
namespace {

struct Options {
  EngineOptions engine;
  std::vector<std::string> files;
  std::string output;
  BpeTrainerOptions trainer;
  train::SourceOptions source;
  std::string chat_template;
  double megabytes_max = 0;
  bool skip_bad = false;
  bool no_bos = false;
  bool force = false;
};

void warn(const std::string& text) { fmt::print(stderr, "minim: warning: {}\n", text); }

void print_report(const Options& options, const Vocabulary& vocabulary,
                  const BpeTrainerReport& report) {
  if (!report.complete) {
    warn(fmt::format("the text has no more pairs that occur {} times: {} tokens instead of {}",
                     options.trainer.frequency_min, vocabulary.tokens.size(),
                     options.trainer.vocabulary_size));
  }
  if (report.words_forgotten > 0) {
    warn(fmt::format("{} occurrences of rare words did not count; --words-max {} was too few",
                     report.words_forgotten, options.trainer.words_max));
  }
  if (options.engine.quiet) return;
  fmt::print(stderr,
             "wrote {}: {} tokens, learned from {} ({} documents, {} different words); the last "
             "pair occurs {} times\n",
             options.output, vocabulary.tokens.size(),
             format_bytes(static_cast<double>(report.text_bytes)), report.text_count,
             format_count(static_cast<double>(report.distinct_words)), report.last_frequency);
}

int train_tokenizer(Options options) {
  refuse_overwrite(options.output, options.force);
  options.source.name = "text";
  options.source.files = train::find_files(options.files, {});
  if (options.skip_bad) options.source.bad_documents = train::BadDocuments::kSkip;
  if (!options.chat_template.empty()) {
    options.trainer.chat_template = read_text(options.chat_template);
  }
  auto& special = options.trainer.special_tokens;
  if (options.no_bos) options.trainer.bos.clear();
  options.trainer.add_bos = !options.trainer.bos.empty();
  for (const std::string& name :
       {options.trainer.bos, options.trainer.eos, options.trainer.eot, options.trainer.padding}) {
    const bool listed = std::find(special.begin(), special.end(), name) != special.end();
    if (!name.empty() && !listed) special.push_back(name);
  }
  const Engine engine(options.engine);
  const InterruptGuard interrupt;
  const auto bytes_max =
      options.megabytes_max > 0 ? static_cast<uint64_t>(options.megabytes_max * 1e6) : UINT64_MAX;
  train::SourceTexts texts(options.source, {.bytes_max = bytes_max});
  BpeTrainerReport report;
  Vocabulary vocabulary;
  {
    ProgressDisplay display(options.engine.quiet);
    options.trainer.progress = display.sink();
    vocabulary = train_byte_bpe(
        engine.context().threads, [&](std::string& text) { return texts.next(text); },
        options.trainer, &report);
  }
  for (const std::string& line : train::describe_skipped(texts.report())) warn(line);
  Tokenizer::make(vocabulary);  // what is written can be used
  save_vocabulary(vocabulary, options.output);
  print_report(options, vocabulary, report);
  return kExitOk;
}

template <typename Value>
void add_choice(CLI::App& app, const char* flag, Value& value, const char* help,
                const std::map<std::string, Value>& values) {
  app.add_option(flag, value, help)->transform(CLI::CheckedTransformer(values));
}

void add_text_options(CLI::App& app, Options& options) {
  using train::DocumentFormat;
  using train::TextSplit;
  app.add_option("TEXT", options.files,
                 "Files or patterns; plain, .gz, .xz, .zst, or .tar of any of these")
      ->required();
  add_choice<DocumentFormat>(app, "--format", options.source.reader.format,
                             "What the files hold (default: text)",
                             {{"text", DocumentFormat::kText},
                              {"jsonl", DocumentFormat::kJsonl},
                              {"chat", DocumentFormat::kChat}});
  add_choice<TextSplit>(app, "--split", options.source.reader.split,
                        "Where text is cut into documents (default: separator)",
                        {{"separator", TextSplit::kSeparator},
                         {"blank_line", TextSplit::kBlankLine},
                         {"line", TextSplit::kLine},
                         {"file", TextSplit::kFile}});
  app.add_option("--separator", options.source.reader.separator, "Text between documents")
      ->capture_default_str()
      ->check([](const std::string& text) {
        return text.empty() ? std::string("it is empty; take --split file") : std::string();
      });
  app.add_option("--field", options.source.encoder.fields,
                 "jsonl: fields that make the text (default: text)");
  app.add_flag("--skip-bad", options.skip_bad,
               "Leave documents out that are binary or not UTF-8, and say how many");
  app.add_option("--megabytes-max", options.megabytes_max, "Learn from the first megabytes only")
      ->check(CLI::PositiveNumber);
}

Action add_learn(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text_options(app, *options);
  BpeTrainerOptions& trainer = options->trainer;
  trainer.bos = "<|endoftext|>";
  app.add_option("-o,--out", options->output, "GGUF file to write, or tokenizer.json")->required();
  app.add_option("-n,--size", trainer.vocabulary_size, "Tokens, special ones included")
      ->capture_default_str();
  app.add_option("--pre", trainer.pre_tokenizer, "How text is cut into words, by its GGUF name")
      ->capture_default_str();
  app.add_option("--normalization", trainer.normalization, "nfc, nfd, nfkc or nfkd");
  app.add_option("--frequency-min", trainer.frequency_min, "Pairs that are rarer are not merged")
      ->capture_default_str();
  app.add_option("--special", trainer.special_tokens,
                 "Control tokens, which get the first ids (default: <|endoftext|>)");
  app.add_option("--bos", trainer.bos, "Token that begins a text")->capture_default_str();
  app.add_option("--eos", trainer.eos, "Token that ends a text")->capture_default_str();
  app.add_option("--eot", trainer.eot, "Token that ends a turn");
  app.add_option("--padding", trainer.padding, "Token that fills up");
  app.add_flag("--no-bos", options->no_bos, "Texts begin with no token");
  app.add_option("--chat-template", options->chat_template, "File with a chat template");
  app.add_option("--words-max", trainer.words_max, "Different words kept in memory")
      ->capture_default_str();
  app.add_flag("--force", options->force, "Replace the output if it exists");
  add_engine_options(app, options->engine);
  app.footer("Example:\n  minim tokenizer train 'books/*.txt.xz' --size 8192 --out tokenizer.gguf");
  return [options] { return train_tokenizer(*options); };
}

}  // namespace

Action add_tokenizer(CLI::App& app) {
  app.require_subcommand(1);
  CLI::App* sub = app.add_subcommand("train", "Learn a byte-level BPE vocabulary from texts");
  const Action action = add_learn(*sub);
  return action;
}

}  // namespace minim::cli
