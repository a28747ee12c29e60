// Tasks as people write them down: YAML files, in a folder or anywhere. docs/evaluation.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "eval/task.h"
#include "train/recipe/recipe.h"

namespace minim::cli {

struct TaskFile {
  TaskOptions options;
  train::Recipe data;  // of one source: where the records come from
};

// Throws kNotFound, and kFormat or kInvalidArgument with file and line: for what is no YAML, keys
// that are not known, wrong types, and what Task refuses.
TaskFile load_task_file(const Path& path);

// A path, or the name of a task in `folder` without .yaml. Throws kNotFound, listing what is there.
Path find_task(const std::string& name, const Path& folder);
std::vector<Path> list_tasks(const Path& folder);

struct TaskItems {
  std::vector<TaskItem> items;
  std::vector<std::string> left_out;  // bad records, in words: how many, and the first
};

// The items of a task, `limit` of them at most (0: all): then a sample that is always the same, in
// the order of the files. Throws what reading the files throws, and kInvalidArgument where there is
// no item.
TaskItems read_items(const TaskFile& file, const Task& task, int64_t limit);

}  // namespace minim::cli
