#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <optional>

#include "api/arguments.h"
#include "api/conversation.h"
#include "api/guard.h"
#include "api/progress.h"
#include "api/session.h"
#include "api/tokenize.h"

namespace minim::api {
namespace {

LiveSession& live(minim_session* session) { return *required(session, "session").live; }
const LiveSession& live(const minim_session* session) { return *required(session, "session").live; }

void set_conversation(minim_session* session, OrderedJson messages,
                      const minim_chat_options* options) {
  LiveSession& target = live(session);
  target.replace(target.model().chat().encode(
      chat_variables(target.model(), std::move(messages), options), local_time()));
}

std::optional<std::chrono::milliseconds> wait_time(int32_t timeout_ms) {
  if (timeout_ms < 0) return {};
  return std::chrono::milliseconds(timeout_ms);
}

}  // namespace
}  // namespace minim::api

using minim::api::guard;
using minim::api::list_argument;
using minim::api::live;
using minim::api::read_struct;
using minim::api::required;
using minim::api::text_argument;

minim_status minim_session_new(minim_model* model, const minim_session_options* options,
                               minim_session** session, minim_error* error) noexcept {
  return guard(error, [&] {
    minim_session*& result = required(session, "session");
    const auto& shared = required(model, "model").shared;
    const minim_session_options defaults = MINIM_SESSION_OPTIONS_INIT;
    result = new minim_session{std::make_unique<minim::api::LiveSession>(
        shared, read_struct(options, defaults, "options"))};
  });
}

void minim_session_release(minim_session* session) noexcept { delete session; }

int64_t minim_session_length(const minim_session* session) noexcept {
  return session == nullptr ? 0 : session->live->length();
}

minim_status minim_session_tokens(const minim_session* session, int32_t* tokens, size_t capacity,
                                  size_t* count, minim_error* error) noexcept {
  return guard(error, [&] {
    const std::vector<minim::TokenId> held = live(session).tokens();
    minim::api::write_list(std::span<const int32_t>(held), tokens, capacity, count);
  });
}

minim_status minim_session_append_text(minim_session* session, const char* text, size_t size,
                                       uint32_t tokenize_flags, minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::LiveSession& target = live(session);
    target.append(target.model().tokenizer()->encode(text_argument(text, size, "text"),
                                                     minim::api::encode_options(tokenize_flags)));
  });
}

minim_status minim_session_append_tokens(minim_session* session, const int32_t* tokens,
                                         size_t count, minim_error* error) noexcept {
  return guard(error, [&] { live(session).append(list_argument(tokens, count, "tokens")); });
}

minim_status minim_session_rewind(minim_session* session, int64_t length,
                                  minim_error* error) noexcept {
  return guard(error, [&] { live(session).rewind(length); });
}

minim_status minim_session_read(minim_session* session, minim_progress_function progress,
                                void* progress_user, minim_error* error) noexcept {
  return guard(error,
               [&] { live(session).read(minim::api::progress_sink(progress, progress_user)); });
}

minim_status minim_session_set_messages(minim_session* session, const minim_message* messages,
                                        size_t count, const minim_chat_options* options,
                                        minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::set_conversation(session, minim::api::messages_json(messages, count), options);
  });
}

minim_status minim_session_set_messages_json(minim_session* session, const char* json, size_t size,
                                             const minim_chat_options* options,
                                             minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::set_conversation(
        session, minim::api::parse_messages(text_argument(json, size, "json")), options);
  });
}

minim_status minim_session_clone(const minim_session* session, minim_session** clone,
                                 minim_error* error) noexcept {
  return guard(error, [&] {
    minim_session*& result = required(clone, "clone");
    result = new minim_session{live(session).clone()};
  });
}

minim_status minim_session_save(const minim_session* session, const char* path,
                                minim_error* error) noexcept {
  return guard(error, [&] { live(session).save(minim::Path(text_argument(path, "path"))); });
}

