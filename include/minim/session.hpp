// The second half of minim.hpp, which includes it: sampling, sessions, and what they generate.
#pragma once

#include "minim/adapter.hpp"
#include "minim/minim.hpp"
#include "minim/speculation.hpp"
#include "minim/structured.hpp"

namespace minim {
#if !defined(MINIM_BUILDING)
inline
#endif
    namespace v1 {

// ---- sampling ----------------------------------------------------------------------------------

using OptionInfo = minim_option_info;

// The most usual ones; Sampling::set() takes all. What is not given stays at its default.
struct SamplingOptions {
  std::optional<double> temperature = {};  // 0: always the most probable token
  std::optional<int> top_k = {};
  std::optional<double> top_p = {};
  std::optional<double> min_p = {};
  std::optional<double> repetition_penalty = {};
  std::optional<uint64_t> seed = {};  // 0: another one for each generation
  std::optional<int> logprobs = {};   // of the chosen token, and of this many others
  std::vector<std::string> stop = {};
};

class Sampling {
 public:
  Sampling(const SamplingOptions& options = {}) {
    minim_sampling* sampling = nullptr;
    detail::call([&](minim_error* error) { return minim_sampling_new(&sampling, error); });
    handle_ = {sampling, nullptr};
    const auto set_given = [this](const char* name, const auto& value) {
      if (value) set(name, static_cast<double>(*value));
    };
    set_given("temperature", options.temperature);
    set_given("top-k", options.top_k);
    set_given("top-p", options.top_p);
    set_given("min-p", options.min_p);
    set_given("repetition-penalty", options.repetition_penalty);
    set_given("logprobs", options.logprobs);
    if (options.seed) set("seed", std::to_string(*options.seed));
    for (const std::string& text : options.stop) add_stop(text);
  }

  Sampling& set(const std::string& name, double value) {
    detail::call([&](minim_error* error) {
      return minim_sampling_set_number(get(), name.c_str(), value, error);
    });
    return *this;
  }
  Sampling& set(const std::string& name, std::string_view value) {
    detail::call([&](minim_error* error) {
      return minim_sampling_set_text(get(), name.c_str(), value.data(), value.size(), error);
    });
    return *this;
  }
  Sampling& add_stop(std::string_view text) {
    detail::call([&](minim_error* error) {
      return minim_sampling_add_stop(get(), text.data(), text.size(), error);
    });
    return *this;
  }
  Sampling& add_stop_token(int32_t token) {
    detail::call(
        [&](minim_error* error) { return minim_sampling_add_stop_token(get(), token, error); });
    return *this;
  }
  // Added to the token's logit; minus infinity bans it.
  Sampling& set_bias(int32_t token, float bias) {
    detail::call(
        [&](minim_error* error) { return minim_sampling_set_bias(get(), token, bias, error); });
    return *this;
  }
  // Throws where a value is out of its bounds or an option that was set has no effect.
  void check() const {
    detail::call([&](minim_error* error) { return minim_sampling_check(get(), error); });
  }
  Sampling clone() const {
    minim_sampling* copy = nullptr;
    detail::call([&](minim_error* error) { return minim_sampling_clone(get(), &copy, error); });
    Sampling result((Empty()));
    result.handle_ = {copy, nullptr};
    return result;
  }

  // All options that set() takes.
  static std::vector<OptionInfo> options() {
    std::vector<OptionInfo> all;
    auto info = detail::sized<OptionInfo>();
    while (minim_sampling_option(all.size(), &info, nullptr) == MINIM_OK) all.push_back(info);
    return all;
  }

  minim_sampling* get() const { return handle_.get(); }

 private:
  struct Empty {};
  explicit Sampling(Empty) {}

