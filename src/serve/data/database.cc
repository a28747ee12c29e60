#include "serve/data/database.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace minim::serve {

// ---- statements --------------------------------------------------------------------------------

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  check(::sqlite3_prepare_v2(database.handle_, sql.data(), static_cast<int>(sql.size()),
                             &statement_, nullptr));
}

Statement::~Statement() { ::sqlite3_finalize(statement_); }

void Statement::check(int result) const {
  if (result != SQLITE_OK) database_.fail(result);
}

Statement& Statement::bind(std::string_view text) {
  check(::sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                              SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int64_t number) {
  check(::sqlite3_bind_int64(statement_, ++bound_, number));
  return *this;
}

Statement& Statement::bind_bytes(std::string_view bytes) {
  check(::sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

bool Statement::next() {
  const int result = ::sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) database_.fail(result);
  return false;
}

void Statement::run() {
  while (next()) {
  }
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(::sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(::sqlite3_column_bytes(statement_, column))};
}

int64_t Statement::number(int column) const { return ::sqlite3_column_int64(statement_, column); }

// ---- the file ----------------------------------------------------------------------------------

Database::Database(const Path& file) : file_(file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("data: cannot open '{}': {}", file.string(), std::strerror(errno)));
  }
  ::close(descriptor);
  try {
    const int result = ::sqlite3_open_v2(file.c_str(), &handle_,
                                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
    if (result != SQLITE_OK) fail(result);
    ::sqlite3_extended_result_codes(handle_, 1);
    // What was committed is on the disk; the file is this program's alone while it runs.
    run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
        "BEGIN EXCLUSIVE; COMMIT;");
  } catch (...) {
    ::sqlite3_close(handle_);
    throw;
  }
}

Database::~Database() { ::sqlite3_close(handle_); }

void Database::run(const char* sql) {
  const int result = ::sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result);
}

int64_t Database::changes() const { return ::sqlite3_changes64(handle_); }

void Database::fail(int result) const {
  const std::string what =
      handle_ == nullptr ? ::sqlite3_errstr(result) : ::sqlite3_errmsg(handle_);
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("data: '{}' is in use by another server; give each its own folder",
                              file_.string()));
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw Error(ErrorCode::kFormat,
                  fmt::format("data: '{}' is damaged, or no database: {}", file_.string(), what));
    default: throw Error(ErrorCode::kIo, fmt::format("data: '{}': {}", file_.string(), what));
  }
}

Transaction::Transaction(Database& database) : database_(database) {
  database.run("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (committed_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back already.
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  committed_ = true;
}

}  // namespace minim::serve
