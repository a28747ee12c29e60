// A saved chat: the conversation and the state of the model's session in one file
// (docs/formats/chat.md). A conversation alone, as /export writes it, is read too.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "cli/chat/conversation.h"

namespace minim::cli {

// Replaces the file only where it is a saved chat already: throws kInvalidArgument otherwise, kIo.
void save_chat(const Path& path, const Conversation& conversation, std::string_view model,
               std::span<const std::byte> session);

struct SavedChat {
  Conversation conversation;
  std::span<const std::byte> session;  // empty: the file holds the conversation alone
  std::shared_ptr<const MappedFile> file;
};

// Throws kNotFound, kIo, kFormat, kUnsupported.
SavedChat load_chat(const Path& path);
// The same of bytes that outlive what is returned.
SavedChat parse_chat(std::span<const std::byte> bytes, std::string_view origin);

}  // namespace minim::cli
