#include "tests/support/test_data.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace minim::testing {
namespace {

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

Path repository() { return MINIM_REPOSITORY; }

Archive open_archive(const Path& path, bool raw) {
  Archive handle(archive_read_new(), &archive_read_free);
  archive_read_support_filter_all(handle.get());
  if (raw) {
    archive_read_support_format_raw(handle.get());
  } else {
    archive_read_support_format_all(handle.get());
  }
  if (archive_read_open_filename(handle.get(), path.c_str(), 1 << 16) != ARCHIVE_OK) {
    throw std::runtime_error(path.string() + ": " + archive_error_string(handle.get()));
  }
  return handle;
}

std::string read_entry(archive* handle) {
  std::string content;
  char chunk[1 << 16];
  for (;;) {
    const la_ssize_t count = archive_read_data(handle, chunk, sizeof(chunk));
    if (count < 0) throw std::runtime_error(archive_error_string(handle));
    if (count == 0) return content;
    content.append(chunk, static_cast<size_t>(count));
  }
}

}  // namespace

Path golden_path(std::string_view relative) {
  const Path path = repository() / "tests" / relative;
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error("missing golden file " + path.string());
  }
  return path;
}

Path data_path(std::string_view relative) {
  const char* folder = std::getenv("MINIM_DATA");
  const Path root = folder != nullptr ? Path(folder) : repository().parent_path() / "shared/data";
  const Path path = root / relative;
  return std::filesystem::exists(path) ? path : Path();
}

std::string read_data(const Path& path) {
  if (path.extension() != ".xz") return read_file(path);
  const Archive handle = open_archive(path, true);
  archive_entry* entry = nullptr;
  if (archive_read_next_header(handle.get(), &entry) != ARCHIVE_OK) return {};
  return read_entry(handle.get());
}

std::vector<ArchiveMember> read_archive(const Path& path) {
  const Archive handle = open_archive(path, false);
  std::vector<ArchiveMember> members;
  archive_entry* entry = nullptr;
  while (archive_read_next_header(handle.get(), &entry) == ARCHIVE_OK) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const std::string name = archive_entry_pathname(entry);
    members.push_back({name, read_entry(handle.get())});
  }
  return members;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "minim-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace minim::testing
