// Vocabularies in metadata: GGUF's tokenizer.* keys to what a tokenizer is made from, and back.
#pragma once

#include "formats/metadata.h"
#include "text/vocabulary.h"

namespace minim {

// The keys are those of docs/formats/gguf.md, "Tokenizer". Every array is checked for its type and
// length and every token id against the vocabulary. Throws kFormat naming the key, or kUnsupported
// for a tokenizer model that minim does not know.
Vocabulary read_vocabulary(const Metadata& metadata);

// Sets every tokenizer.* key that differs from its default. Reading the result gives `vocabulary`.
void write_vocabulary(const Vocabulary& vocabulary, Metadata& metadata);

}  // namespace minim
