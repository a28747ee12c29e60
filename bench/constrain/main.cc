// bench_constrain: compile time and mask time of constraints by class, and what generation loses.
// Published figures to compare with: a mask in 47 us on average and 460 us at p99, compiled in 1.6
// ms (llguidance); 8 us at p50 and 4.9 ms at p99 (XGrammar); 14.5 ms (llama.cpp).
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <numeric>

#include "base/error.h"
#include "bench/constrain/cases.h"
#include "bench/constrain/generation.h"
#include "formats/gguf/gguf_reader.h"
#include "formats/vocabulary.h"
#include "kernels/registry.h"
#include "model/presets.h"
#include "model/random_model.h"
#include "tests/support/test_data.h"
#include "text/tokenizer_test_support.h"

namespace minim::bench {
namespace {

struct Options {
  bool tiny = false;
  std::string vocabulary;  // a GGUF file; empty: the 32k one of the data folder
  std::string model;       // to generate with; empty: random weights of the 135M shape
  int rounds = 5;
  int threads = 0;
};

// Processor time of this thread: what else the machine does does not count.
class Stopwatch {
 public:
  double microseconds() const { return now() - begin_; }

 private:
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e6 * double(time.tv_sec) + 1e-3 * double(time.tv_nsec);
  }
  double begin_ = now();
};

struct Times {
  std::vector<double> microseconds;
  double mean() const {
    return std::accumulate(microseconds.begin(), microseconds.end(), 0.0) /
           double(std::max<size_t>(microseconds.size(), 1));
  }
  double quantile(double q) {
    if (microseconds.empty()) return 0;
    std::sort(microseconds.begin(), microseconds.end());
    return microseconds[std::min(microseconds.size() - 1, size_t(q * double(microseconds.size())))];
  }
};

std::shared_ptr<const Tokenizer> open_tokenizer(const Options& options) {
  Path path = options.vocabulary;
  if (path.empty()) path = testing::data_path("conformance/gguf_vocab/ggml-vocab-llama-spm.gguf");
  if (path.empty()) return Tokenizer::make(testing::byte_bpe_vocabulary());
  return Tokenizer::make(read_vocabulary(open_gguf(path)->metadata()));
}

// The masks along one text, all tokens of it as the tokenizer cuts them.
int64_t follow(Constraint constraint, const TokenTries& tries, const std::string& text,
               Times& times) {
  std::vector<uint64_t> bits(constraint.mask_words());
  int64_t count = 0;
  std::string rest = text;
  for (const TokenId token : tries.tokenizer().encode(text, {.add_special = false})) {
    const Stopwatch watch;
    constraint.allowed(bits);
    times.microseconds.push_back(watch.microseconds());
    // The space that some tokenizers put before a text is none of it.
    std::string_view piece = tries.text(token);
    if (count++ == 0 && piece.starts_with(' ') && !text.starts_with(' ')) piece.remove_prefix(1);
    if (!piece.empty() && !constraint.accept_text(piece)) return -1;
  }
  return constraint.is_complete() ? count : -1;
}

void run_class(const ConstraintClass& one, const std::shared_ptr<const TokenTries>& tries,
               const Options& options) {
  Times compile, cold, warm;
  int refused = 0, strays = 0;
  size_t bytes = 0;
  for (const ConstraintCase& item : one.cases) {
    std::shared_ptr<TokenGrammar> grammar;
    for (int round = 0; round < options.rounds; ++round) {
      const Stopwatch watch;
      try {
        grammar = TokenGrammar::make(parse_constraint(item.source), tries);
      } catch (const Error& error) {
        if (round == 0 && one.cases.size() == 1) throw;
        ++refused;
        break;
      }
      compile.microseconds.push_back(watch.microseconds());
      for (const std::string& text : item.texts) {
        const bool fits = follow(Constraint(grammar), *tries, text, cold) >= 0;
        if (!fits && round == 0) ++strays;
        follow(Constraint(grammar), *tries, text, warm);
      }
    }
    if (grammar) bytes = std::max(bytes, grammar->memory_bytes());
  }
  if (strays > 0 && one.cases.size() == 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("constrain: a text of '{}' does not follow its constraint", one.name));
  }
  fmt::print("{:<27} {:>9.2f} {:>9.2f} {:>7.1f} {:>7.1f} {:>8.1f} {:>7.2f} {:>7.2f} {:>8.2f} {:>7}",
             one.name, compile.mean() / 1000, compile.quantile(0.99) / 1000, cold.mean(),
             cold.quantile(0.5), cold.quantile(0.99), warm.mean(), warm.quantile(0.5),
             warm.quantile(0.99), bytes / 1024);
  if (one.cases.size() > 1) {
    fmt::print("  {} schemas, {} refused, {} answers do not fit", one.cases.size(), refused,
               strays);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

void run_generation(const Options& options) {
  ThreadPool threads(options.threads > 0 ? options.threads : 2);
  const Context context{threads, kernels::select_kernel_table_from_environment(), {}};
  const testing::TemporaryFolder folder;
  Path path = options.model;
  if (path.empty()) {
    path = folder.path() / "random.gguf";
    write_random_model(context, preset_config(options.tiny ? "bench-15m" : "bench-135m"), path);
  }
  const auto file = open_gguf(path);
  const auto tokenizer = Tokenizer::make(read_vocabulary(file->metadata()));
  const auto model = Model::load(context, file);
  const GenerationCost cost =
      measure_generation(context, model, tokenizer, options.tiny ? 24 : 160);
  fmt::print(
      "\ngeneration, ms a token: free {:.2f}, constrained {:.2f} ({:+.1f} %), with "
      "fast-forward {:.2f} ({:+.1f} %); {} of {} tokens forced\n",
      1000 * cost.free_seconds, 1000 * cost.constrained_seconds,
      100 * (cost.constrained_seconds / cost.free_seconds - 1), 1000 * cost.forward_seconds,
      100 * (cost.forward_seconds / cost.free_seconds - 1), cost.forced_tokens, cost.tokens);
}

// What is refused, and how long that takes.
void run_hostile(const std::shared_ptr<const TokenTries>& tries) {
  double longest = 0;
  std::string slowest;
  const std::vector<ConstraintSource> sources = hostile_sources();
  int refused = 0;
  for (const ConstraintSource& source : sources) {
    const Stopwatch watch;
    try {
      TokenGrammar::make(parse_constraint(source), tries);
    } catch (const Error&) {
      ++refused;
    }
    if (watch.microseconds() > longest) {
      longest = watch.microseconds();
      slowest = source.text.substr(0, 40);
    }
  }
  fmt::print("{} hostile ones: {} refused, the slowest after {:.0f} ms ({})\n", sources.size(),
             refused, longest / 1000, slowest);
}

void run(const Options& options) {
  const auto tokenizer = open_tokenizer(options);
  const Stopwatch tries_watch;
  const auto tries = TokenTries::make(tokenizer);
  fmt::print("vocabulary of {} tokens, prepared once in {:.0f} ms\n", tokenizer->size(),
             tries_watch.microseconds() / 1000);
  fmt::print("{:<27} {:>19} {:>24} {:>24} {:>7}\n", "", "compile, ms", "mask, us: first use",
             "mask, us: again", "KiB");
  fmt::print("{:<27} {:>9} {:>9} {:>7} {:>7} {:>8} {:>7} {:>7} {:>8}\n", "class", "mean", "p99",
             "mean", "p50", "p99", "mean", "p50", "p99");
  for (ConstraintClass& one : constraint_classes()) {
    if (options.tiny && one.cases.size() > 5) one.cases.resize(5);
    run_class(one, tries, options);
  }
  run_hostile(tries);
  fmt::print(
      "published: llguidance: compile 1.6 ms, mask mean 47 us, p99 460 us; XGrammar: mask p50 "
      "8 us, p99 4900 us; llama.cpp: mask 14500 us\n");
  run_generation(options);
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  minim::bench::Options options;
  CLI::App app("What constraints cost, by class.");
  app.add_flag("--tiny", options.tiny, "one short run: shows that it works");
  app.add_option("--vocabulary", options.vocabulary, "a GGUF file with another vocabulary");
  app.add_option("--model", options.model, "a GGUF file to generate with");
  app.add_option("--rounds", options.rounds, "compilations of each")->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "of the model");
  CLI11_PARSE(app, argc, argv);
  if (options.tiny) options.rounds = 1;
  try {
    minim::bench::run(options);
  } catch (const minim::Error& error) {
    fmt::print(stderr, "constrain: {}\n", error.what());
    return 1;
  }
  return 0;
}
