// Tells vocabularies apart, so that tokens of one are not read with another.
#pragma once

#include <cstdint>

#include "text/vocabulary.h"

namespace minim {

// Of everything that decides which tokens a text becomes, and of the chat template.
uint64_t hash_vocabulary(const Vocabulary& vocabulary);

}  // namespace minim
