// Any bytes as a SentencePiece model: a typed error, or a vocabulary that makes a tokenizer or is
// refused with a typed error in turn.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "formats/sentencepiece.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto tokenizer = minim::Tokenizer::make(minim::read_sentencepiece(bytes));
    const auto tokens =
        tokenizer->encode("A text, \xFF with  spaces\n and \xEF\xBC\xA1\xE3\x8E\x8F.");
    tokenizer->decode(tokens);
  } catch (const minim::Error&) {
  }
  return 0;
}
