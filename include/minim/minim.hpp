// C++20 over the C API: classes that release what they hold, and Error in place of statuses.
//
//   minim::Engine engine;
//   minim::Model model(engine, "model.gguf");
//   minim::Session session(model);
//   session.chat({{"user", "Why is the sky blue?"}});
//   for (const minim::Event& event : session.generate()) std::cout << event.text << std::flush;
//
// Needs nothing but minim.h and the standard library. What is said in minim.h about threads and
// lifetimes holds here too; objects may go in any order. A moved-from object can only be assigned
// to and destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minim/minim.h"

namespace minim {

// minim's own sources have other classes of these names, so there the version is always spelled.
#if !defined(MINIM_BUILDING)
inline
#endif
    namespace v1 {

// ---- errors ------------------------------------------------------------------------------------

enum class Status : int32_t {
  kOk = MINIM_OK,
  kInvalidArgument = MINIM_INVALID_ARGUMENT,
  kNotFound = MINIM_NOT_FOUND,
  kIo = MINIM_IO,
  kFormat = MINIM_FORMAT,
  kUnsupported = MINIM_UNSUPPORTED,
  kLimit = MINIM_LIMIT,
  kCancelled = MINIM_CANCELLED,
  kBusy = MINIM_BUSY,
  kOutOfMemory = MINIM_OUT_OF_MEMORY,
  kInternal = MINIM_INTERNAL,
};

class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const { return status_; }

 private:
  Status status_;
};

namespace detail {

// Calls `function` with an error to fill and throws what it says.
template <typename Function>
void call(Function&& function) {
  minim_error error;
  if (const minim_status status = function(&error); status != MINIM_OK) {
    throw Error(static_cast<Status>(status), error.message);
  }
}

template <typename Struct>
Struct sized() {
  Struct value{};
  value.struct_size = sizeof(Struct);
  return value;
}

// Asks with room for `guess` values, and once more where there are more.
template <typename Values, typename Function>
Values fill(size_t guess, Function&& function) {
  Values values(guess, {});
  size_t count = 0;
  call([&](minim_error* error) { return function(values.data(), values.size(), &count, error); });
  const bool complete = count <= values.size();
  values.resize(count);
  if (complete) return values;
  call([&](minim_error* error) { return function(values.data(), values.size(), &count, error); });
  return values;
}

// A handle and what must outlive it.
template <typename T, void (*kRelease)(T*) noexcept>
class Handle {
 public:
  Handle() = default;
  Handle(T* handle, std::shared_ptr<const void> kept) : kept_(std::move(kept)), handle_(handle) {}
  Handle(Handle&& other) noexcept
      : kept_(std::move(other.kept_)), handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(kept_, other.kept_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() { kRelease(handle_); }

  T* get() const { return handle_; }
  const std::shared_ptr<const void>& kept() const { return kept_; }

 private:
  std::shared_ptr<const void> kept_;
  T* handle_ = nullptr;
};

}  // namespace detail

// ---- engine ------------------------------------------------------------------------------------

enum class LogLevel : int32_t {
  kDebug = MINIM_LOG_DEBUG,
  kInfo = MINIM_LOG_INFO,
  kWarning = MINIM_LOG_WARNING,
  kError = MINIM_LOG_ERROR,
};

// Functions here are called from several threads and must not throw.
struct EngineOptions {
  int threads = 0;  // that compute; 0: one for each processor
  std::function<void(LogLevel, std::string_view line)> log = {};
  // Where weights, caches and activations lie, from any thread; null: the system's huge pages.
  std::pmr::memory_resource* memory = nullptr;
  std::function<void(std::string_view purpose, int index)> thread_started = {};
  std::function<void(std::string_view purpose, int index)> thread_ended = {};
  bool governor = false;  // watch temperature, battery and load
  std::string system_root = "/";
};

class Engine {
 public:
  explicit Engine(const EngineOptions& options = {}) {
    auto callbacks = std::make_shared<const EngineOptions>(options);
    minim_engine* engine = nullptr;
    const minim_engine_options c = c_options(*callbacks);
    detail::call([&](minim_error* error) { return minim_engine_new(&c, &engine, error); });
    handle_ = {engine, std::move(callbacks)};
  }

  std::string_view kernels() const { return minim_engine_kernels(get()); }
  minim_engine* get() const { return handle_.get(); }

 private:
  friend class Model;

  static const EngineOptions& of(void* user) { return *static_cast<const EngineOptions*>(user); }

