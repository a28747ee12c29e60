#include "train/data/member_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/core.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "base/error.h"

namespace minim::train {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 18;

}  // namespace

MemberReader::MemberReader(const Path& path)
    : path_(path), archive_(archive_read_new(), &archive_read_free) {
  if (archive_ == nullptr) throw std::bad_alloc();
  std::error_code failure;
  const uint64_t size = std::filesystem::file_size(path, failure);
  if (failure) {
    const bool missing = failure == std::errc::no_such_file_or_directory;
    throw Error(missing ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("data: cannot read '{}': {}", path.string(), failure.message()));
  }
  if (::access(path.c_str(), R_OK) != 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("data: '{}' cannot be read; check its permissions", path.string()));
  }
  is_empty_ = size == 0;
  if (is_empty_) return;
  archive_read_support_filter_gzip(archive_.get());
  archive_read_support_filter_xz(archive_.get());
  archive_read_support_filter_zstd(archive_.get());
  archive_read_support_format_tar(archive_.get());
  archive_read_support_format_raw(archive_.get());
  // Packed files may hold nothing at all.
  archive_read_support_format_empty(archive_.get());
  // Filters read what they need to know themselves, so that damage may show here.
  if (archive_read_open_filename(archive_.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) {
    throw_damaged();
  }
}

MemberReader::~MemberReader() = default;

void MemberReader::throw_damaged() const {
  const char* reason = archive_error_string(archive_.get());
  throw Error(ErrorCode::kFormat, fmt::format("data: '{}' is damaged: {}; fetch it again",
                                              path_.string(), reason ? reason : "unknown"));
}

bool MemberReader::next() {
  if (ended_) return false;
  const bool first = !std::exchange(begun_, true);
  if (is_empty_) {
    name_ = path_.string();
    ended_ = !first;
    return first;
  }
  for (;;) {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(archive_.get(), &entry);
    const bool is_raw = archive_format(archive_.get()) == ARCHIVE_FORMAT_RAW ||
                        archive_format(archive_.get()) == ARCHIVE_FORMAT_EMPTY;
    if (code == ARCHIVE_EOF) {
      ended_ = true;
      name_ = path_.string();
      return first && is_raw;
    }
    if (code < ARCHIVE_WARN) throw_damaged();
    if (is_raw) {
      name_ = path_.string();
      return true;
    }
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const char* inner = archive_entry_pathname(entry);
    name_ = fmt::format("{}: {}", path_.string(), inner != nullptr ? inner : "?");
    return true;
  }
}

size_t MemberReader::read(std::span<char> buffer) {
  if (is_empty_ || ended_) return 0;
  const la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
  if (count < 0) throw_damaged();
  return static_cast<size_t>(count);
}

uint64_t MemberReader::bytes_read() const {
  if (is_empty_) return 0;
  // Filter -1 is the one nearest to the file.
  const int64_t bytes = archive_filter_bytes(archive_.get(), -1);
  return bytes < 0 ? 0 : static_cast<uint64_t>(bytes);
}

}  // namespace minim::train
