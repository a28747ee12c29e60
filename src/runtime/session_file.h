// A session as bytes: docs/formats/session.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/sequence.h"
#include "tensor/kv_view.h"

namespace minim {

// What a saved session is, read without its model.
struct SavedSession {
  uint64_t model = 0;  // Sequence::fingerprint()
  KvLayout layout;
  int64_t token_count = 0;
  int64_t prompt_tokens = 0;   // Sequence::prompt_length()
  int64_t dropped_tokens = 0;  // Sequence::dropped_tokens()
  int64_t first_block = 0;     // those before it were forgotten
  int64_t logit_count = 0;     // after the last token; 0: none
};

// Throws kFormat where this is no saved session or a damaged one, kUnsupported for another version.
SavedSession read_saved_session(std::span<const std::byte> bytes);

// Hands the bytes over piece by piece. `logits` may be empty.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void write_session(const Sequence& sequence, std::span<const float> logits, const ByteSink& sink);

struct RestoredSession {
  Sequence::State state;
  std::vector<float> logits;
};
// Checks everything, then fills blocks of the pool of `like`, which stays as it is. Throws what
// read_saved_session() and KvPool::allocate() throw; kInvalidArgument for a session of another
// model or with another cache than `like`, kLimit for one longer than its context.
RestoredSession restore_session(std::span<const std::byte> bytes, const Sequence& like);

}  // namespace minim
