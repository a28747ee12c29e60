#include "eval/task_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "eval/losses.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "text/chat_prompt.h"

namespace minim {
namespace {

constexpr int64_t kContextTokensUsual = 2048;

// One model at work on one task.
class TaskRunner {
 public:
  TaskRunner(const Context& context, std::shared_ptr<const Model> model,
             std::shared_ptr<const Tokenizer> tokenizer, const Task& task,
             const TaskRunOptions& options)
      : tokenizer_(std::move(tokenizer)),
        task_(task),
        context_tokens_(options.context_tokens > 0
                            ? options.context_tokens
                            : std::min(kContextTokensUsual, model->config().context_length)),
        session_(context, std::move(model),
                 {.context_tokens = context_tokens_, .kv_type = options.kv_type}) {
    const Vocabulary& vocabulary = tokenizer_->vocabulary();
    const bool asks = task.kind() != TaskKind::kText && !task.options().prompt.empty();
    if (options.chat && task.options().chat && asks && !vocabulary.chat_template.empty()) {
      chat_.emplace(tokenizer_);
    }
    if (options.constrained && task.options().has_constraint()) constraints_.emplace(tokenizer_);
  }

  bool is_constrained() const { return constraints_.has_value(); }
  bool chats() const { return chat_.has_value(); }
  int64_t context_tokens() const { return context_tokens_; }
  int64_t token_count() const { return token_count_; }

  // Nothing for an item that does not fit the context.
  std::optional<TaskOutcome> run(const TaskItem& item) {
    TaskOutcome outcome;
    outcome.origin = item.origin;
    outcome.expected = item.answer;
    bool fits = true;
    switch (task_.kind()) {
      case TaskKind::kChoice: fits = choose(item, outcome); break;
      case TaskKind::kGeneration: fits = write(item, outcome); break;
      case TaskKind::kText: predict(item, outcome); break;
    }
    if (!fits) return std::nullopt;
    return outcome;
  }

 private:
  std::vector<TokenId> question(const std::string& prompt) const {
    if (!chat_) return tokenizer_->encode(prompt);
    // Models that think aloud answer at once.
    return chat_->encode({{"messages", {{{"role", "user"}, {"content", prompt}}}},
                          {"add_generation_prompt", true},
                          {"enable_thinking", false}},
                         0);
  }

  // What makes a text begin: BOS, or else what stands between texts.
  std::vector<TokenId> beginning() const {
    const Vocabulary& vocabulary = tokenizer_->vocabulary();
    if (vocabulary.bos) return {*vocabulary.bos};
    if (vocabulary.eos) return {*vocabulary.eos};
    return {};
  }

  std::vector<TokenId> choice_tokens(const TaskItem& item, const std::string& choice) const {
    const bool space = !chat_ && !item.prompt.empty() && !item.prompt.ends_with('\n');
    auto tokens = tokenizer_->encode(space ? " " + choice : choice, {.add_special = false});
    const Vocabulary& vocabulary = tokenizer_->vocabulary();
    const auto end = vocabulary.eot ? vocabulary.eot : vocabulary.eos;
    if (chat_ && end) tokens.push_back(*end);
    return tokens;
  }

  // Reads tokens after what the session holds, and returns the surprise at those from `first` on.
  // REQUIRES: first >= 1.
  double surprise(std::span<const TokenId> tokens, size_t first) {
    double nats = 0;
    if (tokens.size() <= first) return nats;
    token_count_ += static_cast<int64_t>(tokens.size()) - 1;
    session_.append(tokens.first(tokens.size() - 1), static_cast<int64_t>(first) - 1,
                    [&](int64_t at, MatrixView logits) {
                      for (int64_t i = 0; i < logits.rows; ++i) {
                        const std::span<float> row(logits.row(i), static_cast<size_t>(logits.cols));
                        log_softmax(row);
                        const TokenId target = tokens[static_cast<size_t>(at + i + 1)];
                        nats -= double{row[static_cast<size_t>(target)]};
                      }
                    });
    return nats;
  }

  void begin(std::span<const TokenId> prompt) {
    session_.rewind(0);
    token_count_ += static_cast<int64_t>(prompt.size());
    if (!prompt.empty()) session_.append(prompt);
  }

  bool choose(const TaskItem& item, TaskOutcome& outcome) {
    const auto prompt = item.prompt.empty() ? beginning() : question(item.prompt);
    std::vector<std::vector<TokenId>> answers;
    size_t longest = 0;
    for (const std::string& choice : item.choices) {
      answers.push_back(choice_tokens(item, choice));
      if (answers.back().empty() || (prompt.empty() && answers.back().size() < 2)) {
        throw Error(
            ErrorCode::kInvalidArgument,
            fmt::format("{}: the choice '{}' has no tokens to predict", item.origin, choice));
      }
      longest = std::max(longest, answers.back().size());
    }
    if (static_cast<int64_t>(prompt.size() + longest) > context_tokens_) return false;
    begin(prompt);
    std::vector<float> next(session_.logits().begin(), session_.logits().end());
    if (!prompt.empty()) log_softmax(next);
    size_t best = 0, best_bytes = 0;
    double least = std::numeric_limits<double>::infinity(), least_bytes = least;
    for (size_t i = 0; i < answers.size(); ++i) {
      session_.rewind(static_cast<int64_t>(prompt.size()));
      double nats = surprise(answers[i], 1);
      if (!prompt.empty()) nats -= double{next[static_cast<size_t>(answers[i].front())]};
      const double by_bytes =
          nats / static_cast<double>(std::max<size_t>(1, item.choices[i].size()));
      if (nats < least) least = nats, best = i;
      if (by_bytes < least_bytes) least_bytes = by_bytes, best_bytes = i;
    }
    outcome.given = item.choices[best];
    outcome.right = best == item.right;
    outcome.right_bytes = best_bytes == item.right;
    return true;
  }