  detail::Handle<minim_sampling, minim_sampling_release> handle_;
};

// ---- events ------------------------------------------------------------------------------------

enum class EventType : int32_t {
  kNone = MINIM_EVENT_NONE,
  kProgress = MINIM_EVENT_PROGRESS,
  kToken = MINIM_EVENT_TOKEN,
  kPartialJson = MINIM_EVENT_PARTIAL_JSON,
  kToolCall = MINIM_EVENT_TOOL_CALL,
  kContextOverflow = MINIM_EVENT_CONTEXT_OVERFLOW,
  kBackendFallback = MINIM_EVENT_BACKEND_FALLBACK,
  kThermal = MINIM_EVENT_THERMAL,
  kDone = MINIM_EVENT_DONE,
};

enum class DoneReason : int32_t {
  kNone = 0,
  kEndOfText = MINIM_DONE_END_OF_TEXT,
  kTokensMax = MINIM_DONE_TOKENS_MAX,
  kContextFull = MINIM_DONE_CONTEXT_FULL,
  kStopToken = MINIM_DONE_STOP_TOKEN,
  kStopString = MINIM_DONE_STOP_STRING,
  kCancelled = MINIM_DONE_CANCELLED,
  kError = MINIM_DONE_ERROR,
};

using TokenLogprob = minim_token_logprob;

// As minim_event, which says what is set when. Views live until the next event.
struct Event {
  EventType type = EventType::kNone;
  std::string_view text;  // those of all events together are the answer
  int32_t token = -1;
  float logprob = 0;
  std::span<const TokenLogprob> top;
  int64_t done = 0;
  int64_t total = 0;
  DoneReason reason = DoneReason::kNone;
  Status status = Status::kOk;
  std::string_view detail;
  bool complete = false;  // with kDone
  int call_index = 0;     // with kToolCall, as the next
  std::string_view call_name;
  std::string_view call_arguments;
};

// What a session generates, event by event; the last one is kDone. Ending with an error throws it.
// Letting go of it before the end cancels. The session must outlive it.
class Generation {
 public:
  class Iterator {
   public:
    using value_type = Event;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    const Event& operator*() const { return generation_->event_; }
    const Event* operator->() const { return &generation_->event_; }
    Iterator& operator++() {
      generation_->advance();
      return *this;
    }
    void operator++(int) { generation_->advance(); }
    friend bool operator==(const Iterator& at, std::default_sentinel_t) { return at.passed(); }

   private:
    friend class Generation;
    explicit Iterator(Generation* generation) : generation_(generation) {}
    bool passed() const { return generation_->passed_; }
    Generation* generation_;
  };

  explicit Generation(minim_session* session) : session_(session) {}
  Generation(Generation&& other) noexcept
      : session_(std::exchange(other.session_, nullptr)),
        event_(other.event_),
        begun_(other.begun_),
        passed_(other.passed_) {}
  Generation& operator=(Generation&&) = delete;
  ~Generation() {
    if (session_ == nullptr || event_.type == EventType::kDone) return;
    minim_session_cancel(session_);
    auto event = detail::sized<minim_event>();
    while (minim_session_next(session_, &event, -1, nullptr) == MINIM_OK &&
           event.type != MINIM_EVENT_DONE && event.type != MINIM_EVENT_NONE) {
    }
  }

