// A task: questions, what is right, and how answers are scored. docs/evaluation.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/metrics.h"
#include "text/example_template.h"
#include "text/schema/constraint_factory.h"

namespace minim {

// How a model is asked.
enum class TaskKind {
  kChoice,      // which of the choices is the likeliest answer
  kGeneration,  // what it writes, the likeliest token each time
  kText,        // how well it predicts the text itself
};

struct TaskOptions {
  std::string name;
  std::string description;
  // Jinja over the fields of a record, which are its variables.
  std::string prompt;                // kText: the text
  std::string answer;                // what is right; of choices: its text, its letter or its index
  std::vector<std::string> choices;  // a template each; or one that gives a JSON array of texts
  std::vector<Metric> metrics;
  std::string positive;     // the class that precision, recall and F1 are of
  std::string given;        // kGeneration: what counts of the model's answer, its variable `output`
  int64_t tokens_max = 64;  // kGeneration: tokens at most
  bool one_line = false;    // kGeneration: the answer ends with its line
  bool chat = true;         // ask through the model's chat template, where it has one
  // kGeneration: what an answer is held to in a constrained run, a template too; or one of the
  // answers that the task has (whoever reads the items makes an expression of these). At most one.
  ConstraintKind constraint_kind = ConstraintKind::kSchema;
  std::string constraint;  // empty: nothing
  bool known_answers = false;

  bool has_constraint() const { return !constraint.empty() || known_answers; }
};

// A record as the model meets it.
struct TaskItem {
  std::string origin;  // of the record: "dev.tsv.xz:12"
  std::string prompt;
  std::string answer;                // kChoice: the text of the right choice
  std::vector<std::string> choices;  // kChoice
  size_t right = 0;                  // kChoice: the index of the right one
  ConstraintSource constraint;       // where the task has one
};

class Task {
 public:
  // Throws kInvalidArgument for options that do not go together and for templates that are none,
  // naming the key.
  explicit Task(TaskOptions options);

  const TaskOptions& options() const { return options_; }
  TaskKind kind() const { return kind_; }

  // Nothing where the prompt or the answer comes out empty, or there is one choice alone: such
  // records are no part of the task. Throws kInvalidArgument for a record that does not suit the
  // templates, or whose right answer is none of the choices.
  std::optional<TaskItem> make_item(const OrderedJson& record, const std::string& origin) const;

  // What counts of an answer that the model wrote. Throws kInvalidArgument where `given` fails.
  std::string read_answer(const std::string& output) const;

 private:
  void check() const;
  std::vector<std::string> make_choices(const OrderedJson& record) const;

  TaskOptions options_;
  TaskKind kind_;
  std::vector<RecordTemplate> prompt_;  // one, or none where the choices are whole texts
  std::vector<RecordTemplate> answer_;  // one, or none of a text
  std::vector<RecordTemplate> choices_;
  std::vector<RecordTemplate> given_;       // one, or none: all of it
  std::vector<RecordTemplate> constraint_;  // one, or none
};

// An expression for one of `answers`; that of no answer matches nothing but the empty text.
ConstraintSource one_of_answers(std::vector<std::string> answers);

}  // namespace minim
