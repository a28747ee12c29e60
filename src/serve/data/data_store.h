// What a server keeps on disk: files, batches, and the result of each request of a batch, from the
// moment that it is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "serve/data/database.h"

namespace minim::serve {

struct StoredFile {
  std::string id;
  std::string holder;  // the name of a key, or empty
  std::string name;
  std::string purpose;
  int64_t bytes = 0;
  int64_t created = 0;  // seconds since 1970
};

struct StoredBatch {
  std::string id;
  std::string holder;
  std::string status;    // as OpenAI's API names it
  OrderedJson document;  // the object of the API, without its counts
};

struct BatchCounts {
  int64_t total = 0;
  int64_t completed = 0;
  int64_t failed = 0;
};

struct BatchResult {
  int64_t line = 0;  // of the input file, from 0 on
  bool failed = false;
  std::string text;  // a line of the output or the error file
};

// Safe to share between threads; each call is one transaction. All throw kIo where the disk fails.
class DataStore {
 public:
  struct Options {
    int64_t bytes_max = int64_t{16} << 30;         // of all files and results
    int64_t batch_bytes_max = int64_t{256} << 20;  // of the results of one batch
  };

  // Makes the folder and what is in it where it is not there. Throws what Database throws.
  explicit DataStore(const Path& folder) : DataStore(folder, Options()) {}
  DataStore(const Path& folder, const Options& options);

  const Options& options() const { return options_; }
  bool has_room_for(int64_t bytes);

  // Throws kLimit where there is no room for it.
  void add_file(const StoredFile& file, std::string_view content);
  // Of this holder, oldest first; `purpose` empty: of any.
  std::vector<StoredFile> files(const std::string& holder, const std::string& purpose);
  std::optional<StoredFile> find_file(const std::string& holder, const std::string& id);
  // Nothing where there is no such file.
  std::optional<std::string> content(const std::string& holder, const std::string& id);
  bool remove_file(const std::string& holder, const std::string& id);

  void add_batch(const StoredBatch& batch);
  std::vector<StoredBatch> batches(const std::string& holder);
  std::optional<StoredBatch> find_batch(const std::string& holder, const std::string& id);
  // The oldest that is not in its last state.
  std::optional<StoredBatch> next_batch();
  // False, and nothing happens, where its status is not `before` any more.
  bool change_batch(const StoredBatch& batch, const std::string& before);
  // Whether a batch that is not done reads the file.
  bool is_read(const std::string& file);

  void add_results(const std::string& batch, const std::vector<BatchResult>& results);
  std::vector<BatchResult> results(const std::string& batch);
  BatchCounts counts(const std::string& batch);
  // The last state of a batch, its files, and the end of its results, at once.
  struct NewFile {
    StoredFile file;
    std::string content;
  };
  void finish_batch(const StoredBatch& batch, const std::vector<NewFile>& files);

 private:
  int64_t used_bytes();
  void insert_file(const StoredFile& file, std::string_view content);
  void insert_batch(const StoredBatch& batch);

  const Options options_;
  std::mutex mutex_;  // guards the next
  Database database_;
};

// "file-", "batch_" and the like, and 24 random hexadecimal digits.
std::string make_data_id(const char* prefix);

}  // namespace minim::serve