  // Waits for the first event. To be called once.
  Iterator begin() {
    if (!std::exchange(begun_, true)) advance();
    return Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

  // The next event within `timeout_ms` milliseconds, or one of type kNone; after kDone always that.
  // In place of the iterators, for event loops.
  const Event& next(int32_t timeout_ms) {
    auto c = detail::sized<minim_event>();
    if (event_.type == EventType::kDone) session_ = nullptr;
    if (session_ == nullptr) return event_ = {};
    detail::call([&](minim_error* e) { return minim_session_next(session_, &c, timeout_ms, e); });
    event_ = {static_cast<EventType>(c.type),
              {c.text, c.text_size},
              c.token,
              c.logprob,
              {c.top, c.top_count},
              c.done,
              c.total,
              static_cast<DoneReason>(c.reason),
              static_cast<Status>(c.status),
              c.detail,
              c.complete != 0,
              c.call_index,
              c.call_name,
              c.call_arguments};
    if (event_.reason == DoneReason::kError) throw Error(event_.status, c.detail);
    return event_;
  }

 private:
  void advance() {
    if (event_.type == EventType::kDone) {
      passed_ = true;
    } else if (next(-1).type == EventType::kNone) {
      passed_ = true;  // somebody else pulled the last event
    }
  }

  minim_session* session_;
  Event event_;
  bool begun_ = false;
  bool passed_ = false;
};

// ---- sessions ----------------------------------------------------------------------------------

enum class Overflow : int32_t {
  kStop = MINIM_OVERFLOW_STOP,
  kError = MINIM_OVERFLOW_ERROR,
  kShift = MINIM_OVERFLOW_SHIFT,
};

struct SessionOptions {
  Overflow overflow = Overflow::kStop;
  int64_t context_tokens = 0;  // 0: the model's
  int64_t shift_sinks = 4;     // first tokens that a shift keeps
  double shift_share = 0.5;    // of the rest that it drops at once
  bool shift_reread = false;   // read again what stays
  int priority = 0;            // higher goes first when sessions wait
};

struct GenerateOptions {
  int64_t tokens_max = -1;  // -1: until the model or the context ends
  bool progress = true;     // EventType::kProgress
  bool partial_json = false;
  bool tool_calls = false;                 // without `tools`
  const Constraint* constraint = nullptr;  // of the same model
  std::string constraint_prefix = {};      // what of its text was said before
  const Tools* tools = nullptr;            // of the same model; not together with a constraint
  const Draft* draft = nullptr;            // of the same model, to guess with
  bool lookup = true;                      // guess from what the text says already
};

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
};

using SessionStatistics = minim_session_statistics;

class Session {
 public:
  explicit Session(const Model& model, const SessionOptions& options = {}) {
    auto c = detail::sized<minim_session_options>();
    c.overflow = static_cast<int32_t>(options.overflow);
    c.context_tokens = options.context_tokens;
    c.shift_sinks = options.shift_sinks;
    c.shift_share = options.shift_share;
    c.shift_reread = options.shift_reread ? 1 : 0;
    c.priority = options.priority;
    minim_session* session = nullptr;
    detail::call(
        [&](minim_error* error) { return minim_session_new(model.get(), &c, &session, error); });
    handle_ = {session, model.handle_.kept()};
  }

  Session(Session&&) noexcept = default;
  Session& operator=(Session&& other) noexcept {
    handle_ = std::move(other.handle_);  // before the function that it may call
    on_event_ = std::move(other.on_event_);
    return *this;
  }

  // What it computes with besides the model from now on, each adapter's change times its weight; no
  // weights: all 1. It must have read nothing, or be rewound to its beginning.
  void set_adapters(std::span<const Adapter> adapters, std::span<const float> weights = {}) {
    if (!weights.empty() && weights.size() != adapters.size()) {
      throw Error(Status::kInvalidArgument, "session: as many weights as adapters are wanted");
    }
    std::vector<const minim_adapter*> handles;
    for (const Adapter& adapter : adapters) handles.push_back(adapter.get());
    detail::call([&](minim_error* error) {
      return minim_session_set_adapters(
          get(), handles.data(), weights.empty() ? nullptr : weights.data(), handles.size(), error);
    });
  }

  // Tokens read, and tokens appended that are read next.
  int64_t length() const { return minim_session_length(get()); }
  std::vector<int32_t> tokens() const {
    return detail::fill<std::vector<int32_t>>(
        static_cast<size_t>(length()),
        [&](int32_t* tokens, size_t capacity, size_t* count, minim_error* error) {
          return minim_session_tokens(get(), tokens, capacity, count, error);
        });
  }
  void append(std::string_view text, const TokenizeOptions& options = {}) {
    detail::call([&](minim_error* error) {
      return minim_session_append_text(get(), text.data(), text.size(), options.flags(), error);
    });
  }
  void append(std::span<const int32_t> tokens) {
    detail::call([&](minim_error* error) {
      return minim_session_append_tokens(get(), tokens.data(), tokens.size(), error);
    });
  }
  // Forgets everything from `length` on.
  void rewind(int64_t length) {
    detail::call([&](minim_error* error) { return minim_session_rewind(get(), length, error); });
  }
  // Reads now what was appended.
  void read(const ProgressFunction& function = {}) {
    detail::ProgressCall progress(function);
    progress.run([&](minim_error* error) {
      return minim_session_read(get(), progress.function(), &progress, error);
    });
  }

