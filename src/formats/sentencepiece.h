// SentencePiece's own files (tokenizer.model): a protobuf message, ModelProto, read by hand.
#pragma once

#include <cstddef>
#include <span>

#include "text/vocabulary.h"

namespace minim {

// The pieces, the normalizer and the ids of a BPE or unigram model. The file does not say whether
// BOS and EOS are put around a text, so add_bos and add_eos are false. Throws kFormat, naming the
// byte, for what is no such message; kUnsupported for word and character models and for white space
// as a suffix; kLimit past 4 million pieces.
Vocabulary read_sentencepiece(std::span<const std::byte> bytes);

}  // namespace minim
