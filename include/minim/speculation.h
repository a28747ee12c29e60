// Draft models, in the C API. A part of minim.h, which includes it.
//
// A generation guesses what follows, from what the text says already and, where it is given one,
// with a draft: a smaller model of the same vocabulary. Guesses are computed together with the
// token that is known and kept as far as they are what is then chosen; what is said stays the same
// to the last bit, and guessing stops by itself where it costs more time than it saves.
#pragma once

#include "minim/minim.h"

#if defined(__cplusplus)
extern "C" {
#endif

// For any number of generations of the model that it was opened for.
// MINIM_INVALID_ARGUMENT where its vocabulary is another one. Its memory counts to nobody's bounds.
MINIM_API minim_status minim_draft_open(minim_model* model, const char* path, minim_draft** draft,
                                        minim_error* error) MINIM_NOEXCEPT;
// Generations that have it keep what they need.
MINIM_API void minim_draft_release(minim_draft* draft) MINIM_NOEXCEPT;

#if defined(__cplusplus)
}
#endif
