#include "serve/data/data_store.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/system_random.h"
#include "serve/request/json_text.h"

namespace minim::serve {
namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr const char* kSchema = R"(
  CREATE TABLE files (
    id TEXT PRIMARY KEY, holder TEXT NOT NULL, name TEXT NOT NULL, purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL, created INTEGER NOT NULL, content BLOB NOT NULL);
  CREATE INDEX files_of ON files (holder);
  CREATE TABLE batches (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, holder TEXT NOT NULL,
    status TEXT NOT NULL, document TEXT NOT NULL);
  CREATE INDEX batches_of ON batches (holder);
  CREATE TABLE results (
    batch TEXT NOT NULL REFERENCES batches (id), line INTEGER NOT NULL, failed INTEGER NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (batch, line)) WITHOUT ROWID;
  PRAGMA user_version = 1;
)";
constexpr const char* kFileColumns = "id, holder, name, purpose, bytes, created";
constexpr const char* kUnfinished = "('validating', 'in_progress', 'cancelling')";

Path make_folder(const Path& folder) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    throw Error(ErrorCode::kIo, fmt::format("data: cannot make the folder '{}': {}",
                                            folder.string(), std::strerror(errno)));
  }
  return folder / "minim.db";
}

StoredFile file_of(const Statement& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.number(4), row.number(5)};
}

StoredBatch batch_of(const Statement& row) {
  return {row.text(0), row.text(1), row.text(2), OrderedJson::parse(row.text(3))};
}

}  // namespace

DataStore::DataStore(const Path& folder, const Options& options)
    : options_(options), database_(make_folder(folder)) {
  Statement version(database_, "PRAGMA user_version");
  const int64_t found = version.next() ? version.number(0) : 0;
  if (found == 0) {
    Transaction transaction(database_);
    database_.run(kSchema);
    transaction.commit();
  } else if (found != kSchemaVersion) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("data: '{}' was written by another version of minim", folder.string()));
  }
}

// ---- files -------------------------------------------------------------------------------------

// What is deleted leaves pages that are used again. REQUIRES: the mutex is held, as for the next.
int64_t DataStore::used_bytes() {
  Statement used(database_,
                 "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, "
                 "pragma_freelist_count, pragma_page_size");
  return used.next() ? used.number(0) : 0;
}

bool DataStore::has_room_for(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  return used_bytes() + bytes <= options_.bytes_max;
}

void DataStore::insert_file(const StoredFile& file, std::string_view content) {
  Statement statement(database_,
                      "INSERT INTO files (id, holder, name, purpose, bytes, created, content) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  statement.bind(file.id).bind(file.holder).bind(file.name).bind(file.purpose);
  statement.bind(static_cast<int64_t>(content.size())).bind(file.created).bind_bytes(content);
  statement.run();
}

void DataStore::add_file(const StoredFile& file, std::string_view content) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(database_);
  const int64_t bytes = used_bytes();
  if (bytes + static_cast<int64_t>(content.size()) > options_.bytes_max) {
    throw Error(ErrorCode::kLimit,
                fmt::format("the server keeps {} bytes of files and results, and may keep {}; "
                            "delete some",
                            bytes, options_.bytes_max));
  }
  insert_file(file, content);
  transaction.commit();
}

std::vector<StoredFile> DataStore::files(const std::string& holder, const std::string& purpose) {
  const std::lock_guard lock(mutex_);
  Statement rows(database_, fmt::format("SELECT {} FROM files WHERE holder = ? AND (? = '' OR "
                                        "purpose = ?) ORDER BY rowid",
                                        kFileColumns));
  rows.bind(holder).bind(purpose).bind(purpose);
  std::vector<StoredFile> list;
  while (rows.next()) list.push_back(file_of(rows));
  return list;
}

std::optional<StoredFile> DataStore::find_file(const std::string& holder, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement row(database_,
                fmt::format("SELECT {} FROM files WHERE id = ? AND holder = ?", kFileColumns));
  row.bind(id).bind(holder);
  return row.next() ? std::optional(file_of(row)) : std::nullopt;
}

std::optional<std::string> DataStore::content(const std::string& holder, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement row(database_, "SELECT content FROM files WHERE id = ? AND holder = ?");
  row.bind(id).bind(holder);
  return row.next() ? std::optional(row.text(0)) : std::nullopt;
}

