// The commands of the program: one file each, listed in one table.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>

namespace minim::cli {

// What runs once the command line has been read; returns the exit code.
using Action = std::function<int()>;

struct Command {
  const char* name;
  const char* summary;
  // Adds options and help text; the returned action sees their values.
  Action (*add)(CLI::App& app);
};

std::span<const Command> commands();

Action add_run(CLI::App& app);
Action add_chat(CLI::App& app);
Action add_embed(CLI::App& app);
Action add_rerank(CLI::App& app);
Action add_serve(CLI::App& app);
Action add_top(CLI::App& app);
Action add_inspect(CLI::App& app);
Action add_convert(CLI::App& app);
Action add_quantize(CLI::App& app);
Action add_init(CLI::App& app);
Action add_tokenize(CLI::App& app);
Action add_tokenizer(CLI::App& app);
Action add_data(CLI::App& app);
Action add_train(CLI::App& app);
Action add_distill(CLI::App& app);
Action add_report(CLI::App& app);
Action add_perplexity(CLI::App& app);
Action add_eval(CLI::App& app);
Action add_bench(CLI::App& app);
Action add_tune(CLI::App& app);
Action add_doctor(CLI::App& app);
Action add_models(CLI::App& app);
Action add_completion(CLI::App& app);

}  // namespace minim::cli
