// value.name, value[key] and value[start:stop:step].
#include <fmt/core.h>

#include <algorithm>

#include "text/jinja/iteration.h"
#include "text/jinja/natives.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

// The byte at which code point `index` of the text begins.
size_t byte_of(Sandbox& box, const String& string, size_t index) {
  if (string.is_ascii()) return index;
  box.work(string.text.size());
  size_t byte = 0;
  for (; index > 0; --index) byte += utf8_at(string.text, byte).length;
  return byte;
}

Value character_at(Sandbox& box, const String& string, size_t index) {
  const size_t begin = byte_of(box, string, index);
  const size_t length = utf8_at(string.text, begin).length;
  return box.string(string.text.substr(begin, length), string.safe);
}

// An index from the end where it is negative; nothing where it is out of range.
std::optional<size_t> position_of(Int index, size_t length) {
  const Int count = static_cast<Int>(length);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<size_t>(index);
}

// "'dict object' has no attribute 'x'", "list object has no element 5".
Value no_such_item(Sandbox& box, const Value& object, const Value& key) {
  const std::string type = object.is_none() ? "None" : fmt::format("{} object", type_name(object));
  if (key.is_string()) {
    return box.undefined(fmt::format("'{}' has no attribute '{}'", type, key.text()));
  }
  const bool is_plain = key.is_number() || key.is_none() || key.is_undefined();
  return box.undefined(
      fmt::format("{} has no element {}", type, is_plain ? to_repr(box, key) : type_name(key)));
}

// Python's object[key]; missing where it would throw TypeError or LookupError.
Value subscript(Sandbox& box, const Value& object, const Value& key) {
  switch (object.kind()) {
    case Kind::kDict:
      if (key.is_sequence() || key.is_dict()) return Value();  // perhaps not hashable
      if (const Value* found = object.dict().find(box, key)) return *found;
      return Value();
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange: {
      if (!key.is_integral()) return Value();
      const auto position = position_of(key.integer(), *length_of(object));
      if (!position) return Value();
      if (object.is_string()) return character_at(box, object.string(), *position);
      if (object.is(Kind::kRange)) return Value(object.as<Range>().at(*position));
      return object.items()[*position];
    }
    default: return Value();
  }
}

struct Slice {
  int64_t start, stop, step;
  size_t count;
};

// Python's slice.indices().
Slice make_slice(Sandbox& box, size_t size, const Value& start, const Value& stop,
                 const Value& step) {
  const int64_t length = static_cast<int64_t>(size);
  const int64_t by = step.is_none() ? 1 : to_int64(box, step, "a slice's step");
  if (by == 0) box.fail("slice step cannot be zero");
  const int64_t lowest = by < 0 ? -1 : 0;
  const int64_t highest = by < 0 ? length - 1 : length;
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    int64_t at = to_int64(box, value, "a slice's bound");
    if (at < 0) at += length;
    return std::clamp(at, lowest, highest);
  };
  const int64_t first = bound(start, by < 0 ? highest : lowest);
  const int64_t last = bound(stop, by < 0 ? lowest : highest);
  int64_t count = 0;
  if (by > 0 && first < last) count = (last - first - 1) / by + 1;
  if (by < 0 && first > last) count = (first - last - 1) / -by + 1;
  return {first, last, by, static_cast<size_t>(count)};
}

Value slice_string(Sandbox& box, const String& string, const Slice& slice) {
  if (slice.count == 0) return box.string("", string.safe);
  box.work(string.text.size());
  const auto at = [&](size_t i) { return slice.start + static_cast<int64_t>(i) * slice.step; };
  if (slice.step == 1) {
    const size_t begin = byte_of(box, string, static_cast<size_t>(slice.start));
    const size_t end = byte_of(box, string, static_cast<size_t>(at(slice.count)));
    return box.string(string.text.substr(begin, end - begin), string.safe);
  }
  // Any other step picks characters one by one.
  std::vector<uint32_t> starts;
  if (!string.is_ascii()) {
    box.heap().require(string.length * sizeof(uint32_t));
    for (size_t byte = 0; byte < string.text.size(); byte += utf8_at(string.text, byte).length) {
      starts.push_back(static_cast<uint32_t>(byte));
    }
  }
  std::string out;
  box.step(slice.count);
  for (size_t i = 0; i < slice.count; ++i) {
    const size_t index = static_cast<size_t>(at(i));
    if (starts.empty()) {
      out += string.text[index];
    } else {
      out.append(string.text, starts[index], utf8_at(string.text, starts[index]).length);
    }
  }
  return box.string(std::move(out), string.safe);
}

Value slice_items(Sandbox& box, const Value& list, const Slice& slice) {
  box.heap().require(slice.count * sizeof(Value));
  Values items;
  items.reserve(slice.count);
  for (size_t i = 0; i < slice.count; ++i) {
    const int64_t at = slice.start + static_cast<int64_t>(i) * slice.step;
    items.push_back(list.items()[static_cast<size_t>(at)]);
  }
  return list.is(Kind::kList) ? box.list(std::move(items)) : box.tuple(std::move(items));
}

}  // namespace

Value get_attribute(Sandbox& box, const Value& value, std::string_view name) {
  if (value.is_undefined()) fail_undefined(box, value);
  box.work(name.size());
  Value attribute = find_attribute(box, value, name);
  if (!attribute.is_missing()) return attribute;
  if (value.is_dict()) {
    if (const Value* found = value.dict().find(name)) return *found;
  }
  return no_such_item(box, value, box.string(std::string(name)));
}

Value get_item(Sandbox& box, const Value& value, const Value& key) {
  if (value.is_undefined()) fail_undefined(box, value);
  Value item = subscript(box, value, key);
  if (!item.is_missing()) return item;
  if (key.is_string()) {
    box.work(key.text().size());
    Value attribute = find_attribute(box, value, key.text());
    if (!attribute.is_missing()) return attribute;
  }
  return no_such_item(box, value, key);
}

Value get_slice(Sandbox& box, const Value& value, const Value& start, const Value& stop,
                const Value& step) {
  if (value.is_undefined()) fail_undefined(box, value);
  const bool sliceable = value.is_string() || value.is_sequence() || value.is(Kind::kRange);
  if (!sliceable) box.fail(fmt::format("'{}' object cannot be sliced", type_name(value)));
  const Slice slice = make_slice(box, *length_of(value), start, stop, step);
  if (value.is_string()) return slice_string(box, value.string(), slice);
  if (value.is_sequence()) return slice_items(box, value, slice);
  const Range& range = value.as<Range>();
  const Int by = range.step * slice.step;
  const Int first = range.start + range.step * slice.start;
  const Int last = range.start + range.step * slice.stop;
  return box.make<Range>(Kind::kRange, first, last, by, slice.count);
}

}  // namespace minim::jinja
