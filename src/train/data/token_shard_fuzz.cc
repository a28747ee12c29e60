// Any bytes as a file of tokens, with a checksum that is right: what is accepted can be read.
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "train/data/token_shard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  if (size >= 72) {
    const uint64_t checksum = minim::train::shard_checksum(bytes);
    std::memcpy(bytes.data() + 64, &checksum, sizeof(checksum));
  }
  try {
    const auto shard = minim::train::TokenShard::parse(bytes, "fuzz");
    std::vector<int32_t> tokens(shard->token_count());
    shard->copy_tokens(0, tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      MINIM_CHECK(tokens[i] >= 0 && tokens[i] < shard->header().vocabulary_size);
      shard->learned(i);
    }
    for (uint64_t i = 0; i < shard->document_count(); ++i) {
      MINIM_CHECK(shard->begin(i) < shard->end(i) && shard->end(i) <= tokens.size());
      shard->text_hash(i);
    }
  } catch (const minim::Error&) {
  }
  return 0;
}
