// Vocabularies in metadata: GGUF's tokenizer.* keys to what a tokenizer is made from, and back.
#pragma once

#include "formats/metadata.h"
#include "text/vocabulary.h"

namespace minim {

// The keys are those of docs/formats/gguf.md, "Tokenizer". Every array is checked for its type and
// length and every token id against the vocabulary. Throws kFormat naming the key, or kUnsupported
// for a tokenizer model that minim does not know.
Vocabulary read_vocabulary(const Metadata& metadata);

// Sets every tokenizer.* key that differs from its default and removes the others. Reading the
// result gives `vocabulary`, except that SentencePiece and WordPiece vocabularies without ids get
// the usual ones (<unk>, <s>, </s> = 0, 1, 2; [CLS], [SEP], [UNK]).
void write_vocabulary(const Vocabulary& vocabulary, Metadata& metadata);

}  // namespace minim
