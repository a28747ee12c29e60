#include "cli/public_model.h"

#include "cli/model_catalog.h"
#include "cli/terminal.h"

namespace minim::cli {
namespace {

v1::CacheType cache_type(DataType type) {
  switch (type) {
    case DataType::kF32: return v1::CacheType::kF32;
    case DataType::kQ8_0: return v1::CacheType::kQ8_0;
    case DataType::kQ4_0: return v1::CacheType::kQ4_0;
    default: return v1::CacheType::kF16;
  }
}

LogLevel log_level(v1::LogLevel level) {
  switch (level) {
    case v1::LogLevel::kDebug: return LogLevel::kDebug;
    case v1::LogLevel::kWarning: return LogLevel::kWarning;
    case v1::LogLevel::kError: return LogLevel::kError;
    default: return LogLevel::kInfo;
  }
}

}  // namespace

CLI::Option* add_public_model_options(CLI::App& app, PublicModelOptions& options) {
  CLI::Option* const model = add_model_options(app, options.model);
  app.add_option("-c,--context", options.context_tokens,
                 "Tokens that fit in all (default: the model's, at most 4096)")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batch_tokens,
                 "Prompt tokens computed at once (default: what `minim tune` found, or 512)")
      ->check(CLI::PositiveNumber);
  add_cache_type_option(app, options.cache_type);
  add_precision_option(app, options.engine);
  add_engine_options(app, options.engine);
  return model;
}

PublicModel::PublicModel(const PublicModelOptions& options) {
  const LogSink sink = stderr_log(options.engine.verbose);
  engine_.emplace(v1::EngineOptions{
      .threads = options.engine.threads,
      .log = [sink](v1::LogLevel level, std::string_view line) { sink(log_level(level), line); },
      .governor = options.governor});
  ProgressDisplay display(options.engine.quiet);
  const ProgressSink show = display.sink();
  const auto progress = [&](const v1::Progress& p) {
    return show({p.stage, p.done, p.total, p.unit}) && (!options.go_on || options.go_on());
  };
  model_.emplace(*engine_, resolve_model(options.model.path).string(),
                 v1::ModelOptions{.cache_type = cache_type(options.cache_type),
                                  .context_tokens = options.context_tokens,
                                  .batch_tokens = tuned_batch_tokens(options.batch_tokens, sink),
                                  .sessions_max = options.sessions_max,
                                  .exact = options.engine.exact,
                                  .tokenizer = options.model.tokenizer,
                                  .progress = progress});
}

}  // namespace minim::cli
