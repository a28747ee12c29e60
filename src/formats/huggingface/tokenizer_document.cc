#include "formats/huggingface/tokenizer_document.h"

#include <fmt/core.h>

#include "base/error.h"
#include "formats/byte_reader.h"

namespace minim {
namespace {

// A node of the tree: the value and its place in an object or array.
constexpr uint64_t kNodeBytes = 160;
constexpr uint64_t kItemBytes = 48;
constexpr uint64_t kBudgetBase = uint64_t{32} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "tokenizer.json: " + what);
}

// The handler of nlohmann's streaming parser. `path_` names the open containers; the lists are
// recognised by it, all else is appended to the tree at `open_`.
class DocumentHandler : public nlohmann::json_sax<Json> {
 public:
  DocumentHandler(TokenizerDocument& document, MemoryBudget& budget)
      : document_(document), budget_(budget) {}

  bool start_object(size_t) override {
    if (list_ != List::kNone) refuse("an object");
    if (starts("vocab")) return start_list(List::kVocab);
    return open(Json::object());
  }
  bool end_object() override { return close(); }

  bool start_array(size_t) override {
    switch (list_) {
      case List::kNone:
        if (starts("vocab")) return start_list(List::kPieces);
        if (starts("merges")) return start_list(List::kMerges);
        return open(Json::array());
      case List::kPieces:
      case List::kMerges:
        if (in_item_) refuse("an array");
        in_item_ = true;
        item_size_ = 0;
        return true;
      case List::kVocab: break;
    }
    refuse("an array");
  }

  bool end_array() override {
    if (list_ == List::kNone || !in_item_) return close();
    if (item_size_ != 2) fail(fmt::format("an entry of model.{} has not two parts", list_name()));
    in_item_ = false;
    if (list_ == List::kMerges) add_merge(left_ + ' ' + right_);
    return true;
  }

  bool key(string_t& key) override {
    if (list_ == List::kVocab) {
      budget_.charge(1, kItemBytes + key.size());
      left_ = std::move(key);
      return true;
    }
    Json& object = *open_.back();
    if (object.contains(key)) fail(fmt::format("the key '{}' stands twice", printable(key)));
    key_ = std::move(key);
    return true;
  }

  bool string(string_t& text) override {
    if (list_ == List::kNone) return add(std::move(text));
    if (list_ == List::kMerges && !in_item_) {
      const size_t space = text.find(' ');
      if (space == 0 || space == std::string::npos || space + 1 == text.size() ||
          text.find(' ', space + 1) < text.size()) {
        fail(fmt::format("model.merges holds '{}', which is not two tokens", printable(text)));
      }
      return add_merge(std::move(text));
    }
    const bool is_merge = list_ == List::kMerges && item_size_ < 2;
    const bool is_piece = list_ == List::kPieces && in_item_ && item_size_ == 0;
    if (!is_merge && !is_piece) refuse("a string");
    // Two tokens are written with a space between, so neither may hold one.
    if (is_merge && (text.empty() || text.find(' ') != std::string::npos)) {
      fail(fmt::format("model.merges holds '{}'", printable(text)));
    }
    (item_size_ == 0 ? left_ : right_) = std::move(text);
    ++item_size_;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == List::kNone) return add(value);
    if (list_ == List::kVocab) {
      if (value > uint64_t{INT32_MAX}) refuse("an id of 2^31 or more");
      document_.vocab.emplace_back(std::move(left_), static_cast<int64_t>(value));
      return true;
    }
    return add_score(static_cast<double>(value));
  }
  bool number_integer(number_integer_t value) override {
    return list_ == List::kNone ? add(value) : add_score(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return list_ == List::kNone ? add(value) : add_score(value);
  }

  bool null() override { return add_plain(nullptr, "null"); }
  bool boolean(bool value) override { return add_plain(value, "true or false"); }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    fail(fmt::format("not valid JSON at byte {}: {}", position, printable(error.what(), 300)));
  }

 private:
  enum class List { kNone, kVocab, kPieces, kMerges };

  const char* list_name() const { return list_ == List::kMerges ? "merges" : "vocab"; }

  [[noreturn]] void refuse(const char* what) const {
    fail(fmt::format("model.{} holds {}, which does not belong there", list_name(), what));
  }

  // Whether a value that begins now is model.`name`.
  bool starts(std::string_view name) const {
    return in_model_ && open_.size() == 2 && key_ == name;
  }

  bool start_list(List list) {
    list_ = list;
    open_.back()->emplace(key_, nullptr);  // so that the same key again is noticed
    return true;
  }

  Json* append(Json value) {
    budget_.charge(1, kNodeBytes + key_.size());
    if (open_.empty()) {
      document_.tree = std::move(value);
      return &document_.tree;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  template <typename T>
  bool add(T&& value) {
    if constexpr (std::is_same_v<std::decay_t<T>, std::string>)
      budget_.charge(1, value.size() + 32);
    append(Json(std::forward<T>(value)));
    return true;
  }

  template <typename T>
  bool add_plain(T value, const char* what) {
    if (list_ != List::kNone) refuse(what);
    return add(value);
  }

  bool open(Json container) {
    if (open_.size() >= static_cast<size_t>(kTokenizerJsonDepthMax)) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("tokenizer.json: nested deeper than {}", kTokenizerJsonDepthMax));
    }
    if (open_.size() == 1 && key_ == "model") in_model_ = true;
    open_.push_back(append(std::move(container)));
    return true;
  }

  bool close() {
    if (list_ != List::kNone) {
      list_ = List::kNone;
      return true;
    }
    open_.pop_back();
    if (open_.size() == 1) in_model_ = false;
    return true;
  }

  bool add_merge(std::string merge) {
    budget_.charge(1, kItemBytes + merge.size());
    document_.merges.push_back(std::move(merge));
    return true;
  }

  bool add_score(double score) {
    if (list_ != List::kPieces || !in_item_ || item_size_ != 1) refuse("a number");
    budget_.charge(1, kItemBytes + left_.size());
    document_.pieces.emplace_back(std::move(left_), score);
    ++item_size_;
    return true;
  }

  TokenizerDocument& document_;
  MemoryBudget& budget_;
  std::vector<Json*> open_;  // stays valid: only the last container grows
  std::string key_;
  bool in_model_ = false;
  List list_ = List::kNone;
  bool in_item_ = false;
  int item_size_ = 0;
  std::string left_, right_;
};

}  // namespace

TokenizerDocument parse_tokenizer_document(std::string_view text) {
  if (text.size() > kTokenizerJsonBytesMax) {
    throw Error(ErrorCode::kLimit,
                fmt::format("tokenizer.json: larger than {} bytes", kTokenizerJsonBytesMax));
  }
  // The parser takes a zero byte for the end of the text.
  if (text.find('\0') != std::string_view::npos) fail("it holds a zero byte");
  TokenizerDocument document;
  MemoryBudget budget(text.size() + kBudgetBase, "tokenizer.json");
  DocumentHandler handler(document, budget);
  Json::sax_parse(text.begin(), text.end(), &handler);
  if (!document.tree.is_object()) fail("it is not an object");
  return document;
}

}  // namespace minim
