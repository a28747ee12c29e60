// Low-rank adapters of a model's sessions, in the C API. A part of minim.h, which includes it.
#pragma once

#include "minim/minim.h"

#if defined(__cplusplus)
extern "C" {
#endif

// A LoRA or DoRA, for any number of sessions of the model that it was opened for: the weights of
// the model stay as they are, and sessions with others, or with none, generate beside each other.
typedef struct minim_adapter minim_adapter;

typedef struct minim_adapter_info {
  uint32_t struct_size;
  int32_t rank_max;   // of its parts
  uint64_t matrices;  // that it changes
  uint64_t bytes;     // that it takes
} minim_adapter_info;
#define MINIM_ADAPTER_INFO_INIT MINIM_SIZED(minim_adapter_info)

// `path` is a GGUF file as llama.cpp's converter writes it, or a folder that PEFT saved.
// MINIM_INVALID_ARGUMENT, naming the base that it wants, for an adapter of another model;
// MINIM_UNSUPPORTED for other kinds of adapters.
MINIM_API minim_status minim_adapter_open(minim_model* model, const char* path,
                                          minim_adapter** adapter,
                                          minim_error* error) MINIM_NOEXCEPT;
// Sessions that have it keep what they need.
MINIM_API void minim_adapter_release(minim_adapter* adapter) MINIM_NOEXCEPT;
MINIM_API minim_status minim_adapter_get_info(const minim_adapter* adapter,
                                              minim_adapter_info* info,
                                              minim_error* error) MINIM_NOEXCEPT;

// What the session computes with besides the model from now on: the sum of the adapters' changes,
// each times its weight. `weights` may be null: all 1. `count` of 0: no adapters.
// MINIM_INVALID_ARGUMENT unless the session has read nothing, or was rewound to its beginning: what
// it read was computed with those that it had.
MINIM_API minim_status minim_session_set_adapters(minim_session* session,
                                                  const minim_adapter* const* adapters,
                                                  const float* weights, size_t count,
                                                  minim_error* error) MINIM_NOEXCEPT;

#if defined(__cplusplus)
}
#endif
