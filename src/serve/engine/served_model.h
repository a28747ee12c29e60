// A model that is served: loaded, with the scheduler that steps all that it generates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/file.h"
#include "base/progress.h"
#include "model/adapter/adapter.h"
#include "model/model.h"
#include "runtime/embedder.h"
#include "runtime/reranker.h"
#include "runtime/scheduler.h"
#include "serve/engine/fill_in_middle.h"
#include "text/chat_prompt.h"
#include "text/schema/constraint_factory.h"
#include "text/tokenizer.h"
#include "text/tools/tool_notation.h"

namespace minim::serve {

struct AdapterSource {
  Path path;
  float weight = 1.0f;
};

struct ModelSource {
  std::string id;  // that requests name
  Path path;
  Path tokenizer;  // of a llama2.c checkpoint; empty: looked for beside it
  // By name: ID:NAME computes with all of that name, beside the same weights.
  std::map<std::string, std::vector<AdapterSource>, std::less<>> adapters;
};

struct ServedModelOptions {
  int64_t context_tokens = 0;  // of one text; 0: what the model can, at most 8192
  int64_t sequences_max = 16;  // computed together
  int64_t batch_tokens = 512;
  DataType cache_type = DataType::kF16;
  // Of keys and values in all; 0: room for every sequence, at most a quarter of the memory that is
  // free when the model is loaded.
  size_t cache_bytes_max = 0;
  MatmulPrecision precision = MatmulPrecision::kInt8;
  // For models without a chat template: turns as lines that begin with User: and Assistant:.
  bool generic_template = false;
};

// What a conversation becomes: tokens, and texts that end the answer besides the model's own end.
struct ChatTokens {
  std::vector<TokenId> tokens;
  std::vector<std::string> stop_strings;
  bool reasoning_begun = false;  // the tokens end with <think>
};

// Safe to share between threads.
class ServedModel {
 public:
  // Throws what open_model_file(), Model::load(), Adapter::load() and Scheduler throw. `context`
  // and `turns` must outlive it; `progress` is told of the loading.
  ServedModel(const Context& context, Turns& turns, const ModelSource& source,
              const ServedModelOptions& options, const ProgressSink& progress = {});
  ServedModel& operator=(const ServedModel&) = delete;

  // The same weights with the adapters of that name; null where there are none. It lives as long as
  // this one.
  ServedModel* with_adapters(std::string_view name);

  const std::string& id() const { return id_; }  // "nano:topic" with adapters
  const ModelSource& source() const { return source_; }
  const Model& model() const { return *model_; }
  const std::shared_ptr<const AdapterSet>& adapters() const { return adapters_; }  // null: none
  // Of all that its answers depend on besides the request.
  uint64_t fingerprint() const;
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  Scheduler& scheduler() { return *scheduler_; }
  int64_t context_tokens() const { return scheduler_->context_tokens(); }
  // No text of more bytes can fit the context.
  size_t text_bytes_max() const { return text_bytes_max_; }
  // What runs otherwise than one might expect, sentence by sentence.
  const std::vector<std::string>& warnings() const { return warnings_; }

  bool has_chat() const { return chat_ != nullptr || generic_template_; }
  // Empty where has_chat(); else why not, and what to do.
  const std::string& chat_problem() const { return chat_problem_; }
  // How it writes tool calls; nothing where neither its template nor its family tells.
  std::optional<ToolNotation> tool_notation() const { return tool_notation_; }
  bool has_tool_calls() const { return tool_notation_.has_value(); }
  // For texts with a gap; nothing where the model was not trained with such.
  const std::optional<FillTokens>& fill_tokens() const { return fill_tokens_; }
  // `variables` as for ChatPrompt::encode(). Throws what that throws, and kUnsupported without a
  // template.
  ChatTokens encode_chat(OrderedJson variables) const;
  // What the model is made to have said: special tokens are recognised.
  void append_own_text(std::string_view text, ChatTokens& tokens) const;

  // Compiles it, or finds it among those that were compiled last; up to a fifth of a second. Throws
  // what ConstraintFactory::make() throws.
  std::shared_ptr<const Constraint> make_constraint(const ConstraintSource& source);

  // Compute between the steps of the scheduler; wait for it. Throw what those classes throw, and
  // Refusal(400) with adapters, which these do not know.
  Embeddings embed(std::vector<std::vector<TokenId>> texts, const EmbedderOptions& options);
  Ranking rank(std::string_view query, std::span<const std::string> documents,
               const RerankerOptions& options);

 private:
  ServedModel(const ServedModel& base, const std::string& name,
              std::shared_ptr<const AdapterSet> adapters);

  void find_chat();
  void find_text_bytes_max();
  void load_adapters(const Context& loading);
  void refuse_adapters(const char* what) const;

  const Context& context_;
  const ModelSource source_;
  const std::string id_;
  const bool generic_template_;
  std::vector<std::string> warnings_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatPrompt> chat_;
  std::optional<ToolNotation> tool_notation_;
  std::optional<FillTokens> fill_tokens_;
  std::shared_ptr<ConstraintFactory> constraints_;
  std::string chat_problem_;
  size_t text_bytes_max_ = 0;
  std::shared_ptr<Scheduler> scheduler_;
  std::shared_ptr<const AdapterSet> adapters_;
  // Those of the names in source_; they share all that is above.
  std::map<std::string, std::unique_ptr<ServedModel>, std::less<>> variants_;
};

}  // namespace minim::serve
