#include "serve/openai/batches/batch_runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "serve/http/detached_exchange.h"
#include "serve/openai/batches/batch_input.h"
#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kRequestsAtOnce = 4;
constexpr int kPriority = -1;  // behind all that clients wait for
constexpr std::chrono::seconds kDiskPatience{1};
constexpr std::chrono::milliseconds kTick{500};

struct Answered {
  size_t line = 0;
  std::string request_id;
  HttpResponse response;
};

OrderedJson outcome(const std::string& custom_id, OrderedJson response, OrderedJson error) {
  return {{"id", make_data_id("batch_req_")},
          {"custom_id", custom_id},
          {"response", std::move(response)},
          {"error", std::move(error)}};
}

BatchResult failed_without_response(size_t line, const std::string& custom_id, const char* code,
                                    const char* message) {
  return {static_cast<int64_t>(line), true,
          json_text(outcome(custom_id, nullptr, {{"code", code}, {"message", message}}))};
}

// Seconds after which the same request may be answered; nothing where this is the answer.
std::optional<double> retry_seconds(const HttpResponse& response) {
  if (response.status == 0) return 1;
  if (response.status != 429 && response.status != 503) return std::nullopt;
  if (response.body.find("\"model_too_large\"") != std::string::npos) return std::nullopt;
  for (const HttpHeader& header : response.headers) {
    if (header.name == "retry-after") return std::strtod(header.value.c_str(), nullptr);
  }
  return std::nullopt;
}

}  // namespace

// What comes from other threads.
struct BatchRunner::Inbox {
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::vector<Answered> answered;
  bool woken = true;
  bool stopping = false;

  template <typename Change>
  void change(Change change_it) {
    {
      const std::lock_guard lock(mutex);
      change_it();
    }
    changed.notify_one();
  }
  bool is_stopping() {
    const std::lock_guard lock(mutex);
    return stopping;
  }
};

// ---- one batch in progress ---------------------------------------------------------------------

class BatchRunner::Run {
 public:
  enum class End { kDone, kCancelled, kExpired, kFull, kStopping };

