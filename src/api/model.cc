#include "api/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "api/arguments.h"
#include "api/metadata_text.h"
#include "api/progress.h"
#include "base/error.h"
#include "formats/vocabulary.h"
#include "model/memory.h"
#include "text/tools/tool_notation.h"

namespace minim::api {
namespace {

// A model may be able to hold far more than most texts need.
constexpr int64_t kContextDefault = 4096;
constexpr int64_t kBatchDefault = 512;
constexpr int64_t kSessionsDefault = 64;

SchedulerOptions scheduler_options(const minim_model_options& options, int64_t context) {
  SchedulerOptions result;
  result.context_tokens = context;
  result.kv_type = cache_type(options);
  result.sequences_max = options.sessions_max > 0 ? options.sessions_max : kSessionsDefault;
  result.batch_tokens = batch_tokens(options);
  result.kv_bytes_max = options.cache_bytes_max;
  result.prefix_bytes_max = options.prefix_bytes_max;
  return result;
}

}  // namespace

DataType cache_type(const minim_model_options& options) {
  switch (enum_argument<minim_cache_type>(options.cache_type, 4, "cache_type")) {
    case MINIM_CACHE_F16: return DataType::kF16;
    case MINIM_CACHE_F32: return DataType::kF32;
    case MINIM_CACHE_Q8_0: return DataType::kQ8_0;
    case MINIM_CACHE_Q4_0: return DataType::kQ4_0;
  }
  return DataType::kF16;
}

MatmulPrecision precision(const minim_model_options& options) {
  return options.exact != 0 ? MatmulPrecision::kFloat32 : MatmulPrecision::kInt8;
}

int64_t context_tokens(const minim_model_options& options, const ModelFile& file) {
  const int64_t most = read_model_config(file).context_length;
  if (options.context_tokens == 0) return std::min(most, kContextDefault);
  if (options.context_tokens > most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("session: a context of {} tokens was asked for, but the model holds 1 "
                            "to {}",
                            options.context_tokens, most));
  }
  return options.context_tokens;
}

int64_t batch_tokens(const minim_model_options& options) {
  return options.batch_tokens > 0 ? options.batch_tokens : kBatchDefault;
}

void check_model_options(const minim_model_options& options) {
  count_argument(options.context_tokens, 0, "context_tokens");
  count_argument(options.batch_tokens, 0, "batch_tokens");
  count_argument(options.sessions_max, 0, "sessions_max");
  cache_type(options);
}

OpenModel::OpenModel(std::shared_ptr<SharedEngine> engine, std::string_view path,
                     const minim_model_options& options)
    : engine_(std::move(engine)),
      cache_bytes_max_(options.cache_bytes_max),
      fallbacks_(engine_->fallbacks()) {
  check_model_options(options);
  const auto file = open_model_file(
      Path(path), {.tokenizer = options.tokenizer == nullptr ? Path() : Path(options.tokenizer)});
  tokenizer_ = Tokenizer::make(read_vocabulary(file->metadata()));
  name_ = file->metadata().string("general.name").value_or("");
  trained_context_tokens_ = read_model_config(*file).context_length;
  const int64_t context = api::context_tokens(options, *file);

  const auto threads = engine_->make_loading_threads();
  const Context& shared = engine_->context();
  std::mutex mutex;
  const auto log = [&](LogLevel level, std::string_view line) {
    if (level == LogLevel::kWarning) {
      const std::lock_guard lock(mutex);
      fallbacks_.emplace_back(line);
    }
    if (shared.log) shared.log(level, line);
  };
  model_ = Model::load({*threads, shared.kernels, log, shared.memory}, file,
                       {.context_length = context,
                        .precision = precision(options),
                        .progress = progress_sink(options.progress, options.progress_user)});
  constraints_ = std::make_unique<ConstraintFactory>(tokenizer_);
  scheduler_ =
      std::make_unique<Scheduler>(shared, model_, tokenizer_, scheduler_options(options, context));
  thread_ =
      std::make_unique<SchedulerThread>(*scheduler_, engine_->turns(), engine_->scheduler_hooks());
}

const ChatPrompt& OpenModel::chat() {
  const std::lock_guard lock(mutex_);
  if (!chat_) chat_.emplace(tokenizer_);
  return *chat_;
}

std::optional<ToolNotation> OpenModel::tool_notation() const {
  return detect_tool_notation(tokenizer_->vocabulary().chat_template,
                              model_->config().architecture);
}

ToolNotation OpenModel::tool_notation(const char* name) const {
  if (name != nullptr) return parse_tool_notation(name);
  if (const auto known = tool_notation()) return *known;
  throw Error(
      ErrorCode::kUnsupported,
      "tools: neither the model's chat template nor its family tells how calls are written; "
      "name a notation");
}

const char* OpenModel::metadata(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (const auto known = metadata_.find(key); known != metadata_.end()) {
    return known->second.c_str();
  }
  const MetadataValue* value = model_->file().metadata().find(key);
  if (value == nullptr) return nullptr;
  return metadata_.emplace(key, metadata_text(*value)).first->second.c_str();
}

minim_model_info OpenModel::info() const {
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  const ModelConfig& config = model_->config();
  minim_model_info info = MINIM_MODEL_INFO_INIT;
  info.vocabulary_size = tokenizer_->size();
  info.architecture = config.architecture.c_str();
  info.name = name_.c_str();
  info.parameters = parameter_count(config);
  info.weight_bytes = model_->weight_bytes();
  info.context_tokens = context_tokens();
  info.trained_context_tokens = trained_context_tokens_;
  info.dimensions = config.dim;
  info.has_chat_template = vocabulary.chat_template.empty() ? 0 : 1;
  info.fallback_count = static_cast<int32_t>(fallbacks_.size());
  info.bos_token = vocabulary.bos.value_or(-1);
  info.eos_token = vocabulary.eos.value_or(-1);
  return info;
}

minim_model_statistics OpenModel::statistics() const {
  const SchedulerStatistics counts = scheduler_->statistics();
  const KvLayout layout = model_->kv_layout(scheduler_->options().kv_type);
  minim_model_statistics result = MINIM_MODEL_STATISTICS_INIT;
  result.sessions = sessions.load();
  result.running = counts.jobs_running;
  result.waiting = counts.jobs_waiting;
  result.prompt_tokens = counts.batch_rows - counts.decode_rows;
  result.generated_tokens = generated_tokens.load();
  result.cache_bytes = static_cast<uint64_t>(counts.blocks_used) * layout.block_bytes();
  result.cache_bytes_max = cache_bytes_max_;
  result.prefix_hits = counts.prefixes.hits;
  result.prefix_lookups = counts.prefixes.lookups;
  return result;
}

}  // namespace minim::api
