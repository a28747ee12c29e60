// Any bytes as a file of conversations: cut into documents, made into what a template takes, and
// into tokens.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "text/tokenizer_test_support.h"
#include "train/data/document_encoder.h"

namespace {

std::shared_ptr<const minim::Tokenizer> make_tokenizer() {
  minim::Vocabulary vocabulary = minim::testing::byte_bpe_vocabulary();
  vocabulary.chat_template =
      "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}";
  return minim::Tokenizer::make(vocabulary);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using minim::train::DocumentFormat;
  static const auto tokenizer = make_tokenizer();
  static const minim::train::DocumentEncoder chats(tokenizer, {.format = DocumentFormat::kChat});
  static const minim::train::DocumentEncoder objects(tokenizer, {.format = DocumentFormat::kJsonl});
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const auto* encoder : {&chats, &objects}) {
    const auto encoded = encoder->encode({bytes, "fuzz"});
    MINIM_CHECK(encoded.defect.has_value() == encoded.tokens.empty());
    MINIM_CHECK(encoded.learned.empty() || encoded.learned.size() == encoded.tokens.size());
  }
  return 0;
}
