// Has the requests of batches answered, by the handlers that answer clients, behind all of these:
// one batch after the other, a few requests at once. What was answered is kept at once, and not
// answered again when the server is started after it was killed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "serve/api_keys.h"
#include "serve/call.h"
#include "serve/data/data_store.h"

namespace minim::serve {

struct BatchRunnerHooks {
  // Answers a request of an endpoint; called in the strand of its exchange.
  std::function<void(const Call&)> handle;
  // The key that a holder has now, null for nobody's; nothing where he has none any more.
  std::function<std::optional<std::shared_ptr<const ApiKey>>(const std::string& holder)> key_of;
};

class BatchRunner {
 public:
  // Goes on with what is not done, in a thread of its own. `data` and `parts` must outlive it.
  BatchRunner(DataStore& data, ServerParts& parts, BatchRunnerHooks hooks);
  // stop().
  ~BatchRunner();
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  // A batch was added, or is to be cancelled. From any thread, as the next.
  void wake();
  // What is being answered is left to the next start. No more is asked for when it returns.
  void stop();

 private:
  struct Inbox;
  class Run;

  void loop();
  void work_on(StoredBatch batch);
  void finish(StoredBatch batch, const char* status, const char* time_field,
              const std::vector<BatchResult>& also = {});

  DataStore& data_;
  ServerParts& parts_;
  const BatchRunnerHooks hooks_;
  const std::shared_ptr<Inbox> inbox_;
  std::thread thread_;
};

}  // namespace minim::serve
