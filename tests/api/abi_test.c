/* abi_test LIBRARY MODEL: everything that a binding of another language does, from C99, with a
 * library that is found by dlopen() alone. */
#define _POSIX_C_SOURCE 200112L
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "minim/minim.h"

static void* library;

/* ISO C has no cast from a pointer to data to one to a function. */
static void find(const char* name, void* function) {
  void* address = dlsym(library, name);
  if (address == NULL) fprintf(stderr, "abi_test: there is no %s\n", name);
  memcpy(function, &address, sizeof(address));
}

#define FUNCTION(result, name, ...)   \
  result (*name##_)(__VA_ARGS__) = 0; \
  find(#name, &name##_)

#define CHECK(condition)                                                           \
  if (!(condition)) {                                                              \
    fprintf(stderr, "abi_test:%d: %s: %s\n", __LINE__, #condition, error.message); \
    return 1;                                                                      \
  }

struct count {
  int tokens;
  int reason;
};

static int32_t take_event(void* user, const minim_event* event) {
  struct count* count = user;
  if (event->type == MINIM_EVENT_TOKEN) ++count->tokens;
  if (event->type == MINIM_EVENT_DONE) count->reason = event->reason;
  return 1;
}

static int generate(minim_model* model) {
  minim_error error = {0, ""};
  minim_session* session = NULL;
  struct count count = {0, 0};
  minim_generate_options options = MINIM_GENERATE_OPTIONS_INIT;
  FUNCTION(minim_status, minim_session_new, minim_model*, const minim_session_options*,
           minim_session**, minim_error*);
  FUNCTION(minim_status, minim_session_append_text, minim_session*, const char*, size_t, uint32_t,
           minim_error*);
  FUNCTION(minim_status, minim_session_generate_to, minim_session*, const minim_sampling*,
           const minim_generate_options*, int32_t (*)(void*, const minim_event*), void*,
           minim_error*);
  FUNCTION(void, minim_session_release, minim_session*);
  options.tokens_max = 5;
  CHECK(minim_session_new_(model, NULL, &session, &error) == MINIM_OK);
  CHECK(minim_session_append_text_(session, "Once upon a time", MINIM_TEXT_END,
                                   MINIM_TOKENIZE_ADD_SPECIAL, &error) == MINIM_OK);
  CHECK(minim_session_generate_to_(session, NULL, &options, take_event, &count, &error) ==
        MINIM_OK);
  CHECK(count.reason == MINIM_DONE_TOKENS_MAX || count.reason == MINIM_DONE_END_OF_TEXT);
  CHECK(count.reason != MINIM_DONE_TOKENS_MAX || count.tokens == 5);
  minim_session_release_(session);
  return 0;
}

int main(int argc, char** argv) {
  minim_error error = {0, ""};
  minim_engine* engine = NULL;
  minim_model* model = NULL;
  minim_engine_options options = MINIM_ENGINE_OPTIONS_INIT;
  if (argc != 3) return 2;
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "abi_test: %s\n", dlerror());
    return 1;
  }
  FUNCTION(uint32_t, minim_abi_version, void);
  FUNCTION(minim_status, minim_engine_new, const minim_engine_options*, minim_engine**,
           minim_error*);
  FUNCTION(minim_status, minim_model_open, minim_engine*, const char*, const minim_model_options*,
           minim_model**, minim_error*);
  FUNCTION(void, minim_model_release, minim_model*);
  FUNCTION(void, minim_engine_release, minim_engine*);
  CHECK(minim_abi_version_() == MINIM_ABI_VERSION);
  options.threads = 2;
  CHECK(minim_engine_new_(&options, &engine, &error) == MINIM_OK);
  CHECK(minim_model_open_(engine, "/no/model", NULL, &model, &error) == MINIM_NOT_FOUND);
  CHECK(error.status == MINIM_NOT_FOUND && error.message[0] != '\0' && model == NULL);
  CHECK(minim_model_open_(engine, argv[2], NULL, &model, &error) == MINIM_OK);
  minim_engine_release_(engine); /* the model keeps it */
  if (generate(model) != 0) return 1;
  minim_model_release_(model);
  return dlclose(library);
}
