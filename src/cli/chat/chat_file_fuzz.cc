// Any bytes as a saved chat, as they are and with the checksum made right: what is accepted can be
// written and read again.
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/xxhash64.h"
#include "cli/chat/chat_file.h"

namespace minim::cli {
namespace {

void load(std::span<const std::byte> bytes) {
  SavedChat chat;
  try {
    chat = parse_chat(bytes, "fuzz");
  } catch (const Error&) {
    return;
  }
  const Conversation again =
      parse_conversation(format_conversation(chat.conversation, "m"), "again");
  MINIM_CHECK(again.turns.size() == chat.conversation.turns.size());
  MINIM_CHECK(again.forgotten == chat.conversation.forgotten);
}

void seal(std::vector<std::byte>& bytes) {
  if (bytes.size() < sizeof(uint64_t)) return;
  const size_t end = bytes.size() - sizeof(uint64_t);
  XxHash64 hash;
  hash.update(std::span(bytes).first(end));
  const uint64_t digest = hash.digest();
  std::memcpy(bytes.data() + end, &digest, sizeof(digest));
}

}  // namespace
}  // namespace minim::cli

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto given = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(given.begin(), given.end());
  minim::cli::load(bytes);
  minim::cli::seal(bytes);
  minim::cli::load(bytes);
  return 0;
}
