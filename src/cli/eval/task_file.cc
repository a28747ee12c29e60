#include "cli/eval/task_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "cli/nearest_name.h"
#include "train/data/document_reader.h"
#include "train/data/document_text.h"
#include "train/data/packing.h"
#include "train/data/source_texts.h"
#include "train/recipe/prepare.h"
#include "train/recipe/section_reader.h"

namespace minim::cli {
namespace {

using train::YamlNode;

// Those of a recipe's source that say what its records are.
constexpr std::array<std::string_view, 10> kDataKeys = {
    "files",   "format", "split",    "separator",   "delimiter",
    "columns", "rows",   "held_out", "held_out_by", "bad_documents"};

class TaskFileReader {
 public:
  TaskFileReader(std::string origin, TaskFile& file) : origin_(std::move(origin)), file_(file) {}

  void read(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::kMap) refuse(root, "a task is a map of keys and values");
    for (const auto& [key, value] : root.entries) read_key(key, value);
    if (file_.data.data.sources.empty()) refuse(root, "it has no 'data'");
  }

 private:
  [[noreturn]] void refuse(const YamlNode& node, const std::string& what) const {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("task: {}:{}: {}", origin_, std::max(node.line, 1), what));
  }

  std::string text(const std::string& key, const YamlNode& node) const {
    if (node.kind != YamlNode::Kind::kScalar) refuse(node, fmt::format("'{}' is no text", key));
    return node.scalar;
  }

  std::vector<std::string> texts(const std::string& key, const YamlNode& node) const {
    if (node.kind == YamlNode::Kind::kScalar) return {node.scalar};
    if (node.kind != YamlNode::Kind::kList) {
      refuse(node, fmt::format("'{}' is no text and no list of texts", key));
    }
    std::vector<std::string> list;
    for (const YamlNode& item : node.items) list.push_back(text(key, item));
    return list;
  }

  bool flag(const std::string& key, const YamlNode& node) const {
    const std::string word = text(key, node);
    if (word != "true" && word != "false") {
      refuse(node, fmt::format("'{}' is '{}', not true or false", key, word));
    }
    return word == "true";
  }

  int64_t count(const std::string& key, const YamlNode& node) const {
    const std::string word = text(key, node);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1) {
      refuse(node, fmt::format("'{}' is '{}', not a whole number above 0", key, word));
    }
    return value;
  }

  void read_constraint(const YamlNode& node) {
    constexpr const char* kWanted =
        "'constraint' has one key: schema, regex, grammar, or answers: true";
    if (node.kind != YamlNode::Kind::kMap || node.entries.size() != 1) refuse(node, kWanted);
    const auto& [key, value] = node.entries.front();
    TaskOptions& options = file_.options;
    if (key == "answers") {
      options.known_answers = flag(key, value);
      return;
    }
    if (key == "schema") {
      options.constraint_kind = ConstraintKind::kSchema;
    } else if (key == "regex") {
      options.constraint_kind = ConstraintKind::kRegex;
    } else if (key == "grammar") {
      options.constraint_kind = ConstraintKind::kGbnf;
    } else {
      refuse(value, kWanted);
    }
    options.constraint = text(key, value);
  }

  void read_key(const std::string& key, const YamlNode& node) {
    TaskOptions& options = file_.options;
    if (key == "description") {
      options.description = text(key, node);
    } else if (key == "prompt") {
      options.prompt = text(key, node);
    } else if (key == "answer") {
      options.answer = text(key, node);
    } else if (key == "choices") {
      options.choices = texts(key, node);
    } else if (key == "metrics") {
      read_metrics(node);
    } else if (key == "given") {
      options.given = text(key, node);
    } else if (key == "positive") {
      options.positive = text(key, node);
    } else if (key == "tokens_max") {
      options.tokens_max = count(key, node);
    } else if (key == "one_line") {
      options.one_line = flag(key, node);
    } else if (key == "chat") {
      options.chat = flag(key, node);
    } else if (key == "constraint") {
      read_constraint(node);
    } else if (key == "data") {
      read_data(node);
    } else {
      refuse_key(node, key, "a task",
                 {"description", "data", "prompt", "answer", "choices", "metrics", "given",
                  "positive", "tokens_max", "one_line", "chat", "constraint"});
    }
  }

  [[noreturn]] void refuse_key(const YamlNode& node, const std::string& key, const char* what,
                               const std::vector<std::string_view>& known) const {
    const std::string nearest = train::nearest_name(key, known);
    std::string all;
    for (const std::string_view name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    refuse(node,
           fmt::format("'{}' is no key of {}; {}", key, what,
                       nearest.empty() ? "there are " + all : "did you mean '" + nearest + "'?"));
  }

  void read_metrics(const YamlNode& node) {
    for (const std::string& name : texts("metrics", node)) {
      try {
        file_.options.metrics.push_back(parse_metric(name));
      } catch (const Error& error) {
        refuse(node, error.what());
      }
    }
  }

  void read_data(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::kMap) refuse(node, "'data' is no map of keys and values");
    train::SourceRecipe& source = file_.data.data.sources.emplace_back();
    source.name = "items";
    const auto keys = train::section_keys<train::SourceRecipe>();
    for (const auto& [name, value] : node.entries) {
      if (std::find(kDataKeys.begin(), kDataKeys.end(), name) == kDataKeys.end()) {
        refuse_key(value, name, "a task's data", {kDataKeys.begin(), kDataKeys.end()});
      }
      const auto key = std::find_if(keys.begin(), keys.end(),
                                    [&](const auto& known) { return name == known.name; });
      train::set_field(*key, value, fmt::format("{}:{}", origin_, value.line), "data." + name,
                       source);
    }
    if (source.files.empty()) refuse(node, "'data' has no 'files'");
    if (source.format == "chat") {
      refuse(node, "'data' has format: chat; take jsonl, and name the fields in the templates");
    }
  }

  std::string origin_;
  TaskFile& file_;
};

