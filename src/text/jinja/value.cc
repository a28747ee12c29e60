#include "text/jinja/value.h"

#include <fmt/core.h>

#include "text/jinja/operators.h"
#include "text/jinja/sandbox.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

constexpr size_t kIndexedFrom = 9;  // smaller dicts are searched one entry after the other

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (const char byte : text) count += (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
  return count;
}

}  // namespace

String::String(Heap& heap, std::string bytes, bool is_safe)
    : Object(heap, sizeof(String) + bytes.size()),
      text(std::move(bytes)),
      length(count_code_points(text)),
      safe(is_safe) {}

Sequence::Sequence(Heap& heap, Values values)
    : Object(heap, sizeof(Sequence) + values.size() * sizeof(Value)), items(std::move(values)) {}

Dict::Dict(Heap& heap) : Object(heap, sizeof(Dict)) {}

const Dict::Entry* Dict::find_hashed(Sandbox& box, const Value& key, size_t hash) const {
  if (index_.empty()) {
    for (const Entry& entry : entries) {
      if (entry.hash == hash && equal(box, entry.key, key)) return &entry;
    }
    return nullptr;
  }
  for (size_t at = hash & (index_.size() - 1); index_[at] != 0; at = (at + 1) % index_.size()) {
    const Entry& entry = entries[index_[at] - 1];
    box.step();
    if (entry.hash == hash && equal(box, entry.key, key)) return &entry;
  }
  return nullptr;
}

const Value* Dict::find(Sandbox& box, const Value& key) const {
  const Entry* entry = find_hashed(box, key, hash_of(box, key));
  return entry == nullptr ? nullptr : &entry->value;
}

const Value* Dict::find(std::string_view key) const {
  const size_t hash = hash_of(key);
  if (index_.empty()) {
    for (const Entry& entry : entries) {
      if (entry.hash == hash && entry.key.is_string() && entry.key.text() == key) {
        return &entry.value;
      }
    }
    return nullptr;
  }
  for (size_t at = hash & (index_.size() - 1); index_[at] != 0; at = (at + 1) % index_.size()) {
    const Entry& entry = entries[index_[at] - 1];
    if (entry.hash == hash && entry.key.is_string() && entry.key.text() == key) {
      return &entry.value;
    }
  }
  return nullptr;
}

void Dict::set(Sandbox& box, Value key, Value value) {
  const size_t hash = hash_of(box, key);
  box.step();
  if (const Entry* entry = find_hashed(box, key, hash)) {
    const_cast<Entry*>(entry)->value = std::move(value);
    return;
  }
  grow(sizeof(Entry) + 2 * sizeof(uint32_t));
  entries.push_back({std::move(key), std::move(value), hash});
  if (entries.size() < kIndexedFrom) return;
  if (entries.size() * 2 > index_.size()) {
    rebuild_index();
  } else {
    index_entry(entries.size() - 1);
  }
}

void Dict::index_entry(size_t position) {
  size_t at = entries[position].hash & (index_.size() - 1);
  while (index_[at] != 0) at = (at + 1) % index_.size();
  index_[at] = static_cast<uint32_t>(position + 1);
}

void Dict::rebuild_index() {
  size_t size = 32;
  while (size < entries.size() * 4) size *= 2;
  index_.assign(size, 0);
  for (size_t position = 0; position < entries.size(); ++position) index_entry(position);
}

Undefined::Undefined(Heap& heap, std::string text, bool is_unsafe)
    : Object(heap, sizeof(Undefined) + text.size()), message(std::move(text)), unsafe(is_unsafe) {}

Range::Range(Heap& heap, Int first, Int end, Int step_by, size_t items)
    : Object(heap, sizeof(Range)), start(first), stop(end), step(step_by), count(items) {}

View::View(Heap& heap, Value of, ViewKind kind)
    : Object(heap, sizeof(View)), dict(std::move(of)), what(kind) {}

Namespace::Namespace(Heap& heap) : Object(heap, sizeof(Namespace)) {}

const Value* Namespace::find(std::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Namespace::set(Sandbox& box, std::string_view name, Value value) {
  if (name.starts_with('_')) {
    box.unsupported(
        fmt::format("a namespace cannot hold '{}': names that begin with an "
                    "underscore are reserved",
                    name));
  }
  box.step(attributes.size() / 8 + 1);
  box.work(name.size());
  for (auto& [key, old] : attributes) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  grow(sizeof(attributes[0]) + name.size());
  attributes.emplace_back(name, std::move(value));
}

Function::Function(Heap& heap, const Native& what, Value object)
    : Object(heap, sizeof(Function)), native(what), self(std::move(object)) {}

Frame::Frame(Heap& heap, size_t slot_count, Ref<Frame> enclosing)
    : Object(heap, sizeof(Frame) + slot_count * sizeof(Value)),
      slots(slot_count),
      parent(std::move(enclosing)) {}

Macro::Macro(Heap& heap, const MacroStatement& of, Ref<Frame> frame)
    : Object(heap, sizeof(Macro)), definition(of), closure(std::move(frame)) {}

Loop::Loop(Heap& heap) : Object(heap, sizeof(Loop)) {}

void Loop::clear() {
  iterator.reset();
  current = before = after = last_changed = Value();
  closure.reset();
}

bool Loop::peek(Sandbox& box) {
  if (!after.is_missing()) return true;
  Value item;
  if (!iterator || !iterator->next(box, item)) return false;
  after = std::move(item);
  return true;
}

bool Loop::advance(Sandbox& box) {
  if (!peek(box)) return false;
  index0 = started ? index0 + 1 : 0;
  started = true;
  before = std::move(current);
  current = std::move(after);
  after = Value();
  return true;
}

Cycler::Cycler(Heap& heap, Values values)
    : Object(heap, sizeof(Cycler) + values.size() * sizeof(Value)), items(std::move(values)) {}

Joiner::Joiner(Heap& heap, Value between)
    : Object(heap, sizeof(Joiner)), separator(std::move(between)) {}

bool Value::same_as(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::kMissing:
    case Kind::kNone: return true;
    case Kind::kBool: return bool_ == other.bool_;
    case Kind::kInt: return int_ == other.int_;
    case Kind::kFloat: return float_ == other.float_;
    default: return object_ == other.object_;
  }
}

const char* type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing: return "missing";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return value.string().safe ? "Markup" : "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kUndefined: return "Undefined";
    case Kind::kRange: return "range";
    case Kind::kView:
      switch (value.as<View>().what) {
        case ViewKind::kKeys: return "dict_keys";
        case ViewKind::kValues: return "dict_values";
        case ViewKind::kItems: return "dict_items";
      }
      break;
    case Kind::kIterator: return "generator";
    case Kind::kNamespace: return "Namespace";
    case Kind::kFunction: return "function";
    case Kind::kMacro: return "Macro";
    case Kind::kLoop: return "LoopContext";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
  }
  return "object";
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kNone:
    case Kind::kUndefined: return false;
    case Kind::kBool: return value.boolean();
    case Kind::kInt: return value.integer() != 0;
    case Kind::kFloat: return value.real() != 0;
    default: {
      const std::optional<size_t> length = length_of(value);
      return !length || *length > 0;
    }
  }
}

std::optional<size_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kString: return value.string().length;
    case Kind::kList:
    case Kind::kTuple: return value.items().size();
    case Kind::kDict: return value.dict().entries.size();
    case Kind::kUndefined: return 0;
    case Kind::kRange: return value.as<Range>().count;
    case Kind::kView: return value.as<View>().dict.dict().entries.size();
    default: return std::nullopt;
  }
}

}  // namespace minim::jinja
