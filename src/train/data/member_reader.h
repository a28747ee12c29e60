// The contents of a data file: a plain file, one packed with gzip, xz or zstd, or the files in a
// tar archive of any of these. What a file is, its content says.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"

struct archive;

namespace minim::train {

class MemberReader {
 public:
  // Throws kNotFound, kIo, kFormat.
  explicit MemberReader(const Path& path);
  ~MemberReader();
  MemberReader(const MemberReader&) = delete;
  MemberReader& operator=(const MemberReader&) = delete;

  // Moves on to the next regular file inside, the first at first; false: there are no more. A file
  // that is no archive has one, even if it is empty. Throws kFormat for a damaged file.
  bool next();
  // Where the current text comes from: "stories.txt.xz", or "books.tar.xz: one/text.txt".
  const std::string& name() const { return name_; }
  // Fills the front of `buffer` and returns how much of it; 0: the current file has ended.
  size_t read(std::span<char> buffer);
  // Bytes of the file on disk that were used up so far, for progress.
  uint64_t bytes_read() const;

 private:
  [[noreturn]] void throw_damaged() const;

  Path path_;
  std::unique_ptr<archive, int (*)(archive*)> archive_;
  std::string name_;
  bool is_empty_ = false;  // an empty file, which is no archive of any kind
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace minim::train