minim_status minim_session_load(minim_session* session, const char* path,
                                minim_error* error) noexcept {
  return guard(error, [&] { live(session).load(minim::Path(text_argument(path, "path"))); });
}

minim_status minim_session_save_bytes(const minim_session* session, void** bytes, size_t* size,
                                      minim_error* error) noexcept {
  return guard(error, [&] {
    void*& result = required(bytes, "bytes");
    size_t& result_size = required(size, "size");
    const std::vector<std::byte> saved = live(session).save();
    void* copy = std::malloc(saved.size());
    if (copy == nullptr) throw std::bad_alloc();
    std::memcpy(copy, saved.data(), saved.size());
    result = copy;
    result_size = saved.size();
  });
}

minim_status minim_session_load_bytes(minim_session* session, const void* bytes, size_t size,
                                      minim_error* error) noexcept {
  return guard(error, [&] {
    live(session).load(list_argument(static_cast<const std::byte*>(bytes), size, "bytes"));
  });
}

void minim_bytes_release(void* bytes) noexcept { std::free(bytes); }

minim_status minim_session_generate(minim_session* session, const minim_sampling* sampling,
                                    const minim_generate_options* options,
                                    minim_error* error) noexcept {
  return guard(error, [&] {
    const minim_generate_options defaults = MINIM_GENERATE_OPTIONS_INIT;
    live(session).generate(sampling == nullptr ? nullptr : &sampling->options,
                           read_struct(options, defaults, "options"));
  });
}

minim_status minim_session_next(minim_session* session, minim_event* event, int32_t timeout_ms,
                                minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::LiveSession& source = live(session);
    minim::api::check_struct_size(required(event, "event").struct_size, "event");
    static const minim::api::OutgoingEvent kNone;
    const auto* next = source.next(minim::api::wait_time(timeout_ms));
    minim::api::write_struct((next == nullptr ? kNone : *next).view(), event, "event");
  });
}

void minim_session_cancel(minim_session* session) noexcept {
  if (session != nullptr) session->live->cancel();
}

minim_status minim_session_on_event(minim_session* session, void (*function)(void* user),
                                    void* user, minim_error* error) noexcept {
  return guard(error, [&] { live(session).listener().set(function, user); });
}

minim_status minim_session_generate_to(minim_session* session, const minim_sampling* sampling,
                                       const minim_generate_options* options,
                                       int32_t (*function)(void* user, const minim_event* event),
                                       void* user, minim_error* error) noexcept {
  return guard(error, [&] {
    required(function, "function");
    minim::api::LiveSession& source = live(session);
    const minim_generate_options defaults = MINIM_GENERATE_OPTIONS_INIT;
    source.generate(sampling == nullptr ? nullptr : &sampling->options,
                    read_struct(options, defaults, "options"));
    while (const auto* next = source.next({})) {
      const minim_event event = next->view();
      if (function(user, &event) == 0) source.cancel();
      if (next->reason != MINIM_DONE_ERROR) continue;
      throw minim::api::Failure(static_cast<minim_status>(next->status), next->detail);
    }
  });
}

minim_status minim_session_get_statistics(const minim_session* session,
                                          minim_session_statistics* statistics,
                                          minim_error* error) noexcept {
  return guard(error, [&] {
    minim::api::write_struct(live(session).statistics(), statistics, "statistics");
  });
}

const char* minim_done_reason_name(int32_t reason) noexcept {
  switch (reason) {
    case MINIM_DONE_END_OF_TEXT: return "end of text";
    case MINIM_DONE_TOKENS_MAX: return "length";
    case MINIM_DONE_CONTEXT_FULL: return "context full";
    case MINIM_DONE_STOP_TOKEN: return "stop token";
    case MINIM_DONE_STOP_STRING: return "stop string";
    case MINIM_DONE_CANCELLED: return "cancelled";
    case MINIM_DONE_ERROR: return "error";
    default: return "unknown";
  }
}
