// What minim_model stands for: a model, its tokenizer, and the scheduler whose thread computes all
// that its sessions generate.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/engine.h"
#include "api/scheduler_thread.h"
#include "base/json.h"
#include "formats/model_file.h"
#include "minim/minim.h"
#include "model/model.h"
#include "runtime/scheduler.h"
#include "text/chat_prompt.h"
#include "text/schema/constraint_factory.h"
#include "text/tokenizer.h"

namespace minim::api {

// Throw kInvalidArgument for options that make no sense.
DataType cache_type(const minim_model_options& options);
MatmulPrecision precision(const minim_model_options& options);
// Of a session where none is asked for.
int64_t context_tokens(const minim_model_options& options, const ModelFile& file);
// Batches of so many tokens at most.
int64_t batch_tokens(const minim_model_options& options);
void check_model_options(const minim_model_options& options);

class OpenModel {
 public:
  // Throws what open_model_file(), Model::load() and Scheduler throw.
  OpenModel(std::shared_ptr<SharedEngine> engine, std::string_view path,
            const minim_model_options& options);
  OpenModel(const OpenModel&) = delete;
  OpenModel& operator=(const OpenModel&) = delete;

  SharedEngine& engine() const { return *engine_; }
  const Model& model() const { return *model_; }
  const std::shared_ptr<const Model>& shared_model() const { return model_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  Scheduler& scheduler() { return *scheduler_; }
  int64_t context_tokens() const { return scheduler_->context_tokens(); }
  // Something changed that may let the scheduler go on.
  void wake() { thread_->wake(); }

  // Throws kUnsupported where the model has no chat template.
  const ChatPrompt& chat();
  // On any thread, as is compiling with it.
  ConstraintFactory& constraints() { return *constraints_; }
  // How calls of tools are written; nothing where it is not known.
  std::optional<ToolNotation> tool_notation() const;
  // The one that is named or, for null, the model's. Throws kInvalidArgument and kUnsupported.
  ToolNotation tool_notation(const char* name) const;
  // What runs otherwise than it could.
  const std::vector<std::string>& fallbacks() const { return fallbacks_; }
  // Null where there is none; lives as long as the model.
  const char* metadata(std::string_view key);

  minim_model_info info() const;
  minim_model_statistics statistics() const;

  // Counted by sessions.
  std::atomic<int32_t> sessions{0};
  std::atomic<int64_t> generated_tokens{0};

 private:
  const std::shared_ptr<SharedEngine> engine_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<ConstraintFactory> constraints_;
  std::string name_;
  uint64_t cache_bytes_max_ = 0;
  int64_t trained_context_tokens_ = 0;
  std::vector<std::string> fallbacks_;

  std::mutex mutex_;  // guards what follows
  std::optional<ChatPrompt> chat_;
  std::map<std::string, std::string, std::less<>> metadata_;  // values that were asked for

  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<SchedulerThread> thread_;  // goes before the scheduler
};

}  // namespace minim::api

struct minim_model {
  std::shared_ptr<minim::api::OpenModel> shared;
};
