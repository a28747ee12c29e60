// Files: whole reads, read-only mappings, and writes that replace their target or leave it alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace minim {

using Path = std::filesystem::path;

// The whole file. Throws kNotFound, kIo, or kLimit past `bytes_max`.
std::string read_file(const Path& path, size_t bytes_max = size_t{1} << 32);

// A read-only mapping of a whole file; an empty file maps to an empty span.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const Path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const Path& path() const { return path_; }
  // Tells the system that `part` of bytes() is not needed soon: its pages no longer count as this
  // program's memory. They can still be read, and come back from the file.
  void release(std::span<const std::byte> part) const;

 private:
  MappedFile(Path path, std::span<const std::byte> bytes);
  Path path_;
  std::span<const std::byte> bytes_;
};

// Writes beside the target and renames over it on commit(), synced to disk, so that a crash or a
// full disk leaves the previous file. Without commit() the destructor removes what was written.
class FileWriter {
 public:
  explicit FileWriter(Path target);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void write_zeros(size_t count);
  // Overwrites bytes written before. REQUIRES: offset + bytes.size() <= position().
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  uint64_t position() const { return position_; }
  void commit();

 private:
  void flush();
  Path target_;
  Path temporary_;
  int descriptor_ = -1;
  uint64_t position_ = 0;
  std::string buffer_;
};

}  // namespace minim
