// Any text as tokenizer.json: what is read must survive a round trip through metadata.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "formats/huggingface/tokenizer_json.h"
#include "formats/vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  minim::Vocabulary vocabulary;
  try {
    vocabulary = minim::read_tokenizer_json(text);
  } catch (const minim::Error&) {
    return 0;
  }
  minim::Metadata metadata;
  minim::write_vocabulary(vocabulary, metadata);
  const minim::Vocabulary read = minim::read_vocabulary(metadata);
  if (read.tokens != vocabulary.tokens || read.types != vocabulary.types ||
      read.merges != vocabulary.merges || read.scores != vocabulary.scores) {
    std::abort();
  }
  return 0;
}