  static minim_engine_options c_options(const EngineOptions& options) {
    auto c = detail::sized<minim_engine_options>();
    void* const user = const_cast<EngineOptions*>(&options);
    c.threads = options.threads;
    c.governor = options.governor ? 1 : 0;
    c.system_root = options.system_root.c_str();
    if (options.log) {
      c.log_user = user;
      c.log = [](void* u, int32_t level, const char* line) {
        of(u).log(static_cast<LogLevel>(level), line);
      };
    }
    if (options.memory != nullptr) c.allocator = allocator(options.memory);
    c.thread_hooks.user = user;
    c.thread_hooks.started = [](void* u, const char* purpose, int32_t index) {
      if (of(u).thread_started) of(u).thread_started(purpose, index);
    };
    c.thread_hooks.ended = [](void* u, const char* purpose, int32_t index) {
      if (of(u).thread_ended) of(u).thread_ended(purpose, index);
    };
    return c;
  }

  // A memory_resource does not keep the alignment: everything gets the largest that minim asks for.
  static minim_allocator allocator(std::pmr::memory_resource* memory) {
    static constexpr size_t kAlignment = 4096;
    return {memory,
            [](void* user, size_t bytes, size_t) -> void* {
              try {
                return static_cast<std::pmr::memory_resource*>(user)->allocate(bytes, kAlignment);
              } catch (...) {
                return nullptr;
              }
            },
            [](void* user, void* block, size_t bytes) {
              static_cast<std::pmr::memory_resource*>(user)->deallocate(block, bytes, kAlignment);
            }};
  }

  detail::Handle<minim_engine, minim_engine_release> handle_;
};

// ---- models ------------------------------------------------------------------------------------

enum class CacheType : int32_t {
  kF16 = MINIM_CACHE_F16,
  kF32 = MINIM_CACHE_F32,
  kQ8_0 = MINIM_CACHE_Q8_0,
  kQ4_0 = MINIM_CACHE_Q4_0,
};

struct Progress {
  std::string_view stage;
  uint64_t done = 0;
  uint64_t total = 0;  // 0: unknown
  std::string_view unit;
};
// Returns whether to go on; without, the work ends with Error(kCancelled). What it throws comes out
// of the call that reports the progress.
using ProgressFunction = std::function<bool(const Progress&)>;

namespace detail {

class ProgressCall {
 public:
  explicit ProgressCall(const ProgressFunction& function) : function_(function) {}

  minim_progress_function function() const { return function_ ? &report : nullptr; }

  // call() of something that reports here.
  template <typename Function>
  void run(Function&& work) {
    try {
      call(work);
    } catch (const Error&) {
      if (thrown_) std::rethrow_exception(thrown_);
      throw;
    }
  }

 private:
  static int32_t report(void* user, const char* stage, uint64_t done, uint64_t total,
                        const char* unit) noexcept {
    auto& self = *static_cast<ProgressCall*>(user);
    try {
      return self.function_({stage, done, total, unit}) ? 1 : 0;
    } catch (...) {
      self.thrown_ = std::current_exception();
      return 0;
    }
  }

  const ProgressFunction& function_;
  std::exception_ptr thrown_;
};

}  // namespace detail

struct ModelOptions {
  CacheType cache_type = CacheType::kF16;  // of all its sessions
  int64_t context_tokens = 0;     // that a session can hold; 0: what the model can, up to 4096
  int64_t batch_tokens = 0;       // computed at once; 0: 512
  int64_t sessions_max = 0;       // that generate together; 0: 64
  uint64_t cache_bytes_max = 0;   // of all sessions and kept prefixes; 0: no bound
  uint64_t prefix_bytes_max = 0;  // kept for sessions that begin alike; 0: nothing
  bool exact = false;             // float activations where 8 bits would do; slower
  std::string tokenizer = {};     // of a llama2.c checkpoint; empty: looked for beside it
  ProgressFunction progress = {};
};

using Forecast = minim_forecast;
using ModelInfo = minim_model_info;
using ModelStatistics = minim_model_statistics;

struct TokenizeOptions {
  bool add_special = true;     // what the vocabulary puts around a text (BOS, EOS)
  bool parse_special = false;  // control tokens written in the text: for your own text only

  uint32_t flags() const {
    return (add_special ? uint32_t{MINIM_TOKENIZE_ADD_SPECIAL} : 0u) |
           (parse_special ? uint32_t{MINIM_TOKENIZE_PARSE_SPECIAL} : 0u);
  }
};

struct ChatOptions {
  bool answer = true;              // the prompt ends where an answer begins
  std::string tools = {};          // a JSON array as for OpenAI's API; empty: none
  std::string variables = {};      // a JSON object: more variables of the template; empty: none
  std::string tool_notation = {};  // "hermes", ...; empty: as the model's family writes calls

