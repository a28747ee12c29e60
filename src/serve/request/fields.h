// The fields of a request, one by one: each is checked when it is read, and what nobody has read is
// refused, so that no field is ever ignored in silence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/request/refusal.h"

namespace minim::serve {

struct IntegerRange {
  int64_t least = INT64_MIN;
  int64_t most = INT64_MAX;
};
struct NumberRange {
  double least = 0;
  double most = 0;
};

// All throw Refusal(400) with the path of the field. A field that is null counts as absent.
class Fields {
 public:
  // The whole request where `path` is empty. `value` must outlive it. Throws for what is no object.
  explicit Fields(const OrderedJson& value, std::string path = {});

  const std::string& path() const { return path_; }
  std::string path_of(std::string_view name) const;

  std::optional<bool> boolean(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, IntegerRange range);
  std::optional<double> number(std::string_view name, NumberRange range);
  std::optional<std::string> text(std::string_view name);
  std::optional<Fields> object(std::string_view name);
  // The index of the string among the names.
  std::optional<size_t> choice(std::string_view name,
                               std::initializer_list<std::string_view> names);
  // A list of at most so many values of any kind; null where it is absent.
  const OrderedJson* list(std::string_view name, size_t count_max);
  // Whatever it is; null where it is absent.
  const OrderedJson* value(std::string_view name);

  std::string required_text(std::string_view name);
  const OrderedJson& required_list(std::string_view name, size_t count_max);
  const OrderedJson& required(std::string_view name);

  // Read, and of no effect here: the docs say so.
  void ignore(std::initializer_list<std::string_view> names);
  // Refuses those that are there, with a value other than null.
  void unsupported(std::initializer_list<std::string_view> names);
  // Refuses what was not read, and says what would have been. REQUIRES: the names that were asked
  // for are still there.
  void finish() const;

  [[noreturn]] void refuse(std::string_view name, const std::string& message,
                           const char* code = "invalid_value") const;

 private:
  [[noreturn]] void refuse_type(std::string_view name, const char* wanted) const;
  const OrderedJson* find(std::string_view name);  // null where it is absent

  const OrderedJson& object_;
  std::string path_;
  std::vector<bool> read_;               // of each field, in order
  std::vector<std::string_view> known_;  // that were asked for
};

// For values that have no name, as in lists.
[[noreturn]] void refuse_value(const std::string& path, const std::string& message,
                               const char* code = "invalid_value");
// "a string", "a list", ...
const char* kind_of(const OrderedJson& value);

}  // namespace minim::serve
