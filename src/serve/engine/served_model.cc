#include "serve/engine/served_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/machine.h"
#include "formats/vocabulary.h"
#include "serve/request/refusal.h"
#include "text/tools/tool_prompt.h"

namespace minim::serve {
namespace {

// A model may be able to hold far more than most texts need.
constexpr int64_t kContextDefault = 8192;
constexpr size_t kThinkTokensMax = 12;  // of "<think>" and white space behind it

int64_t context_of(const ServedModelOptions& options, const ModelFile& file) {
  const int64_t most = read_model_config(file).context_length;
  if (options.context_tokens == 0) return std::min(most, kContextDefault);
  if (options.context_tokens > most) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("serve: a context of {} tokens was asked for, but '{}' holds {}",
                            options.context_tokens, file.path().string(), most));
  }
  return options.context_tokens;
}

SchedulerOptions scheduler_options(const ServedModelOptions& options, int64_t context,
                                   const Model& model) {
  SchedulerOptions result;
  result.context_tokens = context;
  result.kv_type = options.cache_type;
  result.sequences_max = options.sequences_max;
  result.batch_tokens = options.batch_tokens;
  result.kv_bytes_max = options.cache_bytes_max;
  if (result.kv_bytes_max > 0) return result;
  const KvLayout layout = model.kv_layout(options.cache_type);
  const auto blocks = static_cast<size_t>(context / layout.block_tokens + 2);
  const size_t one = blocks * layout.block_bytes();
  const size_t all = one * static_cast<size_t>(options.sequences_max) + result.prefix_bytes_max;
  const uint64_t free = read_machine().available_bytes;
  result.kv_bytes_max =
      free == 0 ? all : std::min<size_t>(all, std::max<size_t>(2 * one, free / 4));
  result.prefix_bytes_max = std::min(result.prefix_bytes_max, result.kv_bytes_max / 2);
  return result;
}

int64_t local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  return ::localtime_r(&now, &local) == nullptr ? now : now + local.tm_gmtoff;
}

// Of a role that a message has, "User: " and so on.
std::string generic_name(const std::string& role) {
  if (role == "system" || role == "developer") return "";
  return role == "assistant" ? "Assistant: " : "User: ";
}

std::string generic_text(const OrderedJson& messages) {
  std::string text;
  for (const OrderedJson& message : messages) {
    text += generic_name(message.value("role", "user"));
    text += message.value("content", "") + "\n";
  }
  return text + "Assistant:";
}

}  // namespace

ServedModel::ServedModel(const Context& context, Turns& turns, const ModelSource& source,
                         const ServedModelOptions& options, const ProgressSink& progress)
    : context_(context),
      source_(source),
      id_(source.id),
      generic_template_(options.generic_template) {
  const auto file = open_model_file(source.path, {.tokenizer = source.tokenizer});
  tokenizer_ = Tokenizer::make(read_vocabulary(file->metadata()));
  fill_tokens_ = find_fill_tokens(file->metadata(), *tokenizer_);
  constraints_ = std::make_shared<ConstraintFactory>(tokenizer_);
  const int64_t tokens = context_of(options, *file);
  // Others compute with the context's threads meanwhile.
  ThreadPool threads(context.threads.thread_count());
  std::mutex mutex;
  const auto log = [&](LogLevel level, std::string_view line) {
    if (level == LogLevel::kWarning) {
      const std::lock_guard lock(mutex);
      warnings_.emplace_back(line);
    }
    if (context.log) context.log(level, line);
  };
  const Context loading{threads, context.kernels, log, context.memory};
  model_ =
      Model::load(loading, file,
                  {.context_length = tokens, .precision = options.precision, .progress = progress});
  find_chat();
  find_text_bytes_max();
  SchedulerOptions scheduling = scheduler_options(options, tokens, *model_);
  scheduling.turns = &turns;
  scheduler_ = std::make_shared<Scheduler>(context_, model_, tokenizer_, scheduling);
  scheduler_->start();
  load_adapters(loading);
}

ServedModel::ServedModel(const ServedModel& base, const std::string& name,
                         std::shared_ptr<const AdapterSet> adapters)
    : context_(base.context_),
      source_(base.source_),
      id_(base.id_ + ":" + name),
      generic_template_(base.generic_template_),
      warnings_(base.warnings_),
      model_(base.model_),
      tokenizer_(base.tokenizer_),
      chat_(base.chat_),
      tool_notation_(base.tool_notation_),
      fill_tokens_(base.fill_tokens_),
      constraints_(base.constraints_),
      chat_problem_(base.chat_problem_),
      text_bytes_max_(base.text_bytes_max_),
      scheduler_(base.scheduler_),
      adapters_(std::move(adapters)) {}

