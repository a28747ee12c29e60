#include "serve/request/request_json.h"

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serve/request/long_strings.h"
#include "serve/request/refusal.h"
#include "text/utf8.h"

namespace minim::serve {
namespace {

constexpr size_t kPathSteps = 8;
constexpr size_t kKeyShown = 64;
constexpr size_t kKeysSearched = 16;  // fewer are compared one by one

// Builds the value and knows at every moment where it is.
class Builder {
 public:
  using number_integer_t = OrderedJson::number_integer_t;
  using number_unsigned_t = OrderedJson::number_unsigned_t;
  using number_float_t = OrderedJson::number_float_t;
  using string_t = OrderedJson::string_t;
  using binary_t = OrderedJson::binary_t;

  // `shortened`: what the text was made of; null: itself.
  Builder(const RequestJsonLimits& limits, ShortenedJson* shortened)
      : limits_(limits), shortened_(shortened) {}

  OrderedJson take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) { return add(value); }
  bool number_float(number_float_t value, const string_t&) { return add(value); }
  bool string(string_t& value) {
    take_long(value);
    return add(std::move(value));
  }
  bool binary(binary_t&) { return false; }
  bool start_object(size_t) { return open(OrderedJson::object()); }
  bool start_array(size_t) { return open(OrderedJson::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(string_t& name);
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error);

 private:
  struct Level {
    OrderedJson* value;
    std::unordered_set<std::string> keys;  // once there are many
  };

  // Every string is told in its turn.
  void take_long(string_t& value) {
    if (shortened_ == nullptr) return;
    const auto found = shortened_->strings.find(strings_++);
    if (found != shortened_->strings.end()) value = std::move(found->second);
  }
  bool add(OrderedJson value) {
    place(std::move(value));
    return true;
  }
  OrderedJson* place(OrderedJson value);
  bool open(OrderedJson container);
  bool close() {
    levels_.pop_back();
    return true;
  }
  bool has_key(Level& level, const std::string& name);
  std::string path() const;
  [[noreturn]] void refuse(const std::string& message) const {
    const std::string where = path();
    throw Refusal(400, where.empty() ? message : fmt::format("'{}': {}", where, message), where,
                  "invalid_json");
  }

  const RequestJsonLimits limits_;
  OrderedJson root_;
  std::vector<Level> levels_;
  ShortenedJson* const shortened_;
  size_t strings_ = 0;
  size_t values_ = 0;
};

// An open object's last member is the one that is being read; it has no value yet, or its value is
// open too.
std::string Builder::path() const {
  std::string path;
  for (size_t i = 0; i < levels_.size() && i < kPathSteps; ++i) {
    const OrderedJson& value = *levels_[i].value;
    if (value.is_array()) {
      const bool is_open = i + 1 < levels_.size();
      path += fmt::format("[{}]", value.size() - (is_open ? 1 : 0));
    } else if (!value.empty()) {
      const std::string& name = value.get_ref<const OrderedJson::object_t&>().back().first;
      path += (path.empty() ? "" : ".") + replace_invalid_utf8(name.substr(0, kKeyShown));
    }
  }
  return path;
}

OrderedJson* Builder::place(OrderedJson value) {
  if (++values_ > limits_.values_max) {
    refuse(fmt::format("there are more than {} values in this JSON", limits_.values_max));
  }
  if (levels_.empty()) {
    root_ = std::move(value);
    return &root_;
  }
  OrderedJson& parent = *levels_.back().value;
  if (parent.is_array()) {
    parent.push_back(std::move(value));
    return &parent.back();
  }
  OrderedJson& member = parent.get_ref<OrderedJson::object_t&>().back().second;
  member = std::move(value);
  return &member;
}

bool Builder::open(OrderedJson container) {
  if (levels_.size() >= limits_.depth_max) {
    refuse(fmt::format("this JSON is nested deeper than {}", limits_.depth_max));
  }
  OrderedJson* placed = place(std::move(container));
  levels_.push_back({placed, {}});
  return true;
}

bool Builder::has_key(Level& level, const std::string& name) {
  const auto& members = level.value->get_ref<const OrderedJson::object_t&>();
  if (members.size() <= kKeysSearched) {
    for (const auto& [key, value] : members) {
      if (key == name) return true;
    }
    return false;
  }
  if (level.keys.empty()) {
    for (const auto& [key, value] : members) level.keys.insert(key);
  }
  return !level.keys.insert(name).second;
}

bool Builder::key(string_t& name) {
  take_long(name);
  Level& level = levels_.back();
  const bool twice = has_key(level, name);
  auto& members = level.value->get_ref<OrderedJson::object_t&>();
  if (members.size() >= limits_.keys_max) {
    refuse(fmt::format("an object has more than {} fields", limits_.keys_max));
  }
  // Not emplace(), which looks through all members.
  static_cast<std::vector<std::pair<const std::string, OrderedJson>>&>(members).emplace_back(
      std::move(name), nullptr);
  if (twice) refuse("a field stands twice");
  return true;
}

bool Builder::parse_error(size_t position, const std::string&,
                          const nlohmann::detail::exception& error) {
  std::string message = error.what();
  // "[json.exception.parse_error.101] parse error at line 1, column 2: WHAT"
  if (const size_t at = message.find(": "); at != std::string::npos) message.erase(0, at + 2);
  if (message.size() > 200) message = message.substr(0, 200) + "...";
  if (shortened_ != nullptr) position = shortened_->original_position(position);
  refuse(fmt::format("the body is no valid JSON at byte {}: {}", position,
                     replace_invalid_utf8(message)));
}

}  // namespace

OrderedJson parse_request_json(std::string_view text, const RequestJsonLimits& limits) {
  std::optional<ShortenedJson> shortened = shorten_strings(text, limits.long_string);
  Builder builder(limits, shortened ? &*shortened : nullptr);
  if (shortened) text = shortened->text;
  OrderedJson::sax_parse(text.begin(), text.end(), &builder);
  // The parser has found what is wrong; or else it is not wrong enough for it.
  if (shortened && shortened->is_broken) {
    throw Refusal(400, "the body is no valid JSON: a string in it is broken", {}, "invalid_json");
  }
  return builder.take();
}

}  // namespace minim::serve
