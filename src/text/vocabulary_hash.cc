#include "text/vocabulary_hash.h"

#include <optional>
#include <string>
#include <vector>

#include "base/xxhash64.h"

namespace minim {
namespace {

void update(XxHash64& hash, const std::string& text) {
  hash.update_value(uint64_t{text.size()});
  hash.update(text);
}

void update(XxHash64& hash, const std::vector<std::string>& texts) {
  hash.update_value(uint64_t{texts.size()});
  for (const std::string& text : texts) update(hash, text);
}

template <typename T>
void update(XxHash64& hash, const std::vector<T>& values) {
  hash.update_value(uint64_t{values.size()});
  hash.update(std::as_bytes(std::span(values)));
}

}  // namespace

uint64_t hash_vocabulary(const Vocabulary& vocabulary) {
  XxHash64 hash;
  hash.update_value(static_cast<uint32_t>(vocabulary.kind));
  update(hash, vocabulary.tokens);
  update(hash, vocabulary.types);
  update(hash, vocabulary.scores);
  update(hash, vocabulary.merges);
  update(hash, vocabulary.pre_tokenizer);
  update(hash, vocabulary.pre_patterns);
  for (const std::optional<int32_t>& id :
       {vocabulary.bos, vocabulary.eos, vocabulary.eot, vocabulary.unknown, vocabulary.separator,
        vocabulary.padding, vocabulary.cls, vocabulary.mask}) {
    hash.update_value(id.value_or(-1));
  }
  for (const bool flag :
       {vocabulary.add_bos, vocabulary.add_eos, vocabulary.add_space_prefix,
        vocabulary.remove_extra_whitespaces, vocabulary.lowercase, vocabulary.ignore_merges}) {
    hash.update_value(static_cast<uint8_t>(flag));
  }
  update(hash, vocabulary.normalization);
  update(hash, vocabulary.strips_left);
  update(hash, vocabulary.strips_right);
  update(hash, vocabulary.precompiled_charsmap);
  update(hash, vocabulary.chat_template);
  return hash.digest();
}

}  // namespace minim
