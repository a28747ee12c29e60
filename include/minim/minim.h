// The public C API of minim: language models on this machine, in this process.
//
// Handles are opaque. Structs that may grow begin with `struct_size`; their MINIM_..._INIT sets it
// and the defaults, and a library of another version reads and writes no more than that. Enums keep
// their numbers. Nothing throws, prints or exits. What fails returns a status other than MINIM_OK,
// leaves everything as it was, and says what was wrong, where, and what to do in `error`, which may
// be null, as every `error` here.
//
// Engines and models may be used from any thread, and so may samplings that nobody changes. A
// session belongs to one thread at a time, except where a function says otherwise. Text is UTF-8; a
// `size` of MINIM_TEXT_END stands for text that ends at its first zero byte. Releasing null is
// allowed, and handles may be released in any order.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#define MINIM_NOEXCEPT noexcept
extern "C" {
#else
#define MINIM_NOEXCEPT
#endif
#define MINIM_API __attribute__((visibility("default")))

// A struct that says its own size; the rest of it is zero, and zero is the default.
#if defined(__cplusplus)
#define MINIM_SIZED(type) \
  { uint32_t(sizeof(type)) }
#else
#define MINIM_SIZED(type) \
  { .struct_size = (uint32_t)sizeof(type) }
#endif

#define MINIM_ABI_VERSION 1
#define MINIM_TEXT_END ((size_t)-1)

// The ABI that the library was built with, and its version as text: "0.1.0".
MINIM_API uint32_t minim_abi_version(void) MINIM_NOEXCEPT;
MINIM_API const char* minim_version(void) MINIM_NOEXCEPT;

// ---- errors ------------------------------------------------------------------------------------

typedef enum minim_status {
  MINIM_OK = 0,
  MINIM_INVALID_ARGUMENT = 1,  // the caller asked for something that makes no sense
  MINIM_NOT_FOUND = 2,         // a file, an option, a template that is not there
  MINIM_IO = 3,                // the operating system refused a read or a write
  MINIM_FORMAT = 4,            // a file or a text that breaks its own format
  MINIM_UNSUPPORTED = 5,       // well formed, but not something that minim can do
  MINIM_LIMIT = 6,             // a bound on memory, size, steps or depth was reached
  MINIM_CANCELLED = 7,         // the caller asked to stop
  MINIM_BUSY = 8,              // the session is generating; cancel it or pull to its end first
  MINIM_OUT_OF_MEMORY = 9,
  MINIM_INTERNAL = 10,  // a bug of minim
} minim_status;
// "format", "not found", ...
MINIM_API const char* minim_status_name(int32_t status) MINIM_NOEXCEPT;

typedef struct minim_error {
  int32_t status;      // minim_status
  char message[1020];  // cut at a whole character if it is longer
} minim_error;

// ---- engine: threads, kernels, hooks -----------------------------------------------------------

typedef struct minim_engine minim_engine;

typedef enum minim_log_level {
  MINIM_LOG_DEBUG = 0,
  MINIM_LOG_INFO = 1,
  MINIM_LOG_WARNING = 2,
  MINIM_LOG_ERROR = 3,
} minim_log_level;

// Called from any thread, also from several at once. Must not call back into minim.
typedef void (*minim_log_function)(void* user, int32_t level, const char* line);

// Where weights, caches and activations lie, in place of huge pages of the system: everything that
// is large and stays. Called from any thread. `allocate` may return null: MINIM_OUT_OF_MEMORY.
typedef struct minim_allocator {
  void* user;
  void* (*allocate)(void* user, size_t bytes, size_t alignment);
  void (*release)(void* user, void* memory, size_t bytes);
} minim_allocator;

// Called in every thread that minim makes: at its start, before any work, and at its end. For
// names, priorities, processors. `index` counts from 0; `purpose` is "worker" or "scheduler".
typedef struct minim_thread_hooks {
  void* user;
  void (*started)(void* user, const char* purpose, int32_t index);
  void (*ended)(void* user, const char* purpose, int32_t index);
} minim_thread_hooks;

typedef struct minim_engine_options {
  uint32_t struct_size;
  int32_t threads;         // that compute; 0: one for each processor, or as `minim tune` found
  minim_log_function log;  // may be null
  void* log_user;
  minim_allocator allocator;        // all null: the system's huge pages
  minim_thread_hooks thread_hooks;  // may be null
  // Nonzero: watch temperature, battery and load, and use fewer threads and pauses where they ask
  // for it; sessions then get MINIM_EVENT_THERMAL.
  int32_t governor;
  const char* system_root;  // where sysfs and procfs lie, for tests; null: "/"
} minim_engine_options;
#define MINIM_ENGINE_OPTIONS_INIT MINIM_SIZED(minim_engine_options)

// `options` may be null.
MINIM_API minim_status minim_engine_new(const minim_engine_options* options, minim_engine** engine,
                                        minim_error* error) MINIM_NOEXCEPT;
// The engine goes once its models, and their sessions, are released too.
MINIM_API void minim_engine_release(minim_engine* engine) MINIM_NOEXCEPT;
// The instruction set that its kernels use: "avx2", ...
MINIM_API const char* minim_engine_kernels(const minim_engine* engine) MINIM_NOEXCEPT;

// ---- models ------------------------------------------------------------------------------------

typedef struct minim_model minim_model;

typedef enum minim_cache_type {
  MINIM_CACHE_F16 = 0,
  MINIM_CACHE_F32 = 1,
  MINIM_CACHE_Q8_0 = 2,
  MINIM_CACHE_Q4_0 = 3,
} minim_cache_type;

// Long work reports how far it is; returning 0 stops it with MINIM_CANCELLED. `total` 0: unknown.
typedef int32_t (*minim_progress_function)(void* user, const char* stage, uint64_t done,
                                           uint64_t total, const char* unit);

typedef struct minim_model_options {
  uint32_t struct_size;
  int32_t cache_type;         // minim_cache_type of all its sessions
  int64_t context_tokens;     // the most that a session can hold; 0: what the model can, up to 4096
  int64_t batch_tokens;       // computed at once; 0: 512
  int64_t sessions_max;       // that generate together, others wait; 0: 64
  uint64_t cache_bytes_max;   // of all sessions and of kept prefixes together; 0: no bound
  uint64_t prefix_bytes_max;  // of what is kept for sessions that begin alike; 0: nothing is kept
  int32_t exact;              // nonzero: float activations where 8 bits would do; slower
  const char* tokenizer;      // of a llama2.c checkpoint; null: looked for beside it
  minim_progress_function progress;  // may be null
  void* progress_user;
} minim_model_options;
#define MINIM_MODEL_OPTIONS_INIT MINIM_SIZED(minim_model_options)

// What a model needs and how fast it will be here, told before it is loaded.
typedef struct minim_forecast {
  uint32_t struct_size;
  int32_t fits;           // nonzero: in the memory that is free now
  uint64_t weight_bytes;  // resident
  uint64_t cache_bytes;   // of one full context
  uint64_t activation_bytes;
  uint64_t available_bytes;         // on this machine now; 0: unknown
  double prompt_tokens_per_second;  // estimates
  double generated_tokens_per_second;
} minim_forecast;
#define MINIM_FORECAST_INIT MINIM_SIZED(minim_forecast)
// Takes a second or two. `options` may be null.
MINIM_API minim_status minim_model_forecast(minim_engine* engine, const char* path,
                                            const minim_model_options* options,
                                            minim_forecast* forecast,
                                            minim_error* error) MINIM_NOEXCEPT;

// A GGUF file, a Hugging Face folder or a llama2.c checkpoint, or "builtin:nano": the model that is
// part of the library, unless that was built without. `options` may be null.
MINIM_API minim_status minim_model_open(minim_engine* engine, const char* path,
                                        const minim_model_options* options, minim_model** model,
                                        minim_error* error) MINIM_NOEXCEPT;
// The model goes once its sessions are released too.
MINIM_API void minim_model_release(minim_model* model) MINIM_NOEXCEPT;

typedef struct minim_model_info {
  uint32_t struct_size;
  int32_t vocabulary_size;
  const char* architecture;  // these live as long as the model
  const char* name;          // may be empty
  uint64_t parameters;
  uint64_t weight_bytes;           // resident
  int64_t context_tokens;          // that a session can hold
  int64_t trained_context_tokens;  // that one could, by the model's file
  int64_t dimensions;              // of an embedding
  int32_t has_chat_template;
  int32_t fallback_count;  // see minim_model_fallback()
  int32_t bos_token;       // what a text begins with; -1: none
  int32_t eos_token;       // what ends it; -1: none
} minim_model_info;
#define MINIM_MODEL_INFO_INIT MINIM_SIZED(minim_model_info)
MINIM_API minim_status minim_model_get_info(const minim_model* model, minim_model_info* info,
                                            minim_error* error) MINIM_NOEXCEPT;
// A value of the file's metadata as text; null where there is none. Lives as long as the model.
MINIM_API const char* minim_model_metadata(const minim_model* model,
                                           const char* key) MINIM_NOEXCEPT;
// What runs otherwise than it could, in a sentence: slower kernels than the machine has, tensors
// that are not used. Null past the end. A session's first generation tells them as events too.
MINIM_API const char* minim_model_fallback(const minim_model* model, int32_t index) MINIM_NOEXCEPT;

// ---- tokens ------------------------------------------------------------------------------------

typedef enum minim_tokenize_flags {
  MINIM_TOKENIZE_ADD_SPECIAL = 1,    // what the vocabulary puts around a text (BOS, EOS)
  MINIM_TOKENIZE_PARSE_SPECIAL = 2,  // control tokens written in the text: for your own text only
} minim_tokenize_flags;

// Writes up to `capacity` tokens and tells how many there are; ask again with more room if they are
// more. `tokens` may be null with a capacity of 0.
MINIM_API minim_status minim_tokenize(const minim_model* model, const char* text, size_t size,
                                      uint32_t flags, int32_t* tokens, size_t capacity,
                                      size_t* count, minim_error* error) MINIM_NOEXCEPT;
// The text of tokens, likewise; a zero byte follows it if there is room.
MINIM_API minim_status minim_detokenize(const minim_model* model, const int32_t* tokens,
                                        size_t token_count, char* text, size_t capacity,
                                        size_t* size, minim_error* error) MINIM_NOEXCEPT;
// The bytes that one token adds in the middle of a text, likewise; maybe part of a character.
MINIM_API minim_status minim_token_bytes(const minim_model* model, int32_t token, char* bytes,
                                         size_t capacity, size_t* size,
                                         minim_error* error) MINIM_NOEXCEPT;

// ---- sampling ----------------------------------------------------------------------------------

// How the next token is chosen, and when the text ends. Options go by name, as the flags of
// `minim run` do: "temperature", "top-k", "top-p", "min-p", "seed", "repetition-penalty",
// "dry-multiplier", "mirostat", "logprobs", ...; minim_sampling_option() lists them. A "seed" of 0
// is another one for each generation.
typedef struct minim_sampling minim_sampling;

MINIM_API minim_status minim_sampling_new(minim_sampling** sampling,
                                          minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_sampling_clone(const minim_sampling* sampling, minim_sampling** clone,
                                            minim_error* error) MINIM_NOEXCEPT;
MINIM_API void minim_sampling_release(minim_sampling* sampling) MINIM_NOEXCEPT;

// MINIM_NOT_FOUND for an unknown name. Lists ("ban", "dry-breaker") get one more entry by each call
// of set_text; "samplers" takes the steps in order: "top-k;top-p;temperature".
MINIM_API minim_status minim_sampling_set_number(minim_sampling* sampling, const char* name,
                                                 double value, minim_error* error) MINIM_NOEXCEPT;
// Numbers as text too: "seed" has 64 bits.
MINIM_API minim_status minim_sampling_set_text(minim_sampling* sampling, const char* name,
                                               const char* value, size_t size,
                                               minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_sampling_add_stop(minim_sampling* sampling, const char* text,
                                               size_t size, minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_sampling_add_stop_token(minim_sampling* sampling, int32_t token,
                                                     minim_error* error) MINIM_NOEXCEPT;
// Added to the token's logit; minus infinity bans it.
MINIM_API minim_status minim_sampling_set_bias(minim_sampling* sampling, int32_t token, float bias,
                                               minim_error* error) MINIM_NOEXCEPT;
// Whether every value is in its bounds and every option that was set has an effect; if not, the
// message has the names of options in backquotes: "sampling: `top-p` would do nothing: `samplers`
// does not list 'top-p'". Generating checks the bounds only.
MINIM_API minim_status minim_sampling_check(const minim_sampling* sampling,
                                            minim_error* error) MINIM_NOEXCEPT;

typedef enum minim_option_kind {
  MINIM_OPTION_NUMBER = 0,
  MINIM_OPTION_INTEGER = 1,
  MINIM_OPTION_SWITCH = 2,
  MINIM_OPTION_TEXT = 3,
  MINIM_OPTION_TEXT_LIST = 4,
} minim_option_kind;

typedef struct minim_option_info {
  uint32_t struct_size;
  int32_t kind;               // minim_option_kind
  const char* name;           // all texts live for ever
  const char* group;          // "Sampling", "Against repetition", ...
  const char* help;           // one line
  const char* default_value;  // as text
  const char* bounds;         // in words: "between 0 and 1"; may be empty
} minim_option_info;
#define MINIM_OPTION_INFO_INIT MINIM_SIZED(minim_option_info)
// The options, one by one; MINIM_NOT_FOUND past the end.
MINIM_API minim_status minim_sampling_option(size_t index, minim_option_info* info,
                                             minim_error* error) MINIM_NOEXCEPT;

// ---- sessions ----------------------------------------------------------------------------------

typedef struct minim_session minim_session;

typedef enum minim_overflow {
  MINIM_OVERFLOW_STOP = 0,   // the generation ends with MINIM_DONE_CONTEXT_FULL
  MINIM_OVERFLOW_ERROR = 1,  // it ends with MINIM_LIMIT
  MINIM_OVERFLOW_SHIFT = 2,  // tokens from the middle are dropped, with an event, and it goes on
} minim_overflow;

typedef struct minim_session_options {
  uint32_t struct_size;
  int32_t overflow;        // minim_overflow: when the context is full
  int64_t context_tokens;  // 0: the model's
  int64_t shift_sinks;     // first tokens that a shift keeps
  double shift_share;      // of the rest that it drops at once, above 0, at most 1
  // Nonzero: a shift reads again what stays, as if it were all that was ever said; slower.
  int32_t shift_reread;
  int32_t priority;  // higher goes first when sessions wait; 0 is usual
} minim_session_options;
#define MINIM_SESSION_OPTIONS_INIT \
  { (uint32_t)sizeof(minim_session_options), MINIM_OVERFLOW_STOP, 0, 4, 0.5, 0, 0 }

// `options` may be null.
MINIM_API minim_status minim_session_new(minim_model* model, const minim_session_options* options,
                                         minim_session** session,
                                         minim_error* error) MINIM_NOEXCEPT;
// Cancels what it generates.
MINIM_API void minim_session_release(minim_session* session) MINIM_NOEXCEPT;

// What the session holds: tokens read, and tokens appended that the next generation, or read(),
// reads first.
MINIM_API int64_t minim_session_length(const minim_session* session) MINIM_NOEXCEPT;
MINIM_API minim_status minim_session_tokens(const minim_session* session, int32_t* tokens,
                                            size_t capacity, size_t* count,
                                            minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_session_append_text(minim_session* session, const char* text,
                                                 size_t size, uint32_t tokenize_flags,
                                                 minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_session_append_tokens(minim_session* session, const int32_t* tokens,
                                                   size_t count, minim_error* error) MINIM_NOEXCEPT;
// Forgets everything from `length` on.
MINIM_API minim_status minim_session_rewind(minim_session* session, int64_t length,
                                            minim_error* error) MINIM_NOEXCEPT;
// Reads now what was appended, so that the next generation begins at once. Where `progress` stops
// it, what was appended stays, read or still to be read.
MINIM_API minim_status minim_session_read(minim_session* session, minim_progress_function progress,
                                          void* progress_user, minim_error* error) MINIM_NOEXCEPT;

typedef struct minim_message {
  const char* role;     // "system", "user", "assistant", "tool"
  const char* content;  // ends at its first zero byte
} minim_message;

typedef struct minim_chat_options {
  uint32_t struct_size;
  int32_t no_answer;  // nonzero: the prompt does not end where an answer begins
  // A JSON array as for OpenAI's API; null: none. Where the model's template knows no tools, they
  // are described in the system message or the first of the user.
  const char* tools;
  const char* variables;  // a JSON object: more variables of the template; null: none
  // How calls are written where the template knows no tools: "hermes", "llama", "mistral",
  // "mistral-args", "phi", "gemma", "qwen-xml"; null: as the model's family does.
  const char* tool_notation;
} minim_chat_options;
#define MINIM_CHAT_OPTIONS_INIT MINIM_SIZED(minim_chat_options)

// Makes the session hold this conversation, written as the model's template asks. What it holds
// already and is the same is kept, so that a conversation is read once; what differs is forgotten.
// Text that looks like a special token stays text. MINIM_UNSUPPORTED where the model has no
// template, MINIM_LIMIT where the conversation does not fit the context.
MINIM_API minim_status minim_session_set_messages(minim_session* session,
                                                  const minim_message* messages, size_t count,
                                                  const minim_chat_options* options,
                                                  minim_error* error) MINIM_NOEXCEPT;
// The same with messages as a JSON array, for tool calls and what else a template takes.
MINIM_API minim_status minim_session_set_messages_json(minim_session* session, const char* json,
                                                       size_t size,
                                                       const minim_chat_options* options,
                                                       minim_error* error) MINIM_NOEXCEPT;

// What these two would make the session hold, as text; as minim_detokenize().
MINIM_API minim_status minim_chat_text(const minim_model* model, const char* messages_json,
                                       size_t messages_size, const minim_chat_options* options,
                                       char* text, size_t capacity, size_t* size,
                                       minim_error* error) MINIM_NOEXCEPT;

// Another session in the same state; blocks of the cache are shared until one of the two writes.
MINIM_API minim_status minim_session_clone(const minim_session* session, minim_session** clone,
                                           minim_error* error) MINIM_NOEXCEPT;
// To a checked file, and back into a session of the same model and cache type. What follows is what
// would have followed.
MINIM_API minim_status minim_session_save(const minim_session* session, const char* path,
                                          minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_session_load(minim_session* session, const char* path,
                                          minim_error* error) MINIM_NOEXCEPT;
// The same to memory: `bytes` is released by minim_bytes_release().
MINIM_API minim_status minim_session_save_bytes(const minim_session* session, void** bytes,
                                                size_t* size, minim_error* error) MINIM_NOEXCEPT;
MINIM_API minim_status minim_session_load_bytes(minim_session* session, const void* bytes,
                                                size_t size, minim_error* error) MINIM_NOEXCEPT;
MINIM_API void minim_bytes_release(void* bytes) MINIM_NOEXCEPT;

// ---- generating --------------------------------------------------------------------------------

typedef struct minim_constraint minim_constraint;  // structured.h, as the next
typedef struct minim_tools minim_tools;
typedef struct minim_draft minim_draft;  // speculation.h

// The texts of all events, put together, are the answer. What else there is to say is in `detail`.
typedef enum minim_event_type {
  MINIM_EVENT_NONE = 0,              // the time was up, or nothing is being generated
  MINIM_EVENT_PROGRESS = 1,          // `done` of `total` tokens of the prompt are read
  MINIM_EVENT_TOKEN = 2,             // `token`, `logprob`, `top`, `text`: what it made certain
  MINIM_EVENT_PARTIAL_JSON = 3,      // `detail`: the JSON value said so far, completed
  MINIM_EVENT_TOOL_CALL = 4,         // `call_...`; `detail`: {"name": ..., "arguments": {...}}
  MINIM_EVENT_CONTEXT_OVERFLOW = 5,  // `done` tokens were kept at the front, `total` dropped
  MINIM_EVENT_BACKEND_FALLBACK = 6,  // `detail`: as by minim_model_fallback()
  MINIM_EVENT_THERMAL = 7,           // `detail`: what the governor changed, and why
  MINIM_EVENT_DONE = 8,              // `reason`; `text`: what was held back and is text after all
} minim_event_type;

typedef enum minim_done_reason {
  MINIM_DONE_END_OF_TEXT = 1,  // the model ended the text, or its constraint allows nothing more
  MINIM_DONE_TOKENS_MAX = 2,
  MINIM_DONE_CONTEXT_FULL = 3,
  MINIM_DONE_STOP_TOKEN = 4,
  MINIM_DONE_STOP_STRING = 5,  // `detail`: which
  MINIM_DONE_CANCELLED = 6,
  MINIM_DONE_ERROR = 7,  // `status`, and `detail` says what was wrong
} minim_done_reason;
// "end of text", "length", ...
MINIM_API const char* minim_done_reason_name(int32_t reason) MINIM_NOEXCEPT;

typedef struct minim_token_logprob {
  int32_t token;
  float logprob;
} minim_token_logprob;

// Texts end with a zero byte and live until the next call that gets the session.
typedef struct minim_event {
  uint32_t struct_size;
  int32_t type;      // minim_event_type
  const char* text;  // never null; whole characters
  size_t text_size;  // bytes
  int32_t token;
  float logprob;  // with the option "logprobs" only, as `top`: of the model itself
  const minim_token_logprob* top;
  size_t top_count;
  int64_t done;
  int64_t total;
  int32_t reason;      // minim_done_reason
  int32_t status;      // minim_status
  const char* detail;  // never null; whole characters
  // With MINIM_EVENT_DONE: nonzero where the text is one of its constraint; a text that was cut, or
  // ended by a stop string, is none. Nonzero without a constraint.
  int32_t complete;
  int32_t call_index;          // with MINIM_EVENT_TOOL_CALL: from 0
  const char* call_name;       // never null, as the next
  const char* call_arguments;  // a JSON object
} minim_event;
#define MINIM_EVENT_INIT MINIM_SIZED(minim_event)

typedef struct minim_generate_options {
  uint32_t struct_size;
  int32_t progress;      // nonzero: MINIM_EVENT_PROGRESS while the prompt is read
  int64_t tokens_max;    // generate at most this many; -1: until the model or the context ends
  int32_t partial_json;  // nonzero: MINIM_EVENT_PARTIAL_JSON after each token that adds to it
  // Nonzero: MINIM_EVENT_TOOL_CALL for calls in the model's own notation, which are then no text,
  // without `tools`. MINIM_UNSUPPORTED where that notation is not known.
  int32_t tool_calls;
  const minim_constraint* constraint;  // of this model; null: any text
  // What of the constraint's text was said before: by an answer that was cut, or by the prompt,
  // which the generation then continues. Null: nothing.
  const char* constraint_prefix;
  const minim_tools* tools;  // of this model; null: none. Not together with `constraint`
  const minim_draft* draft;  // of this model, to guess with; null: none
  int32_t no_lookup;         // nonzero: nothing is guessed from what the text says already
} minim_generate_options;
#define MINIM_GENERATE_OPTIONS_INIT \
  { (uint32_t)sizeof(minim_generate_options), 1, -1, 0, 0, NULL, NULL, NULL, NULL, 0 }

// Begins to generate and returns at once; the model's own thread computes. `sampling` is copied and
// may be null, as may `options`.
MINIM_API minim_status minim_session_generate(minim_session* session,
                                              const minim_sampling* sampling,
                                              const minim_generate_options* options,
                                              minim_error* error) MINIM_NOEXCEPT;
// The next event, waited for up to `timeout_ms` milliseconds; below 0: for as long as it takes.
// Events wait in a queue of some dozens; a session that nobody pulls pauses there.
MINIM_API minim_status minim_session_next(minim_session* session, minim_event* event,
                                          int32_t timeout_ms, minim_error* error) MINIM_NOEXCEPT;
// From any thread: at most two more passes are computed, and the events end with
// MINIM_DONE_CANCELLED. Does nothing where nothing is generated.
MINIM_API void minim_session_cancel(minim_session* session) MINIM_NOEXCEPT;
// Called from minim's thread when an event comes into an empty queue, for event loops; must be
// quick and must not call back into minim. Null: nobody is told.
MINIM_API minim_status minim_session_on_event(minim_session* session, void (*function)(void* user),
                                              void* user, minim_error* error) MINIM_NOEXCEPT;

// The same pushed: generates to the end in this call. `function` returns 0 to cancel.
MINIM_API minim_status minim_session_generate_to(
    minim_session* session, const minim_sampling* sampling, const minim_generate_options* options,
    int32_t (*function)(void* user, const minim_event* event), void* user,
    minim_error* error) MINIM_NOEXCEPT;

typedef enum minim_energy_source {
  MINIM_ENERGY_NONE = 0,
  MINIM_ENERGY_RAPL = 1,       // measured by the processor
  MINIM_ENERGY_BATTERY = 2,    // measured by the battery
  MINIM_ENERGY_ESTIMATED = 3,  // processor time at an assumed power
} minim_energy_source;

// Of the last generation (or read()) of a session.
typedef struct minim_session_statistics {
  uint32_t struct_size;
  int32_t energy_source;  // minim_energy_source
  int64_t prompt_tokens;  // appended
  int64_t reused_tokens;  // of these, found in what was kept from others
  int64_t generated_tokens;
  int64_t decode_steps;        // tokens computed after the prompt's
  double queue_seconds;        // waited for its turn
  double prompt_seconds;       // reading the prompt
  double first_token_seconds;  // from generate() to the first token
  double decode_seconds;
  double joules;           // of the whole machine or package, while it ran
  int64_t decode_passes;   // through the model, for the decode_steps
  int64_t forced_tokens;   // of those generated, what a constraint left no choice in
  double mask_seconds;     // of decode_seconds, finding what a constraint allows
  int64_t guessed_tokens;  // computed beside those of the text, in the same passes
  int64_t right_tokens;    // of them, those that became the text
  double draft_seconds;    // of decode_seconds, making guesses
  double saved_seconds;    // by guessing, all that it took taken off; an estimate
} minim_session_statistics;
#define MINIM_SESSION_STATISTICS_INIT MINIM_SIZED(minim_session_statistics)
// From any thread, also while it generates.
MINIM_API minim_status minim_session_get_statistics(const minim_session* session,
                                                    minim_session_statistics* statistics,
                                                    minim_error* error) MINIM_NOEXCEPT;

typedef struct minim_model_statistics {
  uint32_t struct_size;
  int32_t sessions;       // that exist
  int64_t running;        // that generate
  int64_t waiting;        // for their turn or for memory
  int64_t prompt_tokens;  // computed since the model was opened
  int64_t generated_tokens;
  uint64_t cache_bytes;      // in use, kept prefixes included
  uint64_t cache_bytes_max;  // 0: no bound
  int64_t prefix_hits;
  int64_t prefix_lookups;
} minim_model_statistics;
#define MINIM_MODEL_STATISTICS_INIT MINIM_SIZED(minim_model_statistics)
MINIM_API minim_status minim_model_get_statistics(const minim_model* model,
                                                  minim_model_statistics* statistics,
                                                  minim_error* error) MINIM_NOEXCEPT;

// ---- embeddings and ranks ----------------------------------------------------------------------

typedef struct minim_text {
  const char* data;
  size_t size;
} minim_text;

typedef enum minim_pooling {
  MINIM_POOLING_MODEL = 0,  // what the model's file says, else the last token
  MINIM_POOLING_MEAN = 1,
  MINIM_POOLING_LAST = 2,
  MINIM_POOLING_CLS = 3,  // the first token
} minim_pooling;

typedef struct minim_embed_options {
  uint32_t struct_size;
  int32_t pooling;         // minim_pooling
  int32_t not_normalized;  // nonzero: as they come, not of length 1
  int32_t truncate;        // nonzero: cut texts that do not fit; otherwise they are MINIM_LIMIT
  int64_t dimensions;      // keep the first ones; 0: all
} minim_embed_options;
#define MINIM_EMBED_OPTIONS_INIT MINIM_SIZED(minim_embed_options)
// embeddings: [count, dimensions], floats. `truncated` may be null: how many texts were cut.
MINIM_API minim_status minim_embed(minim_model* model, const minim_text* texts, size_t count,
                                   const minim_embed_options* options, float* embeddings,
                                   size_t capacity, size_t* truncated,
                                   minim_error* error) MINIM_NOEXCEPT;

typedef enum minim_rank_method {
  MINIM_RANK_EMBEDDINGS = 0,  // cosine of the embeddings
  MINIM_RANK_LIKELIHOOD = 1,  // how probable the query is after the document
  MINIM_RANK_JUDGEMENT = 2,   // how probable "yes" is when the model is asked
} minim_rank_method;

typedef struct minim_rank_options {
  uint32_t struct_size;
  int32_t method;    // minim_rank_method
  int32_t truncate;  // nonzero: cut documents that do not fit; otherwise they are MINIM_LIMIT
  int32_t pooling;   // minim_pooling, of MINIM_RANK_EMBEDDINGS
  // Of MINIM_RANK_JUDGEMENT; null: "Given a web search query, retrieve relevant passages ...".
  const char* instruction;
  // Around the two, with {query}, {document} and {instruction} in it; null: the method's own.
  const char* prompt;
} minim_rank_options;
#define MINIM_RANK_OPTIONS_INIT MINIM_SIZED(minim_rank_options)
// scores: [count]; higher is better, and comparable within one call. `truncated` may be null.
MINIM_API minim_status minim_rerank(minim_model* model, const minim_text* query,
                                    const minim_text* documents, size_t count,
                                    const minim_rank_options* options, float* scores,
                                    size_t* truncated, minim_error* error) MINIM_NOEXCEPT;

#if defined(__cplusplus)
}
#endif

#include "minim/adapter.h"
#include "minim/speculation.h"
#include "minim/structured.h"