  minim_chat_options c_options() const {
    auto c = detail::sized<minim_chat_options>();
    c.no_answer = answer ? 0 : 1;
    c.tools = tools.empty() ? nullptr : tools.c_str();
    c.variables = variables.empty() ? nullptr : variables.c_str();
    c.tool_notation = tool_notation.empty() ? nullptr : tool_notation.c_str();
    return c;
  }
};

enum class Pooling : int32_t {
  kModel = MINIM_POOLING_MODEL,
  kMean = MINIM_POOLING_MEAN,
  kLast = MINIM_POOLING_LAST,
  kCls = MINIM_POOLING_CLS,
};

struct EmbedOptions {
  Pooling pooling = Pooling::kModel;
  bool normalized = true;  // of length 1
  bool truncate = false;   // cut texts that do not fit; otherwise they are Error(kLimit)
  int64_t dimensions = 0;  // keep the first ones; 0: all
};

// One row a text.
struct Embeddings {
  std::vector<float> values;  // [size(), dimensions]
  size_t dimensions = 0;
  size_t truncated = 0;  // texts that were cut

  size_t size() const { return dimensions == 0 ? 0 : values.size() / dimensions; }
  std::span<const float> operator[](size_t i) const {
    return std::span(values).subspan(i * dimensions, dimensions);
  }
};

enum class RankMethod : int32_t {
  kEmbeddings = MINIM_RANK_EMBEDDINGS,
  kLikelihood = MINIM_RANK_LIKELIHOOD,
  kJudgement = MINIM_RANK_JUDGEMENT,
};

struct RankOptions {
  RankMethod method = RankMethod::kEmbeddings;
  bool truncate = false;
  Pooling pooling = Pooling::kModel;  // of kEmbeddings
  std::string instruction = {};       // of kJudgement; empty: about web search
  std::string prompt = {};  // with {query}, {document} and {instruction}; empty: the method's
};

template <typename Range>
concept TextRange = std::ranges::input_range<Range> &&
    std::convertible_to<std::ranges::range_reference_t<Range>, std::string_view>;

class Model {
 public:
  Model(const Engine& engine, const std::string& path, const ModelOptions& options = {}) {
    detail::ProgressCall progress(options.progress);
    const minim_model_options c = c_options(options, progress);
    minim_model* model = nullptr;
    progress.run([&](minim_error* error) {
      return minim_model_open(engine.get(), path.c_str(), &c, &model, error);
    });
    handle_ = {model, engine.handle_.kept()};
  }

  // What it needs and how fast it will be here, before it is loaded.
  static Forecast forecast(const Engine& engine, const std::string& path,
                           const ModelOptions& options = {}) {
    detail::ProgressCall progress(options.progress);
    const minim_model_options c = c_options(options, progress);
    auto forecast = detail::sized<Forecast>();
    progress.run([&](minim_error* error) {
      return minim_model_forecast(engine.get(), path.c_str(), &c, &forecast, error);
    });
    return forecast;
  }

