#include "base/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr int kNameAttempts = 100;

[[noreturn]] void throw_system_error(const char* action, const Path& path) {
  const int number = errno;
  const auto code = number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  throw Error(code, fmt::format("cannot {} '{}': {}", action, path.string(),
                                std::strerror(number)));  // NOLINT: glibc's is thread safe
}

// A descriptor of a regular file and its size, closed at the end of the scope.
struct OpenFile {
  explicit OpenFile(const Path& path) : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor < 0) throw_system_error("open", path);
    struct stat status = {};
    if (::fstat(descriptor, &status) != 0) {
      ::close(descriptor);
      throw_system_error("read the size of", path);
    }
    if (S_ISDIR(status.st_mode)) {
      ::close(descriptor);
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is a folder; a file is needed here", path.string()));
    }
    bytes = static_cast<size_t>(status.st_size);
  }
  ~OpenFile() { ::close(descriptor); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor;
  size_t bytes = 0;
};

void write_all(int descriptor, const char* data, size_t size, const Path& path) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_system_error("write", path);
    data += written;
    size -= static_cast<size_t>(written);
  }
}

// Makes a rename survive a power cut. Some file systems cannot sync folders; the file itself is on
// disk by then, so that is no error.
void sync_folder(const Path& file) {
  const Path folder = file.has_parent_path() ? file.parent_path() : Path(".");
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

std::string read_file(const Path& path, size_t bytes_max) {
  const OpenFile file(path);
  std::string content;
  content.reserve(std::min(file.bytes, bytes_max));
  char chunk[1 << 16];  // read to the end: pipes and /proc report no size
  for (;;) {
    const ssize_t count = ::read(file.descriptor, chunk, sizeof(chunk));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_system_error("read", path);
    if (count == 0) return content;
    content.append(chunk, static_cast<size_t>(count));
    if (content.size() > bytes_max) {
      throw Error(ErrorCode::kLimit, fmt::format("'{}' is larger than the {} bytes allowed",
                                                 path.string(), bytes_max));
    }
  }
}

MappedFile::MappedFile(Path path, std::span<const std::byte> bytes)
    : path_(std::move(path)), bytes_(bytes) {}

std::shared_ptr<const MappedFile> MappedFile::open(const Path& path) {
  const OpenFile file(path);
  std::span<const std::byte> bytes;
  if (file.bytes > 0) {
    void* address = ::mmap(nullptr, file.bytes, PROT_READ, MAP_PRIVATE, file.descriptor, 0);
    if (address == MAP_FAILED) throw_system_error("map", path);
    bytes = {static_cast<const std::byte*>(address), file.bytes};
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::release(std::span<const std::byte> part) const {
  MINIM_CHECK(part.data() >= bytes_.data() &&
              part.data() + part.size() <= bytes_.data() + bytes_.size());
  // Whole pages only: what shares a page with the neighbours stays.
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<size_t>(part.data() - bytes_.data());
  const size_t first = (begin + page - 1) / page * page;
  const size_t last = (begin + part.size()) / page * page;
  if (first >= last) return;
  // Advice: if it is not taken, nothing but memory is lost.
  ::madvise(const_cast<std::byte*>(bytes_.data()) + first, last - first, MADV_DONTNEED);
}

FileWriter::FileWriter(Path target) : target_(std::move(target)) {
  // A name that nobody uses, neither another process nor another writer of this one; a link that
  // somebody left there is not followed.
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    temporary_ = target_.string() + fmt::format(".partial.{}.{}", ::getpid(), attempt);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor_ >= 0 || errno != EEXIST) break;
  }
  if (descriptor_ < 0) throw_system_error("create", temporary_);
  buffer_.reserve(kBufferBytes);
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void FileWriter::write(std::span<const std::byte> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void FileWriter::write(std::string_view text) {
  position_ += text.size();
  if (buffer_.size() + text.size() > kBufferBytes) flush();
  if (text.size() >= kBufferBytes) {
    write_all(descriptor_, text.data(), text.size(), temporary_);
  } else {
    buffer_.append(text);
  }
}

void FileWriter::write_zeros(size_t count) {
  static constexpr char kZeros[4096] = {};
  while (count > 0) {
    const size_t part = std::min(count, sizeof(kZeros));
    write(std::string_view(kZeros, part));
    count -= part;
  }
}

void FileWriter::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  MINIM_CHECK(offset + bytes.size() <= position_);
  flush();
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                                     static_cast<off_t>(offset + done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_system_error("write", temporary_);
    done += static_cast<size_t>(written);
  }
}

void FileWriter::flush() {
  write_all(descriptor_, buffer_.data(), buffer_.size(), temporary_);
  buffer_.clear();
}

void FileWriter::commit() {
  flush();
  if (::fsync(descriptor_) != 0) throw_system_error("sync", temporary_);
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary_.c_str());
    errno = number;
    throw_system_error("replace", target_);
  }
  sync_folder(target_);
}

}  // namespace minim
