// The values that templates compute with: Python's, as far as a chat template can see them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/heap.h"

namespace minim::jinja {

class Sandbox;
struct Native;
struct ForStatement;
struct MacroStatement;

// Python's integers have no bound; these hold every 64-bit value, signed or not, with room to add
// and multiply. A result beyond them is an error, never a wrap.
using Int = __int128;

enum class Kind : uint8_t {
  kMissing,  // no value at all: an unset variable, an argument that was not given
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kUndefined,
  kRange,
  kView,  // dict.keys(), .values(), .items()
  kIterator,
  kNamespace,
  kFunction,
  kMacro,
  kLoop,
  kCycler,
  kJoiner,
};

struct String;
struct Sequence;
struct Dict;
struct Undefined;
struct Range;
struct View;
struct Namespace;
struct Function;
struct Macro;
struct Loop;
struct Cycler;
struct Joiner;
class Iterator;

class Value {
 public:
  Value() : kind_(Kind::kMissing), object_(nullptr) {}
  static Value none() { return Value(Kind::kNone, nullptr); }
  explicit Value(bool value) : kind_(Kind::kBool), bool_(value) {}
  explicit Value(Int value) : kind_(Kind::kInt), int_(value) {}
  explicit Value(double value) : kind_(Kind::kFloat), float_(value) {}
  Value(Kind kind, Object* object) : kind_(kind), object_(object) {
    if (is_object()) object_->acquire();
  }
  Value(const Value& other) { copy(other); }
  Value(Value&& other) noexcept { take(other); }
  ~Value() { drop(); }
  Value& operator=(const Value& other) {
    if (this != &other) {
      Value copied(other);
      *this = std::move(copied);
    }
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    if (this == &other) return *this;
    Value old;
    old.take(*this);  // released last: it may own the other
    take(other);
    return *this;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_missing() const { return kind_ == Kind::kMissing; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }

  // REQUIRES for each: the kind that the name says.
  bool boolean() const { return bool_; }
  Int integer() const { return kind_ == Kind::kBool ? Int(bool_) : int_; }
  double real() const { return float_; }
  double number() const { return kind_ == Kind::kFloat ? float_ : static_cast<double>(integer()); }
  const String& string() const;
  std::string_view text() const;
  const Sequence& sequence() const;
  const std::vector<Value>& items() const;
  const Dict& dict() const;
  template <typename T>
  T& as() const {
    return *static_cast<T*>(object_);
  }

  // Python's `is`.
  bool same_as(const Value& other) const;

 private:
  bool is_object() const { return kind_ >= Kind::kString; }
  void copy(const Value& other) {
    kind_ = other.kind_;
    copy_payload(other);
    if (is_object()) object_->acquire();
  }
  void take(Value& other) {
    kind_ = other.kind_;
    copy_payload(other);
    other.kind_ = Kind::kMissing;
  }
  void copy_payload(const Value& other) {
    switch (kind_) {
      case Kind::kMissing:
      case Kind::kNone: object_ = nullptr; break;
      case Kind::kBool: bool_ = other.bool_; break;
      case Kind::kInt: int_ = other.int_; break;
      case Kind::kFloat: float_ = other.float_; break;
      default: object_ = other.object_;
    }
  }
  void drop() {
    if (is_object()) object_->release();
    kind_ = Kind::kMissing;
  }

  Kind kind_;
  union {
    bool bool_;
    Int int_;
    double float_;
    Object* object_;
  };
};

using Values = std::vector<Value>;

// UTF-8, always valid.
struct String : Object {
  String(Heap& heap, std::string bytes, bool is_safe);
  bool is_ascii() const { return length == text.size(); }
  const std::string text;
  const size_t length;  // in code points
  const bool safe;      // markup: what joins it is escaped first (the filters `safe`, `escape`)
};

// A list or a tuple: the kind is in the Value.
struct Sequence : Object {
  Sequence(Heap& heap, Values values);
  void clear() override { items.clear(); }
  Values items;
  bool is_group = false;  // of groupby: the tuple has the attributes grouper and list
};

// Keeps the order of insertion; immutable once it is a value.
struct Dict : Object {
  struct Entry {
    Value key, value;
    size_t hash;
  };
  explicit Dict(Heap& heap);
  void clear() override { entries.clear(); }
  // Nothing where the key is absent. Throws for a key that cannot be hashed.
  const Value* find(Sandbox& box, const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Sandbox& box, Value key, Value value);

