// The programs that are compared: minim, and peers that come with llama.cpp's tools.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "bench/speed/models.h"
#include "bench/speed/workload.h"

namespace minim::bench {

struct EngineOptions {
  int threads = 1;
  double seconds_max = 900;            // of one child process
  std::vector<std::string> arguments;  // more of them, for the programs that measure
};

// A figure in the workload's unit, or why there is none.
struct Measurement {
  double value = 0;
  std::string problem;

  bool ok() const { return problem.empty(); }
};

// Each measurement is a child process of its own, so that nobody profits from what another loaded.
class Engine {
 public:
  explicit Engine(std::string name) : name_(std::move(name)) {}
  virtual ~Engine() = default;
  const std::string& name() const { return name_; }

  virtual Measurement measure(const BenchModel& model, const Workload& work) const = 0;
  // Of the first windows of a text, each 128 tokens long and scored in its second half.
  virtual Measurement perplexity(const BenchModel& model, const Path& text) const = 0;

 private:
  std::string name_;
};

constexpr int kPerplexityWindowTokens = 128;
constexpr int kPerplexityWindows = 2;

std::unique_ptr<Engine> make_minim_engine(const std::string& program, const EngineOptions& options);

// `folder` holds llama-bench, and for what it cannot measure llama-batched-bench, llama-perplexity
// and llama-completion (or llama-cli, as it was called before). Those may be absent.
std::unique_ptr<Engine> make_peer_engine(const std::string& name, const Path& folder,
                                         const EngineOptions& options);

struct PeerFolder {
  std::string name;
  Path folder;
};

// "NAME=DIR:DIR": a name that is not given comes from the folder. Throws kInvalidArgument for an
// empty name or one given twice, kNotFound for a folder without llama-bench.
std::vector<PeerFolder> parse_peers(const std::string& list);

// How often a child process repeats the work: small models are quick and need it.
int repetitions(const BenchModel& model, const Workload& work);

// The prompt of WorkKind::kStart: 32 tokens with the one that begins a text.
std::string start_prompt();

// The middle of some samples. REQUIRES: there is one.
double median(std::vector<double> samples);

}  // namespace minim::bench