  std::optional<Constraint> constraint_of(const TaskItem& item) {
    if (!constraints_) return std::nullopt;
    try {
      return constraints_->make(item.constraint);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: 'constraint': {}", item.origin, error.what()));
    }
  }

  // The likeliest token that the constraint allows.
  TokenId choose_token(std::optional<Constraint>& constraint) {
    if (!constraint) return most_probable(session_.logits());
    mask_.resize(constraint->mask_words());
    constraint->allowed(mask_);
    const auto logits = session_.logits();
    TokenId best = -1;
    for (size_t i = 0; i < logits.size(); ++i) {
      if ((mask_[i / 64] >> (i % 64) & 1) == 0) continue;
      if (best < 0 || logits[i] > logits[static_cast<size_t>(best)]) best = static_cast<TokenId>(i);
    }
    MINIM_CHECK(best >= 0);
    constraint->accept(best);
    return best;
  }

  bool write(const TaskItem& item, TaskOutcome& outcome) {
    std::optional<Constraint> constraint = constraint_of(item);
    const auto prompt = question(item.prompt);
    if (static_cast<int64_t>(prompt.size()) >= context_tokens_) return false;
    begin(prompt);
    std::vector<TokenId> tokens;
    std::string text;
    while (static_cast<int64_t>(tokens.size()) < task_.options().tokens_max) {
      const TokenId token = choose_token(constraint);
      if (tokenizer_->ends_generation(token)) break;
      tokens.push_back(token);
      text = tokenizer_->decode(tokens, {.skip_special = true});
      if (task_.options().one_line && text.find('\n') != std::string::npos) break;
      if (session_.length() == context_tokens_) break;
      if (constraint && constraint->is_finished()) break;
      ++token_count_;
      session_.append(std::span(&token, 1));
    }
    if (task_.options().one_line) text = text.substr(0, text.find('\n'));
    const size_t front = text.find_first_not_of(" \t\r\n");
    if (front == std::string::npos) return true;
    const size_t back = text.find_last_not_of(" \t\r\n");
    outcome.given = task_.read_answer(text.substr(front, back - front + 1));
    return true;
  }

  // Every token after the first is scored once: the first window whole, then the second halves of
  // windows that begin half a window further on.
  void predict(const TaskItem& item, TaskOutcome& outcome) {
    std::vector<TokenId> tokens = beginning();
    const auto text = tokenizer_->encode(item.prompt, {.add_special = false});
    tokens.insert(tokens.end(), text.begin(), text.end());
    outcome.bytes = static_cast<int64_t>(item.prompt.size());
    const auto window = static_cast<size_t>(context_tokens_);
    size_t scored = 1;
    for (size_t start = 0; scored < tokens.size(); start += window / 2) {
      const size_t end = std::min(start + window, tokens.size());
      session_.rewind(0);
      outcome.nats += surprise(std::span(tokens).subspan(start, end - start), scored - start);
      scored = end;
    }
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  const Task& task_;
  int64_t context_tokens_;
  Session session_;
  std::optional<ChatPrompt> chat_;
  std::optional<ConstraintFactory> constraints_;
  std::vector<uint64_t> mask_;
  int64_t token_count_ = 0;
};

}  // namespace

TaskResult run_task(const Context& context, std::shared_ptr<const Model> model,
                    std::shared_ptr<const Tokenizer> tokenizer, const Task& task,
                    std::span<const TaskItem> items, const TaskRunOptions& options,
                    const ProgressSink& progress) {
  const auto start = std::chrono::steady_clock::now();
  if (options.context_tokens > 0 && options.context_tokens < 4) {
    throw Error(ErrorCode::kInvalidArgument, "eval: a context has 4 tokens at least");
  }
  TaskRunner runner(context, std::move(model), std::move(tokenizer), task, options);
  TaskResult result;
  result.name = task.options().name;
  result.chat = runner.chats();
  result.constrained = runner.is_constrained();
  if (task.kind() == TaskKind::kText) result.window_tokens = runner.context_tokens();
  for (size_t i = 0; i < items.size(); ++i) {
    if (auto outcome = runner.run(items[i])) {
      result.outcomes.push_back(std::move(*outcome));
    } else {
      ++result.too_long;
    }
    report_progress(progress, {.stage = task.options().name,
                               .done = static_cast<uint64_t>(i + 1),
                               .total = static_cast<uint64_t>(items.size()),
                               .unit = "items"});
  }
  if (result.outcomes.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("eval: none of the {} items of '{}' fits a context of {} tokens",
                            items.size(), result.name, runner.context_tokens()));
  }
  mark_right(task.options(), result.outcomes);
  result.metrics = score_outcomes(task.options(), result.outcomes);
  result.token_count = runner.token_count();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace minim