  Run(BatchRunner& runner, const StoredBatch& batch, std::string content)
      : runner_(runner),
        batch_(batch),
        endpoint_(batch.document["endpoint"].get<std::string>()),
        expires_(batch.document["expires_at"].get<int64_t>()),
        content_(std::move(content)),
        lines_(split_lines(content_)) {
    std::set<int64_t> known;
    for (const BatchResult& result : runner_.data_.results(batch_.id)) {
      known.insert(result.line);
      bytes_ += static_cast<int64_t>(result.text.size());
    }
    for (size_t line = 0; line < lines_.size(); ++line) {
      if (known.count(static_cast<int64_t>(line)) == 0) waiting_.push_back({line, {}});
    }
  }
  ~Run() {
    for (const auto& [line, asked] : underway_) asked->close();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Until all are answered, or no more are to be.
  End run() {
    while (!waiting_.empty() || !underway_.empty()) {
      ask_more();
      std::vector<Answered> answered;
      bool woken = false;
      {
        Inbox& inbox = *runner_.inbox_;
        std::unique_lock lock(inbox.mutex);
        inbox.changed.wait_for(
            lock, kTick, [&] { return inbox.stopping || inbox.woken || !inbox.answered.empty(); });
        if (inbox.stopping) return End::kStopping;
        answered.swap(inbox.answered);
        woken = std::exchange(inbox.woken, false);
      }
      if (!keep(answered)) return End::kFull;
      if (woken && runner_.data_.find_batch(batch_.holder, batch_.id)->status == "cancelling") {
        return End::kCancelled;
      }
      if (std::time(nullptr) >= expires_) return End::kExpired;
    }
    return End::kDone;
  }

  // Those that were never answered.
  std::vector<BatchResult> unanswered(const char* code, const char* message) const {
    std::vector<BatchResult> results;
    const auto add = [&](size_t line) {
      results.push_back(failed_without_response(
          line, read_batch_line(lines_[line], endpoint_).custom_id, code, message));
    };
    for (const auto& [line, asked] : underway_) add(line);
    for (const Waiting& waiting : waiting_) add(waiting.line);
    return results;
  }

 private:
  struct Waiting {
    size_t line;
    Clock::time_point not_before;
  };

  void ask_more() {
    std::vector<BatchResult> failed;
    const auto now = Clock::now();
    for (auto next = waiting_.begin();
         next != waiting_.end() && underway_.size() < kRequestsAtOnce;) {
      if (next->not_before > now) {
        ++next;
        continue;
      }
      ask(next->line, failed);
      next = waiting_.erase(next);
    }
    if (!failed.empty()) runner_.data_.add_results(batch_.id, failed);
  }

  void ask(size_t line, std::vector<BatchResult>& failed) {
    BatchLine read = read_batch_line(lines_[line], endpoint_);
    const auto key = runner_.hooks_.key_of(batch_.holder);
    if (!key) {
      failed.push_back(failed_without_response(line, read.custom_id, "invalid_api_key",
                                               "the key that asked for the batch is gone"));
      return;
    }
    HttpRequest request{.method = "POST",
                        .path = endpoint_,
                        .headers = {{"content-type", "application/json"}},
                        .body = std::move(read.body),
                        .peer = "batch",
                        .id = make_data_id("req_")};
    const auto inbox = runner_.inbox_;
    const std::string id = request.id;
    underway_[line] = runner_.parts_.detached.open(
        std::move(request),
        [&parts = runner_.parts_, handle = runner_.hooks_.handle,
         key = *key](std::shared_ptr<Exchange> exchange) {
          handle(
              {.exchange = std::move(exchange), .parts = parts, .key = key, .priority = kPriority});
        },
        [inbox, line, id](HttpResponse response) {
          inbox->change([&] { inbox->answered.push_back({line, id, std::move(response)}); });
        });
  }

  // False, and nothing is kept, where the results would have more bytes than they may.
  bool keep(const std::vector<Answered>& answered) {
    std::vector<BatchResult> results;
    for (const Answered& each : answered) {
      const auto asked = underway_.find(each.line);
      const std::string& id = each.request_id;
      // Of an earlier run?
      if (asked == underway_.end() || asked->second->request().id != id) continue;
      if (const auto seconds = retry_seconds(each.response)) {
        const auto wait = std::chrono::milliseconds(static_cast<int64_t>(*seconds * 1e3));
        waiting_.push_back({each.line, Clock::now() + wait});
        underway_.erase(asked);
        continue;
      }
      const std::string custom_id = read_batch_line(lines_[each.line], endpoint_).custom_id;
      OrderedJson response = {{"status_code", each.response.status},
                              {"request_id", id},
                              {"body", OrderedJson::parse(each.response.body, nullptr,
                                                          /*allow_exceptions=*/false)}};
      results.push_back({static_cast<int64_t>(each.line), each.response.status != 200,
                         json_text(outcome(custom_id, std::move(response), nullptr))});
    }
    if (results.empty()) return true;
    int64_t more = 0;
    for (const BatchResult& result : results) more += static_cast<int64_t>(result.text.size());
    // At the end they are copied into files.
    DataStore& data = runner_.data_;
    if (bytes_ + more > data.options().batch_bytes_max || !data.has_room_for(bytes_ + 2 * more)) {
      return false;
    }
    bytes_ += more;
    data.add_results(batch_.id, results);
    for (const BatchResult& result : results) underway_.erase(static_cast<size_t>(result.line));
    return true;
  }

  BatchRunner& runner_;
  const StoredBatch batch_;
  const std::string endpoint_;
  const int64_t expires_;
  const std::string content_;
  const std::vector<std::string_view> lines_;
  int64_t bytes_ = 0;  // of the results
  std::deque<Waiting> waiting_;
  std::map<size_t, std::shared_ptr<DetachedExchange>> underway_;
};

// ---- all of them -------------------------------------------------------------------------------

BatchRunner::BatchRunner(DataStore& data, ServerParts& parts, BatchRunnerHooks hooks)
    : data_(data),
      parts_(parts),
      hooks_(std::move(hooks)),
      inbox_(std::make_shared<Inbox>()),
      thread_([this] { loop(); }) {}

BatchRunner::~BatchRunner() { stop(); }

void BatchRunner::wake() {
  inbox_->change([&] { inbox_->woken = true; });
}

void BatchRunner::stop() {
  inbox_->change([&] { inbox_->stopping = true; });
  if (thread_.joinable()) thread_.join();
}

void BatchRunner::loop() {
  while (!inbox_->is_stopping()) {
    bool disk_failed = false;
    try {
      if (auto batch = data_.next_batch()) {
        work_on(*std::move(batch));
        continue;
      }
    } catch (const Error&) {
      // Whoever asks for the batch is told; here it may be better in a while.
      disk_failed = true;
    }
    std::unique_lock lock(inbox_->mutex);
    const auto ready = [&] { return inbox_->stopping || inbox_->woken; };
    if (disk_failed) {
      inbox_->changed.wait_for(lock, kDiskPatience, [&] { return inbox_->stopping; });
    } else {
      inbox_->changed.wait(lock, ready);
    }
    inbox_->woken = false;
  }
}

void BatchRunner::work_on(StoredBatch batch) {
  if (batch.status == "cancelling") return finish(std::move(batch), "cancelled", "cancelled_at");
  const std::string content =
      data_.content(batch.holder, batch.document["input_file_id"]).value_or("");
  if (batch.status == "validating") {
    const auto lines = split_lines(content);
    batch.document["errors"] = check_batch_input(lines, batch.document["endpoint"]);
    if (!batch.document["errors"].is_null()) {
      return finish(std::move(batch), "failed", "failed_at");
    }
    batch.status = "in_progress";
    batch.document["in_progress_at"] = std::time(nullptr);
    batch.document["request_counts"]["total"] = lines.size();
    if (!data_.change_batch(batch, "validating")) return;  // it is to be cancelled
  }
  Run run(*this, batch, content);
  switch (run.run()) {
    case Run::End::kDone: return finish(std::move(batch), "completed", "completed_at");
    case Run::End::kExpired:
      return finish(
          std::move(batch), "expired", "expired_at",
          run.unanswered("batch_expired", "the batch was not done within its completion window"));
    case Run::End::kFull:
      return finish(std::move(batch), "completed", "completed_at",
                    run.unanswered("storage_full",
                                   "the results of the batch, or all that the server keeps, have "
                                   "as many bytes as they may; split it, or delete files"));
    case Run::End::kCancelled:
    case Run::End::kStopping: return;
  }
}

// At once: the end of the batch, and the files with what came of it.
void BatchRunner::finish(StoredBatch batch, const char* status, const char* time_field,
                         const std::vector<BatchResult>& also) {
  if (const auto now = data_.find_batch(batch.holder, batch.id); now->status == "cancelling") {
    batch.document = now->document;
    if (batch.status != "cancelling") {
      status = "cancelled";
      time_field = "cancelled_at";
    }
  }
  std::vector<BatchResult> results = data_.results(batch.id);
  results.insert(results.end(), also.begin(), also.end());
  const int64_t now = std::time(nullptr);
  std::vector<DataStore::NewFile> files;
  int64_t counts[] = {0, 0};
  for (const bool failed : {false, true}) {
    DataStore::NewFile file{.file = {.id = make_data_id("file-"),
                                     .holder = batch.holder,
                                     .name = batch.id + (failed ? "_error" : "_output") + ".jsonl",
                                     .purpose = "batch_output",
                                     .created = now}};
    for (const BatchResult& result : results) {
      if (result.failed != failed) continue;
      file.content += result.text + "\n";
      ++counts[failed ? 1 : 0];
    }
    if (file.content.empty()) continue;
    batch.document[failed ? "error_file_id" : "output_file_id"] = file.file.id;
    files.push_back(std::move(file));
  }
  batch.status = status;
  batch.document[time_field] = now;
  batch.document["request_counts"]["completed"] = counts[0];
  batch.document["request_counts"]["failed"] = counts[1];
  data_.finish_batch(batch, files);
}

}  // namespace minim::serve
