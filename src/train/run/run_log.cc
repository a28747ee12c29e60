#include "train/run/run_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/json.h"

namespace minim::train {
namespace {

constexpr size_t kLogBytesMax = size_t{1} << 30;

[[noreturn]] void throw_io(const char* action, const Path& path) {
  throw Error(ErrorCode::kIo, fmt::format("cannot {} '{}': {}", action, path.string(),
                                          std::strerror(errno)));  // NOLINT
}

// JSON has no NaN.
OrderedJson number(double value) {
  return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr);
}

// Where the last whole line ends.
off_t end_of_lines(int descriptor, const Path& path) {
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) throw_io("read the size of", path);
  char buffer[4096];
  for (off_t end = status.st_size; end > 0;) {
    const off_t begin = std::max<off_t>(end - static_cast<off_t>(sizeof(buffer)), 0);
    const ssize_t count = ::pread(descriptor, buffer, static_cast<size_t>(end - begin), begin);
    if (count != end - begin) throw_io("read", path);
    for (ssize_t i = count; i > 0; --i) {
      if (buffer[i - 1] == '\n') return begin + i;
    }
    end = begin;
  }
  return 0;
}

class EntryReader {
 public:
  EntryReader(const Json& entry, const std::string& origin) : entry_(entry), origin_(origin) {}

  std::string text(const char* key) const {
    return json_get<std::string>(entry_, key, origin_).value_or("");
  }
  int64_t integer(const char* key) const {
    const auto value = json_get<int64_t>(entry_, key, origin_);
    if (value && *value >= 0) return *value;
    throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' is missing or negative", origin_, key));
  }
  double real(const char* key) const {
    return json_get<double>(entry_, key, origin_)
        .value_or(std::numeric_limits<double>::quiet_NaN());
  }

 private:
  const Json& entry_;
  const std::string& origin_;
};

// What came after `step` is forgotten: the run did it again.
template <typename Record>
void forget_after(int64_t step, std::vector<Record>& records) {
  std::erase_if(records, [step](const Record& record) { return record.step > step; });
}

void add_entry(const Json& json, const std::string& origin, RunHistory& history) {
  const EntryReader entry(json, origin);
  const std::string event = entry.text("event");
  if (event == "start") {
    history.start = {.name = entry.text("name"),
                     .recipe = entry.text("recipe"),
                     .version = entry.text("version"),
                     .machine = entry.text("machine"),
                     .step = entry.integer("step"),
                     .step_count = entry.integer("step_count"),
                     .parameters = static_cast<uint64_t>(entry.integer("parameters")),
                     .batch_tokens = entry.integer("batch_tokens"),
                     .time = entry.integer("time")};
    forget_after(history.start.step, history.steps);
    forget_after(history.start.step, history.held_out);
    if (history.start.step > 0) history.resumed.push_back(history.start.step);
  } else if (event == "step") {
    history.steps.push_back({.step = entry.integer("step"),
                             .tokens = static_cast<uint64_t>(entry.integer("tokens")),
                             .loss = entry.real("loss"),
                             .learning_rate = entry.real("learning_rate"),
                             .gradient_norm = entry.real("gradient_norm"),
                             .seconds = entry.real("seconds"),
                             .peak_share = entry.real("peak_share")});
  } else if (event == "held_out") {
    history.held_out.push_back(
        {entry.integer("step"), entry.real("loss"), entry.real("bits_per_byte")});
  } else if (event == "note") {
    const RunNote note = {entry.integer("step"), entry.text("kind"), entry.text("text")};
    if (note.kind == "rollback") {
      forget_after(note.step, history.steps);
      forget_after(note.step, history.held_out);
    }
    history.notes.push_back(note);
  } else {
    throw Error(ErrorCode::kFormat, fmt::format("{}: '{}' is no event of a run", origin, event));
  }
}

}  // namespace

Path run_log_path(const Path& folder) { return folder / "log.jsonl"; }

RunLog::RunLog(const Path& folder) : path_(run_log_path(folder)) {
  std::filesystem::create_directories(folder);
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw_io("open", path_);
  try {
    const off_t end = end_of_lines(descriptor_, path_);
    if (::ftruncate(descriptor_, end) != 0 || ::lseek(descriptor_, end, SEEK_SET) != end) {
      throw_io("write", path_);
    }
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

RunLog::~RunLog() { ::close(descriptor_); }

void RunLog::write_line(const std::string& line) {
  const std::string whole = line + "\n";
  for (size_t done = 0; done < whole.size();) {
    const ssize_t count = ::write(descriptor_, whole.data() + done, whole.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_io("write", path_);
    done += static_cast<size_t>(count);
  }
}

void RunLog::write(const RunStart& start) {
  const OrderedJson entry = {{"event", "start"},
                             {"name", start.name},
                             {"version", start.version},
                             {"machine", start.machine},
                             {"time", start.time},
                             {"step", start.step},
                             {"step_count", start.step_count},
                             {"parameters", start.parameters},
                             {"batch_tokens", start.batch_tokens},
                             {"recipe", start.recipe}};
  write_line(entry.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

void RunLog::write(const StepRecord& record) {
  const OrderedJson entry = {{"event", "step"},
                             {"step", record.step},
                             {"tokens", record.tokens},
                             {"loss", number(record.loss)},
                             {"learning_rate", number(record.learning_rate)},
                             {"gradient_norm", number(record.gradient_norm)},
                             {"seconds", number(record.seconds)},
                             {"peak_share", number(record.peak_share)}};
  write_line(entry.dump());
}

void RunLog::write(const HeldOutRecord& record) {
  const OrderedJson entry = {{"event", "held_out"},
                             {"step", record.step},
                             {"loss", number(record.loss)},
                             {"bits_per_byte", number(record.bits_per_byte)}};
  write_line(entry.dump());
}

void RunLog::write(const RunNote& note) {
  const OrderedJson entry = {
      {"event", "note"}, {"step", note.step}, {"kind", note.kind}, {"text", note.text}};
  write_line(entry.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

RunHistory parse_run_log(const std::string& text, const std::string& origin) {
  RunHistory history;
  int64_t line = 0;
  for (size_t begin = 0;;) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // half a line is one that is still being written
    const std::string place = fmt::format("{}:{}", origin, ++line);
    add_entry(parse_json(std::string_view(text).substr(begin, end - begin), place), place, history);
    begin = end + 1;
  }
  if (line == 0) {
    throw Error(ErrorCode::kFormat, fmt::format("'{}' says nothing yet", origin));
  }
  return history;
}

RunHistory read_run_log(const Path& folder) {
  const Path path = run_log_path(folder);
  return parse_run_log(read_file(path, kLogBytesMax), path.string());
}

}  // namespace minim::train
