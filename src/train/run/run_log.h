// What happened in a run, a JSON object a line: written while it happens, read by reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace minim::train {

// "log.jsonl" in the folder of a run.
Path run_log_path(const Path& folder);

// What a run is: written when it begins and each time it is resumed.
struct RunStart {
  std::string name;
  std::string recipe;   // as YAML, with every key that is not at its default
  std::string version;  // of minim
  std::string machine;  // processor, instruction set, threads
  int64_t step = 0;     // that it begins after: 0, or that of the checkpoint
  int64_t step_count = 0;
  uint64_t parameters = 0;
  int64_t batch_tokens = 0;  // positions in a step
  int64_t time = 0;          // seconds since 1970
};

struct StepRecord {
  int64_t step = 0;     // 1 is the first
  uint64_t tokens = 0;  // read so far
  double loss = 0;      // nats a token, the mean of the step; NaN where it was not finite
  double learning_rate = 0;
  double gradient_norm = 0;
  double seconds = 0;  // of this step
  double peak_share = 0;
};

struct HeldOutRecord {
  int64_t step = 0;
  double loss = 0;
  double bits_per_byte = 0;
};

// Anything else worth a line: a skipped step, a rollback, a checkpoint, the end.
struct RunNote {
  int64_t step = 0;
  std::string kind;  // "skipped", "rollback", "checkpoint", "stopped", "done"
  std::string text;
};

class RunLog {
 public:
  // Appends to the log of a run; half a line that a killed run left is cut off. Throws kIo.
  explicit RunLog(const Path& folder);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  // Each is on its way to the disk when the call returns. Throws kIo.
  void write(const RunStart& start);
  void write(const StepRecord& record);
  void write(const HeldOutRecord& record);
  void write(const RunNote& note);

 private:
  void write_line(const std::string& line);

  Path path_;
  int descriptor_ = -1;
};

struct RunHistory {
  RunStart start;                // the last one
  std::vector<int64_t> resumed;  // after which steps
  std::vector<StepRecord> steps;
  std::vector<HeldOutRecord> held_out;
  std::vector<RunNote> notes;
};

// What a resumed run did again counts as it was the last time. Throws kNotFound, and kFormat with
// the line for what is no log.
RunHistory read_run_log(const Path& folder);
RunHistory parse_run_log(const std::string& text, const std::string& origin);

}  // namespace minim::train