  // Makes the session hold this conversation; what is the same already is kept.
  void chat(std::span<const Message> messages, const ChatOptions& options = {}) {
    std::vector<minim_message> list;
    for (const Message& message : messages) {
      list.push_back({message.role.c_str(), message.content.c_str()});
    }
    const minim_chat_options c = options.c_options();
    detail::call([&](minim_error* error) {
      return minim_session_set_messages(get(), list.data(), list.size(), &c, error);
    });
  }
  void chat(std::initializer_list<Message> messages, const ChatOptions& options = {}) {
    chat(std::span(messages.begin(), messages.size()), options);
  }
  void chat_json(std::string_view messages, const ChatOptions& options = {}) {
    const minim_chat_options c = options.c_options();
    detail::call([&](minim_error* error) {
      return minim_session_set_messages_json(get(), messages.data(), messages.size(), &c, error);
    });
  }

  Session clone() const {
    minim_session* copy = nullptr;
    detail::call([&](minim_error* error) { return minim_session_clone(get(), &copy, error); });
    return Session(copy, handle_.kept());
  }
  void save(const std::string& path) const {
    detail::call([&](minim_error* e) { return minim_session_save(get(), path.c_str(), e); });
  }
  void load(const std::string& path) {
    detail::call([&](minim_error* e) { return minim_session_load(get(), path.c_str(), e); });
  }
  std::vector<std::byte> save_bytes() const {
    void* bytes = nullptr;
    size_t size = 0;
    detail::call([&](minim_error* e) { return minim_session_save_bytes(get(), &bytes, &size, e); });
    const std::unique_ptr<void, decltype(&minim_bytes_release)> owned(bytes, minim_bytes_release);
    const auto* begin = static_cast<const std::byte*>(bytes);
    return {begin, begin + size};
  }
  void load_bytes(std::span<const std::byte> bytes) {
    detail::call([&](minim_error* error) {
      return minim_session_load_bytes(get(), bytes.data(), bytes.size(), error);
    });
  }

  // Begins to generate; the model's own thread computes.
  [[nodiscard]] Generation generate(const Sampling& sampling = {},
                                    const GenerateOptions& options = {}) {
    auto c = detail::sized<minim_generate_options>();
    c.progress = options.progress ? 1 : 0;
    c.tokens_max = options.tokens_max;
    c.partial_json = options.partial_json ? 1 : 0;
    c.tool_calls = options.tool_calls ? 1 : 0;
    c.constraint = options.constraint == nullptr ? nullptr : options.constraint->get();
    c.constraint_prefix =
        options.constraint_prefix.empty() ? nullptr : options.constraint_prefix.c_str();
    c.tools = options.tools == nullptr ? nullptr : options.tools->get();
    c.draft = options.draft == nullptr ? nullptr : options.draft->get();
    c.no_lookup = options.lookup ? 0 : 1;
    detail::call([&](minim_error* error) {
      return minim_session_generate(get(), sampling.get(), &c, error);
    });
    return Generation(get());
  }
  // The whole answer at once.
  std::string generate_text(const Sampling& sampling = {}, const GenerateOptions& options = {}) {
    std::string text;
    for (const Event& event : generate(sampling, options)) text += event.text;
    return text;
  }
  // From any thread.
  void cancel() { minim_session_cancel(get()); }
  // Called from minim's thread when an event comes into an empty queue; must not throw.
  void on_event(std::function<void()> function) {
    auto held = function ? std::make_unique<std::function<void()>>(std::move(function)) : nullptr;
    void (*const call_held)(void*) = [](void* user) {
      (*static_cast<std::function<void()>*>(user))();
    };
    detail::call([&](minim_error* error) {
      return minim_session_on_event(get(), held ? call_held : nullptr, held.get(), error);
    });
    on_event_ = std::move(held);
  }

  // Of the last generation or read(); from any thread.
  SessionStatistics statistics() const {
    auto statistics = detail::sized<SessionStatistics>();
    detail::call([&](minim_error* error) {
      return minim_session_get_statistics(get(), &statistics, error);
    });
    return statistics;
  }

  minim_session* get() const { return handle_.get(); }

 private:
  Session(minim_session* session, std::shared_ptr<const void> kept)
      : handle_(session, std::move(kept)) {}

  std::unique_ptr<std::function<void()>> on_event_;  // goes after the handle
  detail::Handle<minim_session, minim_session_release> handle_;
};

}  // namespace v1
}  // namespace minim
