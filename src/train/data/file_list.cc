#include "train/data/file_list.h"

#include <fmt/core.h>
#include <glob.h>

#include <memory>
#include <set>

#include "base/error.h"

namespace minim::train {
namespace {

// The names that match, sorted by glob() itself.
std::vector<Path> match(const Path& pattern) {
  glob_t found = {};
  const std::unique_ptr<glob_t, decltype(&::globfree)> cleanup(&found, &::globfree);
  const int code = ::glob(pattern.c_str(), GLOB_TILDE, nullptr, &found);
  if (code == GLOB_NOSPACE) throw std::bad_alloc();
  if (code == GLOB_ABORTED) {
    throw Error(ErrorCode::kIo, fmt::format("data: cannot list '{}'", pattern.string()));
  }
  std::vector<Path> paths;
  for (size_t i = 0; code == 0 && i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  return paths;
}

}  // namespace

std::vector<Path> find_files(std::span<const std::string> patterns, const Path& base) {
  std::vector<Path> files;
  std::set<Path> seen;
  for (const std::string& pattern : patterns) {
    const bool absolute = pattern.starts_with('/') || pattern.starts_with('~');
    const std::vector<Path> names = match(absolute ? Path(pattern) : base / pattern);
    size_t count = 0;
    for (const Path& name : names) {
      const bool is_folder = std::filesystem::is_directory(name);
      if (is_folder && names.size() == 1) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("data: '{}' is a folder; name the files in it, for example '{}/*'",
                                pattern, pattern));
      }
      if (is_folder) continue;
      ++count;
      if (seen.insert(std::filesystem::weakly_canonical(name)).second) files.push_back(name);
    }
    if (count > 0) continue;
    const Path where =
        base.empty() ? std::filesystem::current_path() : std::filesystem::absolute(base);
    throw Error(ErrorCode::kNotFound,
                fmt::format("data: no file matches '{}'{}", pattern,
                            absolute ? "" : fmt::format(" in {}", where.string())));
  }
  return files;
}

}  // namespace minim::train