struct Record {
  OrderedJson object;
  std::string origin;
};

// Without the folder of the file.
std::string short_origin(const std::string& origin, const std::vector<Path>& files) {
  for (const Path& file : files) {
    const std::string path = file.string();
    if (origin.starts_with(path)) return file.filename().string() + origin.substr(path.size());
  }
  return origin;
}

std::vector<Record> read_records(const TaskFile& file, std::vector<std::string>& left_out) {
  const train::SourceOptions source = train::source_options(file.data, 0);
  const auto& held_out = file.data.data.sources[0].held_out;
  const std::string& field = file.data.data.sources[0].held_out_by;
  train::DocumentReader reader(source.files, source.reader);
  std::vector<Record> records;
  train::SourceReport report;
  train::RawDocument document;
  while (reader.next(document)) {
    train::DocumentObject read = train::read_record(document, source.reader.format, field);
    if (read.defect == train::Defect::kEmpty) continue;
    if (read.defect) {
      train::count_skipped(source, document, *read.defect, read.problem, report);
      continue;
    }
    if (held_out && !train::is_held_out(read.text_hash, *held_out)) continue;
    records.push_back({std::move(read.object), short_origin(document.origin, source.files)});
  }
  left_out = train::describe_skipped(report);
  return records;
}

std::vector<std::string> all_answers(const Task& task, const std::vector<Record>& records) {
  std::vector<std::string> answers;
  for (const Record& record : records) {
    if (auto item = task.make_item(record.object, record.origin)) {
      answers.push_back(std::move(item->answer));
    }
  }
  return answers;
}

}  // namespace

TaskFile load_task_file(const Path& path) {
  TaskFile file;
  file.options.name = path.stem().string();
  file.data.origin = path.string();
  file.data.folder = path.parent_path();
  try {
    const YamlNode root = train::parse_yaml(read_file(path, size_t{1} << 20), file.data.origin);
    TaskFileReader(file.data.origin, file).read(root);
  } catch (const Error& error) {
    // What a task shares with a recipe's source is read by the same code.
    constexpr std::string_view kRecipe = "recipe: ";
    const std::string_view what = error.what();
    if (!what.starts_with(kRecipe)) throw;
    throw Error(error.code(), fmt::format("task: {}", what.substr(kRecipe.size())));
  }
  try {
    const Task checked(file.options);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("task: {}: {}", path.string(), error.what()));
  }
  return file;
}

std::vector<Path> list_tasks(const Path& folder) {
  std::vector<Path> found;
  if (!std::filesystem::is_directory(folder)) return found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Path find_task(const std::string& name, const Path& folder) {
  if (std::filesystem::is_regular_file(name)) return name;
  const std::vector<Path> tasks = list_tasks(folder);
  std::string known;
  for (const Path& path : tasks) {
    if (path.stem() == name) return path;
    known += (known.empty() ? "" : ", ") + path.stem().string();
  }
  throw Error(
      ErrorCode::kNotFound,
      fmt::format(
          "eval: there is no file '{}' and no task of this name in '{}'{}", name, folder.string(),
          known.empty() ? "; name the folder of tasks with --folder" : ", which has " + known));
}

TaskItems read_items(const TaskFile& file, const Task& task, int64_t limit) {
  TaskItems result;
  const std::vector<Record> records = read_records(file, result.left_out);
  std::vector<size_t> order(records.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (limit > 0) {
    Rng rng(1);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  }
  std::vector<std::pair<size_t, TaskItem>> chosen;
  for (const size_t i : order) {
    if (limit > 0 && static_cast<int64_t>(chosen.size()) == limit) break;
    if (auto item = task.make_item(records[i].object, records[i].origin)) {
      chosen.emplace_back(i, std::move(*item));
    }
  }
  if (chosen.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("task: {}: none of its {} records makes an item", file.data.origin,
                            records.size()));
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [place, item] : chosen) result.items.push_back(std::move(item));
  if (task.options().known_answers) {
    const ConstraintSource known = one_of_answers(all_answers(task, records));
    for (TaskItem& item : result.items) item.constraint = known;
  }
  return result;
}

}  // namespace minim::cli
