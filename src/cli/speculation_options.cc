#include "cli/speculation_options.h"

#include <fmt/core.h>

#include "cli/model_catalog.h"

namespace minim::cli {

void add_speculation_options(CLI::App& app, SpeculationOptions& options) {
  app.add_option("--draft", options.draft,
                 "A smaller model of the same vocabulary that guesses what follows: faster, and "
                 "the text is the same")
      ->type_name("MODEL");
  app.add_flag("--no-lookup", options.no_lookup,
               "Do not guess from what the text says already; slower, and the text is the same");
}

Speculation::Speculation(const v1::Model& model, const SpeculationOptions& options)
    : lookup_(!options.no_lookup) {
  if (!options.draft.empty()) draft_.emplace(model, resolve_model(options.draft).string());
}

double speculation_gain(const v1::SessionStatistics& statistics) {
  if (!(statistics.decode_seconds > 0)) return 1;
  return (statistics.decode_seconds + statistics.saved_seconds) / statistics.decode_seconds;
}

std::string guesses_text(const v1::SessionStatistics& statistics) {
  if (statistics.guessed_tokens == 0) return {};
  return fmt::format(", {} of {} guesses right (x {:.2f})", statistics.right_tokens,
                     statistics.guessed_tokens, speculation_gain(statistics));
}

}  // namespace minim::cli
