// What choosing a token costs, for vocabularies of two sizes: microseconds of one thread a token.
// A greedy choice must read every logit once, so it is shown beside such a read.
#include <fmt/core.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "runtime/sampler.h"
#include "runtime/scheduler_bench.h"
#include "tests/support/bench.h"

namespace minim::bench {
namespace {

// Logits shaped like a language model's: a few tokens stand out, the rest is nearly normal. Several
// rows in turn, together larger than the caches nearest to the processor.
struct Logits {
  explicit Logits(size_t vocabulary, size_t count) : rows(count, std::vector<float>(vocabulary)) {
    Rng rng(1);
    for (auto& row : rows) {
      for (float& logit : row) logit = 2.5f * rng.normal() - 2;
      for (int rank = 1; rank <= 400; ++rank) {
        row[rng.below(vocabulary)] = 16 - 1.3f * std::log2(float(rank)) + rng.normal();
      }
    }
  }
  const std::vector<float>& next() { return rows[turn++ % rows.size()]; }

  std::vector<std::vector<float>> rows;
  size_t turn = 0;
};

struct NamedOptions {
  const char* name;
  SamplerOptions options;
};

std::vector<NamedOptions> sampler_cases() {
  const SamplerOptions all = {.top_k = 0, .top_p = 1, .min_p = 0};
  const auto with = [](SamplerOptions options, auto change) {
    change(options);
    return options;
  };
  const PenaltyOptions penalties = {.repetition = 1.1f, .presence = 0.2f, .frequency = 0.2f};
  return {
      {"greedy", {.temperature = 0}},
      {"default", {}},
      {"default, penalties", with({}, [&](auto& o) { o.penalties = penalties; })},
      {"default, DRY", with({}, [](auto& o) { o.dry = {.multiplier = 0.8f, .breakers = {}}; })},
      {"default, XTC", with({}, [](auto& o) { o.xtc.probability = 0.5f; })},
      {"default, 5 logprobs", with({}, [](auto& o) { o.logprobs = 5; })},
      {"temperature alone", all},
      {"top-k 1000 alone", with(all, [](auto& o) { o.top_k = 1000; })},
      {"top-p alone", with(all, [](auto& o) { o.top_p = 0.95f; })},
      {"min-p alone", with(all, [](auto& o) { o.min_p = 0.05f; })},
      {"typical alone", with(all, [](auto& o) { o.typical_p = 0.95f; })},
      {"top-n-sigma alone", with(all, [](auto& o) { o.top_n_sigma = 1; })},
      {"XTC alone", with(all, [](auto& o) { o.xtc.probability = 1; })},
      {"mirostat 1", {.mirostat = {.version = 1}}},
      {"mirostat 2", {.mirostat = {.version = 2}}},
  };
}

void print(const Options& options, const std::string& name, const std::function<void()>& body) {
  if (name.find(options.filter) == std::string::npos) return;
  const double seconds = seconds_per_call(options, body);
  fmt::print("{:<36} {:9.1f} us\n", name, seconds * 1e6);
  std::fflush(stdout);
}

void run(const Context& context, const Options& options, size_t vocabulary) {
  Logits logits(vocabulary, options.tiny ? 1 : 8);
  std::vector<TokenId> prompt;
  Rng rng(2);
  for (int i = 0; i < 2000; ++i) prompt.push_back(static_cast<TokenId>(rng.below(vocabulary)));
  volatile float sink = 0;
  print(options, fmt::format("{} read", vocabulary), [&] {
    const auto& row = logits.next();
    sink = context.kernels.probe_reads(row.data(), static_cast<int64_t>(row.size()));
  });
  for (const NamedOptions& named : sampler_cases()) {
    Sampler sampler(context, named.options);
    sampler.start(prompt);
    print(options, fmt::format("{} {}", vocabulary, named.name),
          [&] { sampler.accept(sampler.sample(logits.next())); });
  }
}

}  // namespace
}  // namespace minim::bench

int main(int argc, char** argv) {
  const auto options = minim::bench::parse_options(argc, argv);
  minim::ThreadPool pool(1);
  const minim::Context context{pool, minim::kernels::select_kernel_table_from_environment(), {}};
  for (const size_t vocabulary : {size_t{32'000}, size_t{151'936}}) {
    minim::bench::run(context, options, vocabulary);
  }
  minim::bench::run_scheduler_benchmarks(options);
  return 0;
}