void ServedModel::load_adapters(const Context& loading) {
  for (const auto& [name, sources] : source_.adapters) {
    std::vector<AdapterSet::Use> uses;
    for (const AdapterSource& each : sources) {
      uses.push_back({Adapter::load(loading, model_, each.path), each.weight});
    }
    variants_[name].reset(
        new ServedModel(*this, name, std::make_shared<const AdapterSet>(std::move(uses))));
  }
}

ServedModel* ServedModel::with_adapters(std::string_view name) {
  const auto found = variants_.find(name);
  return found == variants_.end() ? nullptr : found->second.get();
}

uint64_t ServedModel::fingerprint() const {
  return model_->fingerprint() ^ (adapters_ == nullptr ? 0 : adapters_->fingerprint());
}

void ServedModel::refuse_adapters(const char* what) const {
  if (adapters_ == nullptr) return;
  throw Refusal(
      400, fmt::format("'{}' has adapters, which {} do not use; ask '{}'", id_, what, source_.id),
      "model", "unsupported_value");
}

void ServedModel::find_chat() {
  if (tokenizer_->vocabulary().chat_template.empty()) {
    chat_problem_ = fmt::format(
        "the model '{}' has no chat template, so it was not trained to converse; use "
        "/v1/completions, or start the server with --generic-template",
        id());
  } else {
    try {
      chat_ = std::make_shared<const ChatPrompt>(tokenizer_);
      tool_notation_ = detect_tool_notation(tokenizer_->vocabulary().chat_template,
                                            model_->config().architecture);
    } catch (const Error& error) {
      chat_problem_ =
          fmt::format("the chat template of '{}' cannot be used: {}", id(), error.what());
      warnings_.push_back(chat_problem_);
      context_.warn(chat_problem_);
    }
  }
  if (!chat_ && generic_template_) {
    warnings_.push_back(fmt::format(
        "'{}' converses by lines that begin with User: and Assistant:, not as it was trained",
        id()));
    context_.warn(warnings_.back());
    chat_problem_.clear();
  }
}

void ServedModel::find_text_bytes_max() {
  size_t longest = 1;
  for (TokenId token = 0; token < tokenizer_->size(); ++token) {
    longest = std::max(longest, tokenizer_->token_bytes(token).size());
  }
  const int64_t tokens = model_->config().context_length;
  text_bytes_max_ = longest * static_cast<size_t>(std::max<int64_t>(tokens, 1)) + 64;
}

ChatTokens ServedModel::encode_chat(OrderedJson variables) const {
  if (chat_) {
    const int64_t now = local_time();
    variables = prepare_tools(*chat_, std::move(variables), tool_notation_, now);
    ChatTokens result{.tokens = chat_->encode(std::move(variables), now)};
    const size_t tail = std::min(result.tokens.size(), kThinkTokensMax);
    std::string end = tokenizer_->decode(std::span(result.tokens).last(tail));
    end.erase(end.find_last_not_of(" \n") + 1);
    result.reasoning_begun = end.ends_with("<think>");
    return result;
  }
  if (!generic_template_) throw Error(ErrorCode::kUnsupported, chat_problem_);
  return {tokenizer_->encode(generic_text(variables["messages"])), {"\nUser:"}};
}

void ServedModel::append_own_text(std::string_view text, ChatTokens& tokens) const {
  const auto added = tokenizer_->encode(text, {.add_special = false, .parse_special = true});
  tokens.tokens.insert(tokens.tokens.end(), added.begin(), added.end());
}

std::shared_ptr<const Constraint> ServedModel::make_constraint(const ConstraintSource& source) {
  return std::make_shared<const Constraint>(constraints_->make(source));
}

Embeddings ServedModel::embed(std::vector<std::vector<TokenId>> texts,
                              const EmbedderOptions& options) {
  refuse_adapters("embeddings");
  EmbedderOptions packed = options;
  packed.packing.run = [this](std::function<void()> work) { scheduler_->run(std::move(work)); };
  return Embedder(context_, model_, tokenizer_, packed).embed_tokens(std::move(texts));
}

Ranking ServedModel::rank(std::string_view query, std::span<const std::string> documents,
                          const RerankerOptions& options) {
  refuse_adapters("rankings");
  RerankerOptions packed = options;
  packed.packing.run = [this](std::function<void()> work) { scheduler_->run(std::move(work)); };
  return Reranker(context_, model_, tokenizer_, packed).rank(query, documents);
}

}  // namespace minim::serve
