// Sharded models: model.safetensors.index.json and the files that it lists.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "formats/byte_reader.h"
#include "formats/safetensors/safetensors_reader.h"

namespace minim {
namespace {

constexpr size_t kIndexBytesMax = size_t{64} << 20;
constexpr uint64_t kBudgetBase = uint64_t{32} << 20;
// A tensor's place in the map of shards and in the result.
constexpr uint64_t kEntryBytes = 320;

using Shards = std::map<std::string, std::string>;  // files by tensor

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "safetensors: " + what);
}

// The handler of nlohmann's streaming parser: keeps "weight_map", an object of strings, and skips
// everything else.
class IndexHandler : public nlohmann::json_sax<Json> {
 public:
  IndexHandler(const std::string& origin, Shards& shards, MemoryBudget& budget)
      : origin_(origin), shards_(shards), budget_(budget) {}

  bool found() const { return found_; }

  bool start_object(size_t) override {
    if (in_map_) refuse();
    ++depth_;
    if (depth_ == 2 && key_ == "weight_map") in_map_ = found_ = true;
    return true;
  }
  bool end_object() override {
    --depth_;
    in_map_ = false;
    key_.clear();
    return true;
  }
  bool start_array(size_t) override {
    if (in_map_ || depth_ == 0) refuse();
    ++depth_;
    key_.clear();
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& key) override {
    if (in_map_) {
      budget_.charge(1, kEntryBytes + 2 * key.size());
      if (shards_.contains(key)) {
        fail(fmt::format("{}: the tensor '{}' stands twice", origin_, printable(key)));
      }
    } else if (depth_ == 1 && key == "weight_map" && found_) {
      fail(fmt::format("{}: 'weight_map' stands twice", origin_));
    }
    // Nothing else that is nested may be taken for the map.
    key_ = in_map_ || depth_ == 1 ? std::move(key) : std::string();
    return true;
  }
  bool string(string_t& text) override {
    if (in_map_) {
      budget_.charge_string(text.size());
      shards_.emplace(std::move(key_), std::move(text));
    }
    return scalar(true);
  }
  bool null() override { return scalar(!in_map_); }
  bool boolean(bool) override { return scalar(!in_map_); }
  bool number_integer(number_integer_t) override { return scalar(!in_map_); }
  bool number_unsigned(number_unsigned_t) override { return scalar(!in_map_); }
  bool number_float(number_float_t, const string_t&) override { return scalar(!in_map_); }
  bool binary(binary_t&) override { refuse(); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    fail(fmt::format("{}: not valid JSON at byte {}: {}", origin_, position,
                     printable(error.what(), 300)));
  }

 private:
  bool scalar(bool allowed) {
    if (!allowed || depth_ == 0) refuse();
    return true;
  }

  [[noreturn]] void refuse() const {
    if (depth_ == 0) fail(fmt::format("{}: it is not an object", origin_));
    fail(fmt::format("{}: the file of '{}' is not a string", origin_, printable(key_)));
  }

  const std::string& origin_;
  Shards& shards_;
  MemoryBudget& budget_;
  size_t depth_ = 0;
  bool in_map_ = false;
  bool found_ = false;
  std::string key_;
};

Shards read_weight_map(const Path& index) {
  const std::string origin = index.filename().string();
  const std::string text = read_file(index, kIndexBytesMax);
  // The parser takes a zero byte for the end of the text.
  if (text.find('\0') != std::string::npos) fail(fmt::format("{}: it holds a zero byte", origin));
  Shards shards;
  MemoryBudget budget(text.size() + kBudgetBase, "safetensors");
  IndexHandler handler(origin, shards, budget);
  Json::sax_parse(text.begin(), text.end(), &handler);
  if (!handler.found()) fail(fmt::format("{} has no object 'weight_map'", origin));
  if (shards.empty()) fail(fmt::format("{} lists no tensors", origin));
  return shards;
}

}  // namespace

SafetensorsSources open_safetensors_index(const Path& index) {
  const Shards shards = read_weight_map(index);
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> files;
  for (const auto& [name, shard] : shards) {
    auto& file = files[shard];
    if (!file) file = SafetensorsFile::open(resolve_inside(index.parent_path(), shard));
  }
  SafetensorsSources sources;
  sources.reserve(shards.size());
  for (const auto& [shard, file] : files) {
    for (const SafetensorsTensor& tensor : file->tensors()) {
      const auto listed = shards.find(tensor.name);
      if (listed == shards.end() || listed->second != shard) {
        fail(fmt::format("'{}' holds the tensor '{}', which the index does not expect there",
                         printable(shard), printable(tensor.name)));
      }
      sources.emplace(tensor.name, SafetensorsSource{file, &tensor});
    }
  }
  for (const auto& [name, shard] : shards) {
    if (!sources.contains(name)) {
      fail(fmt::format("the index expects the tensor '{}' in '{}', which does not hold it",
                       printable(name), printable(shard)));
    }
  }
  return sources;
}

Path resolve_inside(const Path& folder, std::string_view name) {
  const bool is_plain = !name.empty() && name != "." && name != ".." &&
                        name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
  if (!is_plain) {
    throw Error(
        ErrorCode::kFormat,
        fmt::format("'{}' is not the name of a file in the model's folder", printable(name)));
  }
  const Path path = folder / name;
  std::error_code error;
  Path root = std::filesystem::canonical(folder.empty() ? Path(".") : folder, error);
  const Path target = error ? Path() : std::filesystem::canonical(path, error);
  if (error) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("cannot open '{}': {}", path.string(), error.message()));
  }
  if (root.parent_path().filename() == "snapshots") root = root.parent_path().parent_path();
  const auto [end, rest] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  if (end != root.end()) {
    throw Error(ErrorCode::kFormat,
                fmt::format("'{}' is a link that leads out of its folder", path.string()));
  }
  return path;
}

}  // namespace minim