bool DataStore::remove_file(const std::string& holder, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement statement(database_, "DELETE FROM files WHERE id = ? AND holder = ?");
  statement.bind(id).bind(holder).run();
  return database_.changes() > 0;
}

// ---- batches -----------------------------------------------------------------------------------

void DataStore::add_batch(const StoredBatch& batch) {
  const std::lock_guard lock(mutex_);
  Statement statement(database_,
                      "INSERT INTO batches (id, holder, status, document) VALUES (?, ?, ?, ?)");
  statement.bind(batch.id).bind(batch.holder).bind(batch.status).bind(json_text(batch.document));
  statement.run();
}

std::vector<StoredBatch> DataStore::batches(const std::string& holder) {
  const std::lock_guard lock(mutex_);
  Statement rows(database_,
                 "SELECT id, holder, status, document FROM batches WHERE holder = ? "
                 "ORDER BY number");
  rows.bind(holder);
  std::vector<StoredBatch> list;
  while (rows.next()) list.push_back(batch_of(rows));
  return list;
}

std::optional<StoredBatch> DataStore::find_batch(const std::string& holder, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement row(database_,
                "SELECT id, holder, status, document FROM batches WHERE id = ? AND holder = ?");
  row.bind(id).bind(holder);
  return row.next() ? std::optional(batch_of(row)) : std::nullopt;
}

std::optional<StoredBatch> DataStore::next_batch() {
  const std::lock_guard lock(mutex_);
  Statement row(database_, fmt::format("SELECT id, holder, status, document FROM batches WHERE "
                                       "status IN {} ORDER BY number LIMIT 1",
                                       kUnfinished));
  return row.next() ? std::optional(batch_of(row)) : std::nullopt;
}

bool DataStore::change_batch(const StoredBatch& batch, const std::string& before) {
  const std::lock_guard lock(mutex_);
  Statement statement(database_,
                      "UPDATE batches SET status = ?, document = ? WHERE id = ? AND status = ?");
  statement.bind(batch.status).bind(json_text(batch.document)).bind(batch.id).bind(before);
  statement.run();
  return database_.changes() > 0;
}

bool DataStore::is_read(const std::string& file) {
  const std::lock_guard lock(mutex_);
  Statement rows(database_, fmt::format("SELECT 1 FROM batches WHERE status IN {} AND "
                                        "json_extract(document, '$.input_file_id') = ? LIMIT 1",
                                        kUnfinished));
  rows.bind(file);
  return rows.next();
}

void DataStore::add_results(const std::string& batch, const std::vector<BatchResult>& results) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(database_);
  for (const BatchResult& result : results) {
    Statement statement(database_,
                        "INSERT INTO results (batch, line, failed, text) VALUES (?, ?, ?, ?)");
    statement.bind(batch).bind(result.line).bind(static_cast<int64_t>(result.failed));
    statement.bind(result.text).run();
  }
  transaction.commit();
}

std::vector<BatchResult> DataStore::results(const std::string& batch) {
  const std::lock_guard lock(mutex_);
  Statement rows(database_, "SELECT line, failed, text FROM results WHERE batch = ? ORDER BY line");
  rows.bind(batch);
  std::vector<BatchResult> list;
  while (rows.next()) list.push_back({rows.number(0), rows.number(1) != 0, rows.text(2)});
  return list;
}

BatchCounts DataStore::counts(const std::string& batch) {
  const std::lock_guard lock(mutex_);
  Statement row(database_, "SELECT COUNT(*), SUM(failed) FROM results WHERE batch = ?");
  row.bind(batch);
  if (!row.next()) return {};
  return {.completed = row.number(0) - row.number(1), .failed = row.number(1)};
}

void DataStore::finish_batch(const StoredBatch& batch, const std::vector<NewFile>& files) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(database_);
  for (const NewFile& each : files) insert_file(each.file, each.content);
  Statement change(database_, "UPDATE batches SET status = ?, document = ? WHERE id = ?");
  change.bind(batch.status).bind(json_text(batch.document)).bind(batch.id).run();
  Statement drop(database_, "DELETE FROM results WHERE batch = ?");
  drop.bind(batch.id).run();
  transaction.commit();
}

std::string make_data_id(const char* prefix) {
  return fmt::format("{}{:016x}{:08x}", prefix, system_random(), system_random() >> 32);
}

}  // namespace minim::serve
