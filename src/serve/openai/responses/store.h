// The responses that can be asked for again and continued: in memory, as long as bounds allow.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/json.h"
#include "serve/openai/responses/events.h"

namespace minim::serve {

struct ResponseStoreLimits {
  size_t count_max = 1024;              // of one holder
  size_t bytes_max = size_t{16} << 20;  // of one holder
  size_t bytes_all_max = size_t{256} << 20;
  std::chrono::seconds age_max{24 * 3600};
};

struct StoredResponse {
  std::string id;
  OrderedJson response;                    // as it is sent
  OrderedJson input;                       // the items of its request
  std::shared_ptr<ResponseEvents> events;  // of one in the background that is streamed
  std::function<void()> cancel;  // while it is generated and nobody waits for it; else empty

  bool underway() const;
};

// What one holder of a key keeps, no other finds; the oldest of his goes first. Safe to share
// between threads.
class ResponseStore {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  explicit ResponseStore(
      const ResponseStoreLimits& limits = {},
      Clock clock = [] { return std::chrono::steady_clock::now(); });

  void put(const std::string& holder, StoredResponse stored);
  // Instead of the one of the same id: false, and nothing happens, where that is not under way.
  bool complete(const std::string& holder, OrderedJson response);
  std::optional<StoredResponse> find(const std::string& holder, const std::string& id);
  // What was taken out; nothing where there was none.
  std::optional<StoredResponse> remove(const std::string& holder, const std::string& id);

  size_t bytes() const;

  // Those that are under way now and that nobody waits for are waited for until someone has taken
  // them: found them complete, or removed them.
  void await_underway();
  void taken(const std::string& holder, const std::string& id);
  size_t awaited() const;

 private:
  struct Kept {
    StoredResponse stored;
    size_t bytes = 0;
    std::chrono::steady_clock::time_point time;
    bool awaited = false;
  };
  struct Shelf {
    std::list<Kept> kept;  // oldest first
    std::unordered_map<std::string, std::list<Kept>::iterator> by_id;
    size_t bytes = 0;
  };
  using Shelves = std::unordered_map<std::string, Shelf>;

  Kept* look_up(const std::string& holder, const std::string& id);
  StoredResponse take(Shelf& shelf, std::list<Kept>::iterator kept);
  void drop_old(Shelf& shelf);
  void drop_aged();

  const ResponseStoreLimits limits_;
  const Clock clock_;
  mutable std::mutex mutex_;  // guards what follows
  Shelves shelves_;
  size_t bytes_ = 0;
};

}  // namespace minim::serve