  std::vector<Entry> entries;

 private:
  const Entry* find_hashed(Sandbox& box, const Value& key, size_t hash) const;
  void index_entry(size_t position);
  void rebuild_index();
  std::vector<uint32_t> index_;  // open addressing, entry + 1; empty while the dict is small
};

struct Undefined : Object {
  Undefined(Heap& heap, std::string text, bool is_unsafe);
  const std::string message;  // "'foo' is undefined"
  const bool unsafe;          // exists in Python, but a sandbox does not hand it out
};

struct Range : Object {
  Range(Heap& heap, Int first, Int end, Int step_by, size_t items);
  Int at(size_t position) const { return start + step * static_cast<Int>(position); }
  const Int start, stop, step;
  const size_t count;
};

enum class ViewKind { kKeys, kValues, kItems };

struct View : Object {
  View(Heap& heap, Value of, ViewKind kind);
  void clear() override { dict = Value(); }
  Value dict;
  const ViewKind what;
};

struct Namespace : Object {
  explicit Namespace(Heap& heap);
  void clear() override { attributes.clear(); }
  const Value* find(std::string_view name) const;
  void set(Sandbox& box, std::string_view name, Value value);
  std::vector<std::pair<std::string, Value>> attributes;
};

// A native function, or a method bound to its object.
struct Function : Object {
  Function(Heap& heap, const Native& what, Value object);
  void clear() override { self = Value(); }
  const Native& native;
  Value self;
};

// The local variables of one call of a function of the template: the template itself, a macro, a
// recursive loop, the filter of a loop.
struct Frame : Object {
  Frame(Heap& heap, size_t slot_count, Ref<Frame> enclosing);
  void clear() override {
    slots.clear();
    parent.reset();
  }
  Values slots;
  Ref<Frame> parent;
};

struct Macro : Object {
  Macro(Heap& heap, const MacroStatement& of, Ref<Frame> frame);
  void clear() override { closure.reset(); }
  const MacroStatement& definition;
  Ref<Frame> closure;
};

class Iterator : public Object {
 public:
  Iterator(Heap& heap, size_t bytes) : Object(heap, bytes) {}
  // False at the end.
  virtual bool next(Sandbox& box, Value& item) = 0;
};

struct Loop : Object {
  explicit Loop(Heap& heap);
  void clear() override;
  // Whether there is a further item; looks ahead by one.
  bool peek(Sandbox& box);
  bool advance(Sandbox& box);
  size_t length(Sandbox& box);

  Ref<Iterator> iterator;
  std::optional<size_t> known_length;
  Value current, before, after, last_changed;
  size_t index0 = 0;
  bool started = false;
  int depth0 = 0;
  const ForStatement* recursion = nullptr;  // set if the loop is recursive
  Ref<Frame> closure;
};

struct Cycler : Object {
  Cycler(Heap& heap, Values values);
  void clear() override { items.clear(); }
  Values items;
  size_t position = 0;
};

struct Joiner : Object {
  Joiner(Heap& heap, Value between);
  void clear() override { separator = Value(); }
  Value separator;
  bool used = false;
};

inline const String& Value::string() const { return as<String>(); }
inline std::string_view Value::text() const { return as<String>().text; }
inline const Sequence& Value::sequence() const { return as<Sequence>(); }
inline const Values& Value::items() const { return as<Sequence>().items; }
inline const Dict& Value::dict() const { return as<Dict>(); }

// Python's name of the type: "str", "dict", "NoneType", ...
const char* type_name(const Value& value);

// Python's bool(value).
bool truth(const Value& value);

// len(value), or nothing where Python has none.
std::optional<size_t> length_of(const Value& value);

}  // namespace minim::jinja
