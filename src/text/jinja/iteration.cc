#include "text/jinja/iteration.h"

#include <fmt/core.h>

#include "text/jinja/operators.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

Value view_item(Sandbox& box, const Dict::Entry& entry, ViewKind what) {
  switch (what) {
    case ViewKind::kKeys: return entry.key;
    case ViewKind::kValues: return entry.value;
    case ViewKind::kItems: break;
  }
  return box.tuple({entry.key, entry.value});
}

// Over everything that has a length.
class SourceIterator : public Iterator {
 public:
  SourceIterator(Heap& heap, Value source, bool backwards)
      : Iterator(heap, sizeof(SourceIterator)),
        source_(std::move(source)),
        backwards_(backwards),
        count_(length_of(source_).value_or(0)),
        byte_(backwards && source_.is_string() ? source_.text().size() : 0) {}
  void clear() override { source_ = Value(); }

  bool next(Sandbox& box, Value& item) override {
    if (position_ >= count_ || source_.is_missing()) return false;
    box.step();
    const size_t at = backwards_ ? count_ - 1 - position_ : position_;
    ++position_;
    switch (source_.kind()) {
      case Kind::kString: item = next_character(box); return true;
      case Kind::kList:
      case Kind::kTuple: item = source_.items()[at]; return true;
      case Kind::kDict: item = source_.dict().entries[at].key; return true;
      case Kind::kRange: item = Value(source_.as<Range>().at(at)); return true;
      case Kind::kView: {
        const View& view = source_.as<View>();
        item = view_item(box, view.dict.dict().entries[at], view.what);
        return true;
      }
      default: return false;
    }
  }

 private:
  // Of markup, Python's iter() gives plain characters, but reversed() gives markup.
  Value next_character(Sandbox& box) {
    const std::string_view text = source_.text();
    if (backwards_) {
      const size_t end = byte_--;
      while ((static_cast<uint8_t>(text[byte_]) & 0xC0) == 0x80) --byte_;
      return box.string(std::string(text.substr(byte_, end - byte_)), source_.string().safe);
    }
    const size_t start = byte_;
    byte_ += utf8_at(text, byte_).length;
    return box.string(std::string(text.substr(start, byte_ - start)));
  }

  Value source_;
  const bool backwards_;
  const size_t count_;
  size_t position_ = 0;
  size_t byte_;
};

class ProducerIterator : public Iterator {
 public:
  ProducerIterator(Heap& heap, Producer next)
      : Iterator(heap, sizeof(ProducerIterator)), next_(std::move(next)) {}
  void clear() override { next_ = nullptr; }
  bool next(Sandbox& box, Value& item) override {
    const Sandbox::Level level(box);
    box.step();
    if (!next_) return false;
    if (next_(box, item)) return true;
    next_ = nullptr;
    return false;
  }

 private:
  Producer next_;
};

}  // namespace

bool is_iterable(const Value& value) {
  return length_of(value).has_value() || value.is(Kind::kIterator) || value.is(Kind::kLoop);
}

Ref<Iterator> try_iterate(Sandbox& box, const Value& value) {
  if (value.is(Kind::kIterator)) return Ref<Iterator>(&value.as<Iterator>());
  if (value.is(Kind::kLoop)) box.unsupported("iterating over 'loop' itself");
  if (!length_of(value)) return {};
  return Ref<Iterator>(new SourceIterator(box.heap(), value, false));
}

Ref<Iterator> iterate(Sandbox& box, const Value& value) {
  Ref<Iterator> iterator = try_iterate(box, value);
  if (!iterator) box.fail(fmt::format("'{}' object is not iterable", type_name(value)));
  return iterator;
}

Ref<Iterator> try_iterate_backwards(Sandbox& box, const Value& value) {
  if (!length_of(value)) return {};
  return Ref<Iterator>(new SourceIterator(box.heap(), value, true));
}

Values collect(Sandbox& box, const Value& value) {
  if (value.is_sequence()) {
    box.step(value.items().size());
    box.heap().require(value.items().size() * sizeof(Value));
    return value.items();
  }
  const Ref<Iterator> iterator = iterate(box, value);
  Values items;
  Value item;
  while (iterator->next(box, item)) {
    if (items.size() == items.capacity()) {
      box.heap().require((2 * items.size() + 16) * sizeof(Value));
    }
    items.push_back(std::move(item));
  }
  return items;
}

Value generator(Sandbox& box, Producer next) {
  return box.make<ProducerIterator>(Kind::kIterator, std::move(next));
}

Value generator_from(Sandbox& box, std::function<Producer(Sandbox&)> start) {
  Producer running;
  return generator(box, [start = std::move(start), running](Sandbox& sandbox, Value& item) mutable {
    if (!running) running = start(sandbox);
    return running(sandbox, item);
  });
}

Value to_value(const Ref<Iterator>& iterator) { return Value(Kind::kIterator, iterator.get()); }

size_t Loop::length(Sandbox& box) {
  if (known_length) return *known_length;
  // As jinja2 does: what is left is fetched now, so that it can be counted.
  Values rest;
  Value item;
  while (iterator->next(box, item)) rest.push_back(std::move(item));
  known_length = rest.size() + (started ? index0 + 1 : 0) + !after.is_missing();
  iterator = iterate(box, box.list(std::move(rest)));
  return *known_length;
}

}  // namespace minim::jinja