  ModelInfo info() const {
    auto info = detail::sized<ModelInfo>();
    detail::call([&](minim_error* error) { return minim_model_get_info(get(), &info, error); });
    return info;
  }
  ModelStatistics statistics() const {
    auto statistics = detail::sized<ModelStatistics>();
    detail::call(
        [&](minim_error* error) { return minim_model_get_statistics(get(), &statistics, error); });
    return statistics;
  }
  // A value of the file's metadata as text.
  std::optional<std::string_view> metadata(const std::string& key) const {
    const char* value = minim_model_metadata(get(), key.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
  }
  // What runs otherwise than it could, each in a sentence.
  std::vector<std::string> fallbacks() const {
    std::vector<std::string> all;
    for (int32_t i = 0; const char* text = minim_model_fallback(get(), i); ++i) {
      all.emplace_back(text);
    }
    return all;
  }

  std::vector<int32_t> tokenize(std::string_view text, const TokenizeOptions& options = {}) const {
    return detail::fill<std::vector<int32_t>>(
        text.size() / 2 + 8, [&](int32_t* tokens, size_t capacity, size_t* count, minim_error* e) {
          return minim_tokenize(get(), text.data(), text.size(), options.flags(), tokens, capacity,
                                count, e);
        });
  }
  std::string detokenize(std::span<const int32_t> tokens) const {
    return detail::fill<std::string>(
        tokens.size() * 8 + 8, [&](char* text, size_t capacity, size_t* size, minim_error* e) {
          return minim_detokenize(get(), tokens.data(), tokens.size(), text, capacity, size, e);
        });
  }
  // What one token adds in the middle of a text; maybe part of a character.
  std::string token_bytes(int32_t token) const {
    return detail::fill<std::string>(
        64, [&](char* bytes, size_t capacity, size_t* size, minim_error* e) {
          return minim_token_bytes(get(), token, bytes, capacity, size, e);
        });
  }
  // What Session::chat_json() would make the session hold.
  std::string chat_text(std::string_view messages_json, const ChatOptions& options = {}) const {
    const minim_chat_options c = options.c_options();
    return detail::fill<std::string>(
        messages_json.size() + 1024,
        [&](char* text, size_t capacity, size_t* size, minim_error* e) {
          return minim_chat_text(get(), messages_json.data(), messages_json.size(), &c, text,
                                 capacity, size, e);
        });
  }

  template <TextRange Range>
  Embeddings embed(const Range& texts, const EmbedOptions& options = {}) const {
    return embed(c_texts(texts), options);
  }
  Embeddings embed(std::initializer_list<std::string_view> texts,
                   const EmbedOptions& options = {}) const {
    return embed(c_texts(texts), options);
  }
  std::vector<float> embed(std::string_view text, const EmbedOptions& options = {}) const {
    return embed({text}, options).values;
  }

  // One score a document; higher is better.
  template <TextRange Range>
  std::vector<float> rerank(std::string_view query, const Range& documents,
                            const RankOptions& options = {}) const {
    return rerank(query, c_texts(documents), options);
  }
  std::vector<float> rerank(std::string_view query,
                            std::initializer_list<std::string_view> documents,
                            const RankOptions& options = {}) const {
    return rerank(query, c_texts(documents), options);
  }

  minim_model* get() const { return handle_.get(); }

 private:
  friend class Session;

  static minim_model_options c_options(const ModelOptions& options,
                                       detail::ProgressCall& progress) {
    auto c = detail::sized<minim_model_options>();
    c.cache_type = static_cast<int32_t>(options.cache_type);
    c.context_tokens = options.context_tokens;
    c.batch_tokens = options.batch_tokens;
    c.sessions_max = options.sessions_max;
    c.cache_bytes_max = options.cache_bytes_max;
    c.prefix_bytes_max = options.prefix_bytes_max;
    c.exact = options.exact ? 1 : 0;
    c.tokenizer = options.tokenizer.empty() ? nullptr : options.tokenizer.c_str();
    c.progress = progress.function();
    c.progress_user = &progress;
    return c;
  }

  template <typename Range>
  static std::vector<minim_text> c_texts(const Range& texts) {
    std::vector<minim_text> list;
    for (const std::string_view text : texts) list.push_back({text.data(), text.size()});
    return list;
  }

  Embeddings embed(const std::vector<minim_text>& texts, const EmbedOptions& options) const {
    auto c = detail::sized<minim_embed_options>();
    c.pooling = static_cast<int32_t>(options.pooling);
    c.not_normalized = options.normalized ? 0 : 1;
    c.truncate = options.truncate ? 1 : 0;
    c.dimensions = options.dimensions;
    const int64_t dimensions = options.dimensions > 0 ? options.dimensions : info().dimensions;
    Embeddings result;
    result.dimensions = static_cast<size_t>(dimensions);
    result.values.resize(texts.size() * result.dimensions);
    detail::call([&](minim_error* error) {
      return minim_embed(get(), texts.data(), texts.size(), &c, result.values.data(),
                         result.values.size(), &result.truncated, error);
    });
    return result;
  }

  std::vector<float> rerank(std::string_view query, const std::vector<minim_text>& documents,
                            const RankOptions& options) const {
    auto c = detail::sized<minim_rank_options>();
    c.method = static_cast<int32_t>(options.method);
    c.truncate = options.truncate ? 1 : 0;
    c.pooling = static_cast<int32_t>(options.pooling);
    c.instruction = options.instruction.empty() ? nullptr : options.instruction.c_str();
    c.prompt = options.prompt.empty() ? nullptr : options.prompt.c_str();
    const minim_text text = {query.data(), query.size()};
    std::vector<float> scores(documents.size());
    detail::call([&](minim_error* error) {
      return minim_rerank(get(), &text, documents.data(), documents.size(), &c, scores.data(),
                          nullptr, error);
    });
    return scores;
  }

  detail::Handle<minim_model, minim_model_release> handle_;
};

}  // namespace v1
}  // namespace minim

#include "minim/adapter.hpp"
#include "minim/speculation.hpp"
#include "minim/structured.hpp"
// What generates knows both.
#include "minim/session.hpp"
