// Any bytes as a llama2.c checkpoint, or as its tokenizer file for a small vocabulary.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "formats/llama2c/llama2c_reader.h"

namespace {

using Bytes = std::span<const std::byte>;

void try_checkpoint(Bytes bytes) {
  minim::Vocabulary vocabulary;
  const auto count = minim::llama2c_vocabulary_size(bytes);
  if (count > 4096) return;  // only names would be made for them
  vocabulary.kind = minim::TokenizerKind::kSentencePieceBpe;
  vocabulary.tokens.assign(static_cast<size_t>(count), "x");
  vocabulary.scores.assign(static_cast<size_t>(count), 0.0f);
  const auto model = minim::read_llama2c("fuzz.bin", bytes, nullptr, vocabulary);
  for (const minim::TensorEntry& tensor : model->tensors()) {
    if (tensor.load().bytes.size() != tensor.byte_count()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> copy(data, data + size);
  const auto bytes = std::as_bytes(std::span(copy));
  try {
    try_checkpoint(bytes);
  } catch (const minim::Error&) {
  }
  try {
    minim::read_llama2c_tokenizer(bytes, 260);
  } catch (const minim::Error&) {
  }
  return 0;
}
