// What a person typed, kept for the next time: one entry a line, \n and \\ within it escaped. The
// file is for its owner only (mode 0600) and bounded; several programs may add to it at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace minim::cli {

struct HistoryLimits {
  size_t entries_max = 1000;
  size_t bytes_max = 1 << 20;         // of the file, when it is read
  size_t entry_bytes_max = 16 << 10;  // longer ones are not kept
};

// $XDG_STATE_HOME/minim/history, by default in ~/.local/state; empty where there is no home.
Path default_history_path();

// Nothing here throws: a history that cannot be kept is no reason to stop. problem() tells why.
class HistoryFile {
 public:
  explicit HistoryFile(Path path, HistoryLimits limits = {});

  // The entries, oldest first. Rewrites the file where it has outgrown its limits.
  std::vector<std::string> load();
  // Adds an entry at once, so that nothing is lost whatever ends the program; not the last one
  // again.
  void append(std::string_view entry);

  // What last went wrong: "cannot write '...': ..."; empty: nothing.
  const std::string& problem() const { return problem_; }

 private:
  bool write_lines(const std::string& lines, int flags, const Path& path);
  void rewrite(const std::vector<std::string>& entries);
  void fail(const char* verb, const Path& path);

  Path path_;
  HistoryLimits limits_;
  std::string last_;
  std::string problem_;
};

}  // namespace minim::cli
