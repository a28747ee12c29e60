// SQLite, as far as a server needs it: statements that are bound and read by position, and errors
// that are thrown.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"

struct sqlite3;
struct sqlite3_stmt;

namespace minim::serve {

class Database;

// Made where it is used; bound from 1 on, read from 0 on.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // The next parameter.
  Statement& bind(std::string_view text);
  Statement& bind(int64_t number);
  Statement& bind_bytes(std::string_view bytes);
  // Whether there is a row (more).
  bool next();
  // For what gives no rows.
  void run();

  std::string text(int column) const;
  int64_t number(int column) const;

 private:
  void check(int result) const;

  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

// One thread at a time.
class Database {
 public:
  // Makes the file, for its owner alone, where there is none. Throws kIo, and kInvalidArgument
  // where another program has it open.
  explicit Database(const Path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Some statements, without parameters.
  void run(const char* sql);
  int64_t changes() const;  // rows that the last statement changed
  [[noreturn]] void fail(int result) const;

 private:
  friend class Statement;
  Path file_;
  sqlite3* handle_ = nullptr;
};

// All that is done in its life, or nothing: commit() comes last.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool committed_ = false;
};

}  // namespace minim::serve
