// Where tests find their data: small golden files in the repository, larger third-party data in the
// folder that MINIM_DATA names (default: ../shared/data beside the repository).
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace minim::testing {

// A file checked in under tests/. Fails loudly when it is absent.
Path golden_path(std::string_view relative);

// A file of the data folder, or an empty path where it is absent.
Path data_path(std::string_view relative);

// The content of a data file; `.xz` files are decompressed.
std::string read_data(const Path& path);

struct ArchiveMember {
  std::string name;
  std::string content;
};
// The regular files of a (compressed) tar archive.
std::vector<ArchiveMember> read_archive(const Path& path);

// A fresh folder, removed with everything in it at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

}  // namespace minim::testing

// Skips the test, saying which file is missing, or binds `variable` to its path.
#define MINIM_DATA_OR_SKIP(variable, relative)                                        \
  const ::minim::Path variable = ::minim::testing::data_path(relative);               \
  if (variable.empty()) {                                                             \
    GTEST_SKIP() << "needs " << (relative) << " in the data folder (set MINIM_DATA)"; \
  }
