#include "serve/openai/responses/store.h"

#include <algorithm>
#include <utility>

#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

// In memory a value takes several times its text.
constexpr size_t kBytesPerByte = 4;
constexpr size_t kBytesOfEach = 512;

size_t bytes_of(const StoredResponse& stored) {
  return kBytesOfEach + (stored.events != nullptr ? stored.events->bytes() : 0) +
         kBytesPerByte * (json_text(stored.response).size() + json_text(stored.input).size());
}

}  // namespace

bool StoredResponse::underway() const { return response.value("status", "") == "in_progress"; }

ResponseStore::ResponseStore(const ResponseStoreLimits& limits, Clock clock)
    : limits_(limits), clock_(std::move(clock)) {}

StoredResponse ResponseStore::take(Shelf& shelf, std::list<Kept>::iterator kept) {
  bytes_ -= kept->bytes;
  shelf.bytes -= kept->bytes;
  StoredResponse stored = std::move(kept->stored);
  shelf.by_id.erase(stored.id);
  shelf.kept.erase(kept);
  return stored;
}

void ResponseStore::drop_aged() {
  const auto oldest = clock_() - limits_.age_max;
  for (auto shelf = shelves_.begin(); shelf != shelves_.end();) {
    auto& kept = shelf->second.kept;
    while (!kept.empty() && kept.front().time < oldest) take(shelf->second, kept.begin());
    shelf = kept.empty() ? shelves_.erase(shelf) : std::next(shelf);
  }
}

// The newest stays whatever it takes, because its holder was just told of it.
void ResponseStore::drop_old(Shelf& shelf) {
  while (shelf.kept.size() > 1 &&
         (shelf.kept.size() > limits_.count_max || shelf.bytes > limits_.bytes_max)) {
    take(shelf, shelf.kept.begin());
  }
  while (bytes_ > limits_.bytes_all_max) {
    const auto largest = std::max_element(
        shelves_.begin(), shelves_.end(),
        [](const auto& a, const auto& b) { return a.second.bytes < b.second.bytes; });
    if (largest->second.kept.size() <= 1) return;
    take(largest->second, largest->second.kept.begin());
  }
}

void ResponseStore::put(const std::string& holder, StoredResponse stored) {
  const std::lock_guard lock(mutex_);
  drop_aged();
  Shelf& shelf = shelves_[holder];
  const size_t bytes = bytes_of(stored);
  const std::string id = stored.id;
  shelf.kept.push_back({std::move(stored), bytes, clock_()});
  shelf.by_id[id] = std::prev(shelf.kept.end());
  shelf.bytes += bytes;
  bytes_ += bytes;
  drop_old(shelf);
}

ResponseStore::Kept* ResponseStore::look_up(const std::string& holder, const std::string& id) {
  drop_aged();
  const auto shelf = shelves_.find(holder);
  if (shelf == shelves_.end()) return nullptr;
  const auto found = shelf->second.by_id.find(id);
  return found == shelf->second.by_id.end() ? nullptr : &*found->second;
}

bool ResponseStore::complete(const std::string& holder, OrderedJson response) {
  const std::lock_guard lock(mutex_);
  Kept* kept = look_up(holder, response["id"]);
  if (kept == nullptr || !kept->stored.underway()) return false;
  kept->stored.response = std::move(response);
  kept->stored.cancel = nullptr;
  Shelf& shelf = shelves_[holder];
  const size_t bytes = bytes_of(kept->stored);
  shelf.bytes += bytes - kept->bytes;
  bytes_ += bytes - kept->bytes;
  kept->bytes = bytes;
  drop_old(shelf);
  return true;
}

std::optional<StoredResponse> ResponseStore::find(const std::string& holder,
                                                  const std::string& id) {
  const std::lock_guard lock(mutex_);
  const Kept* kept = look_up(holder, id);
  return kept == nullptr ? std::nullopt : std::optional(kept->stored);
}

std::optional<StoredResponse> ResponseStore::remove(const std::string& holder,
                                                    const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (look_up(holder, id) == nullptr) return std::nullopt;
  Shelf& shelf = shelves_[holder];
  return take(shelf, shelf.by_id[id]);
}

void ResponseStore::await_underway() {
  const std::lock_guard lock(mutex_);
  for (auto& [holder, shelf] : shelves_) {
    for (Kept& kept : shelf.kept) kept.awaited = kept.stored.underway() && kept.stored.cancel;
  }
}

void ResponseStore::taken(const std::string& holder, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Kept* kept = look_up(holder, id);
  if (kept != nullptr && !kept->stored.underway()) kept->awaited = false;
}

size_t ResponseStore::awaited() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [holder, shelf] : shelves_) {
    for (const Kept& kept : shelf.kept) count += kept.awaited ? 1 : 0;
  }
  return count;
}

size_t ResponseStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace minim::serve
