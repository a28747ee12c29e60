// What every command that computes needs: threads, kernels, a model and its tokenizer, and the
// options that choose them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/context.h"
#include "base/thread_pool.h"
#include "base/tuning.h"
#include "formats/model_file.h"
#include "model/model.h"
#include "runtime/session.h"
#include "text/tokenizer.h"

namespace minim::cli {

// Options that several commands share.
struct EngineOptions {
  int threads = 0;  // 0: one for each processor
  bool verbose = false;
  bool quiet = false;
  bool exact = false;  // float activations, where 8 bits would do
};
void add_engine_options(CLI::App& app, EngineOptions& options);
// Of those, what is said beside the result; the threads are left to the command.
void add_output_options(CLI::App& app, EngineOptions& options);
// For commands that run a model.
void add_precision_option(CLI::App& app, EngineOptions& options);

struct ModelOptions {
  std::string path;
  std::string tokenizer;
};
// Returns the option MODEL, which is required.
CLI::Option* add_model_options(CLI::App& app, ModelOptions& options);

// An option that takes one of the tensor types by name.
CLI::Option* add_type_option(CLI::App& app, const std::string& flag, DataType& type,
                             const std::string& description);

// --cache-type: one of the types that a session's cache can have.
void add_cache_type_option(CLI::App& app, DataType& type);

// What `minim tune` found for this processor; nothing, with a warning, where its file is damaged.
Tuning known_tuning(const LogSink& log);
// Of a prompt: `asked`, or where that is 0 what was found, or 512.
int64_t tuned_batch_tokens(int64_t asked, const LogSink& log);

// The context of one command. Not movable: the context points to the threads.
class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Context& context() const { return context_; }
  bool quiet() const { return quiet_; }
  MatmulPrecision precision() const { return precision_; }

 private:
  ThreadPool threads_;
  Context context_;
  bool quiet_;
  MatmulPrecision precision_;
};

// A path, or else a name that `minim models` lists. Throws what resolve_model() and
// open_model_file() throw.
std::shared_ptr<const ModelFile> open_model(const ModelOptions& options);
std::shared_ptr<const Tokenizer> open_tokenizer(const ModelFile& file);
// Shows progress unless the engine is quiet.
std::shared_ptr<const Model> load_model(const Engine& engine, std::shared_ptr<const ModelFile> file,
                                        int64_t context_tokens);

// Throws kInvalidArgument if `path` exists, unless `force`.
void refuse_overwrite(const std::string& path, bool force);

// The whole of a text file, or of standard input for "-".
std::string read_text(const std::string& path);

}  // namespace minim::cli
