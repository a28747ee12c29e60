#include "cli/chat/chat_file.h"

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/xxhash64.h"

namespace minim::cli {
namespace {

constexpr std::string_view kMagic = "minimCH1";
constexpr size_t kHeaderBytes = 24;
constexpr size_t kChecksumBytes = 8;

std::array<std::byte, 8> little_endian(uint64_t value) {
  std::array<std::byte, 8> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return bytes;
}

uint64_t read_u64(std::span<const std::byte> bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 8; i > 0; --i) value = value << 8 | static_cast<uint64_t>(bytes[at + i - 1]);
  return value;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An empty file holds nothing that could be lost.
void check_replaceable(const Path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return;
  if (std::filesystem::is_regular_file(status)) {
    const auto file = MappedFile::open(path);
    if (file->bytes().empty() || as_text(file->bytes()).starts_with(kMagic)) return;
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("chat: '{}' exists and is no saved chat; name another file", path.string()));
}

[[noreturn]] void refuse(std::string_view origin, const std::string& what) {
  throw Error(ErrorCode::kFormat, fmt::format("{}: {}", origin, what));
}

}  // namespace

void save_chat(const Path& path, const Conversation& conversation, std::string_view model,
               std::span<const std::byte> session) {
  check_replaceable(path);
  const std::string json = format_conversation(conversation, model);
  FileWriter writer(path);
  XxHash64 hash;
  const auto write = [&](std::span<const std::byte> bytes) {
    writer.write(bytes);
    hash.update(bytes);
  };
  write(std::as_bytes(std::span(kMagic)));
  write(little_endian(json.size()));
  write(little_endian(session.size()));
  write(std::as_bytes(std::span(json)));
  write(session);
  writer.write(little_endian(hash.digest()));
  writer.commit();
}

SavedChat load_chat(const Path& path) {
  auto file = MappedFile::open(path);
  SavedChat chat = parse_chat(file->bytes(), path.string());
  chat.file = std::move(file);
  return chat;
}

SavedChat parse_chat(std::span<const std::byte> bytes, std::string_view origin) {
  if (as_text(bytes).starts_with("{")) return {parse_conversation(as_text(bytes), origin), {}, {}};
  if (!as_text(bytes).starts_with(kMagic)) refuse(origin, "this is no saved chat");
  if (bytes.size() < kHeaderBytes + kChecksumBytes) refuse(origin, "the file ends in its header");
  const uint64_t json_bytes = read_u64(bytes, 8);
  const uint64_t session_bytes = read_u64(bytes, 16);
  const uint64_t content = bytes.size() - kHeaderBytes - kChecksumBytes;
  if (json_bytes > content || session_bytes != content - json_bytes || session_bytes == 0) {
    refuse(origin, fmt::format("it states {} + {} bytes, but holds {}; it was cut or extended",
                               json_bytes, session_bytes, content));
  }
  XxHash64 hash;
  hash.update(bytes.first(bytes.size() - kChecksumBytes));
  if (hash.digest() != read_u64(bytes, bytes.size() - kChecksumBytes)) {
    refuse(origin, "the checksum is wrong; the file is damaged");
  }
  const auto json = bytes.subspan(kHeaderBytes, static_cast<size_t>(json_bytes));
  const size_t session_at = kHeaderBytes + json.size();
  return {parse_conversation(as_text(json), origin),
          bytes.subspan(session_at, static_cast<size_t>(session_bytes)),
          {}};
}

}  // namespace minim::cli
