// The parts of tokenizer.json around its model, reduced to what a Vocabulary can say. A component
// that is not known, or does something that a Vocabulary cannot say, is kUnsupported by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace minim {

struct Normalization {
  std::string form;               // "nfc", ... as in Vocabulary
  bool prepends_space = false;    // Prepend U+2581
  bool escapes_spaces = false;    // Replace " " by U+2581
  bool collapses_spaces = false;  // Replace " {2,}"
  bool strips = false;            // Strip
  bool is_bert = false;
  bool lowercase = false;         // of BERT
  std::vector<uint8_t> charsmap;  // Precompiled
};
Normalization read_normalizer(const Json& normalizer);

struct PreTokenization {
  bool byte_level = false;
  std::vector<std::string> patterns;  // of Split, Digits, Punctuation and ByteLevel, in order
  bool metaspace = false;
  bool prepends_space = false;  // of Metaspace
  bool splits_spaces = false;   // WhitespaceSplit
  bool is_bert = false;
};
PreTokenization read_pre_tokenizer(const Json& pre_tokenizer);

// The tokens around a single text.
struct PostProcessing {
  std::optional<int64_t> before, after;
};
PostProcessing read_post_processor(const Json& post_processor);

// Only checks that the decoder is one that undoes what a Vocabulary can say.
void check_decoder(const Json& decoder);
bool decodes_bytes(const Json& decoder);  // it is ByteLevel, alone or in a sequence

}  // namespace minim
