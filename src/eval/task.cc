#include "eval/task.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, what);
}

RecordTemplate make_template(const std::string& source, const char* key) {
  try {
    return RecordTemplate(source);
  } catch (const Error& error) {
    refuse(fmt::format("'{}' is no template: {}", key, error.what()));
  }
}

bool for_choices(Metric metric) {
  return metric == Metric::kAccuracy || metric == Metric::kAccuracyBytes ||
         metric == Metric::kPrecision || metric == Metric::kRecall || metric == Metric::kF1 ||
         metric == Metric::kMacroF1;
}

bool needs_positive(Metric metric) {
  return metric == Metric::kPrecision || metric == Metric::kRecall || metric == Metric::kF1;
}

// The choice that `answer` is: its text, its letter A, B, ..., or its index from 0.
std::optional<size_t> find_choice(const std::vector<std::string>& choices,
                                  const std::string& answer) {
  const auto text = std::find(choices.begin(), choices.end(), answer);
  if (text != choices.end()) return static_cast<size_t>(text - choices.begin());
  size_t index = choices.size();
  if (answer.size() == 1 && answer[0] >= 'A' && answer[0] <= 'Z') {
    index = static_cast<size_t>(answer[0] - 'A');
  } else {
    const char* end = answer.data() + answer.size();
    const auto [stop, error] = std::from_chars(answer.data(), end, index);
    if (error != std::errc() || stop != end) return std::nullopt;
  }
  if (index >= choices.size()) return std::nullopt;
  return index;
}

TaskKind kind_of(const TaskOptions& options) {
  if (!options.choices.empty()) return TaskKind::kChoice;
  return options.answer.empty() ? TaskKind::kText : TaskKind::kGeneration;
}

}  // namespace

Task::Task(TaskOptions options) : options_(std::move(options)), kind_(kind_of(options_)) {
  check();
  if (!options_.prompt.empty()) prompt_.push_back(make_template(options_.prompt, "prompt"));
  if (!options_.answer.empty()) answer_.push_back(make_template(options_.answer, "answer"));
  if (!options_.given.empty()) given_.push_back(make_template(options_.given, "given"));
  if (!options_.constraint.empty()) {
    constraint_.push_back(make_template(options_.constraint, "constraint"));
  }
  for (const std::string& choice : options_.choices) {
    choices_.push_back(make_template(choice, "choices"));
  }
}

void Task::check() const {
  if (options_.metrics.empty()) refuse("it has no 'metrics'");
  if (kind_ != TaskKind::kChoice && options_.prompt.empty()) refuse("it has no 'prompt'");
  if (kind_ == TaskKind::kChoice && options_.answer.empty()) {
    refuse("it has 'choices' without an 'answer'");
  }
  if (!options_.given.empty() && kind_ != TaskKind::kGeneration) {
    refuse("'given' is for answers that the model writes");
  }
  if (options_.has_constraint() && kind_ != TaskKind::kGeneration) {
    refuse("'constraint' is for answers that the model writes");
  }
  if (options_.tokens_max < 1) refuse("'tokens_max' must be at least 1");
  for (const Metric metric : options_.metrics) {
    const bool of_text = metric == Metric::kBitsPerByte;
    const bool fits = kind_ == TaskKind::kText     ? of_text
                      : kind_ == TaskKind::kChoice ? for_choices(metric)
                                                   : !of_text && metric != Metric::kAccuracyBytes;
    if (!fits) {
      refuse(fmt::format("the metric {} is not for {}", metric_name(metric),
                         kind_ == TaskKind::kText     ? "a text without an 'answer'"
                         : kind_ == TaskKind::kChoice ? "'choices'"
                                                      : "answers that the model writes"));
    }
    if (needs_positive(metric) && options_.positive.empty()) {
      refuse(fmt::format("the metric {} needs 'positive', the class that it is of",
                         metric_name(metric)));
    }
  }
}

std::vector<std::string> Task::make_choices(const OrderedJson& record) const {
  std::vector<std::string> choices;
  for (const RecordTemplate& choice : choices_) choices.push_back(choice.render(record));
  if (choices.size() != 1) return choices;
  const OrderedJson list = OrderedJson::parse(choices[0], nullptr, false);
  const bool texts = list.is_array() && std::all_of(list.begin(), list.end(), [](const auto& one) {
                       return one.is_string();
                     });
  if (!texts) {
    refuse("a single one of 'choices' must give a JSON array of texts, as {{ options | tojson }}");
  }
  return list.get<std::vector<std::string>>();
}

std::optional<TaskItem> Task::make_item(const OrderedJson& record,
                                        const std::string& origin) const {
  TaskItem item;
  item.origin = origin;
  try {
    if (!prompt_.empty()) item.prompt = prompt_[0].render(record);
    if (!answer_.empty()) item.answer = answer_[0].render(record);
    if (kind_ == TaskKind::kChoice) item.choices = make_choices(record);
    if (!constraint_.empty()) {
      item.constraint = {options_.constraint_kind, constraint_[0].render(record),
                         JsonSpacing::kSpaced};
    }
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", origin, error.what()));
  }
  if (!prompt_.empty() && item.prompt.empty()) return std::nullopt;
  if (!answer_.empty() && item.answer.empty()) return std::nullopt;
  if (kind_ != TaskKind::kChoice) return item;
  if (item.choices.size() < 2) return std::nullopt;
  const auto right = find_choice(item.choices, item.answer);
  if (!right) {
    refuse(
        fmt::format("{}: the answer '{}' is none of the {} choices, nor the letter or index of "
                    "one",
                    origin, item.answer.substr(0, 80), item.choices.size()));
  }
  item.right = *right;
  item.answer = item.choices[*right];
  return item;
}

ConstraintSource one_of_answers(std::vector<std::string> answers) {
  std::sort(answers.begin(), answers.end());
  answers.erase(std::unique(answers.begin(), answers.end()), answers.end());
  std::string expression;
  for (const std::string& answer : answers) {
    if (!expression.empty()) expression += '|';
    for (const char c : answer) {
      if (std::string_view(R"(\^$.|?*+()[]{})").find(c) != std::string_view::npos) {
        expression += '\\';
      }
      expression += c;
    }
  }
  return {ConstraintKind::kRegex, "(" + expression + ")"};
}

std::string Task::read_answer(const std::string& output) const {
  if (given_.empty()) return output;
  try {
    return given_[0].render({{"output", output}});
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("eval: 'given' of '{}': {}", options_.name, error.what()));
  }
}

}  // namespace minim
