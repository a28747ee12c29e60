#include "text/jinja/heap.h"

#include <fmt/core.h>

#include "base/error.h"

namespace minim::jinja {

Heap::~Heap() {
  // References are held while everything is cleared, so that the list does not change underfoot.
  std::vector<Object*> live;
  for (Object* object = first_; object != nullptr; object = object->next_) live.push_back(object);
  for (Object* object : live) object->acquire();
  for (Object* object : live) object->clear();
  for (Object* object : live) object->release();
}

void Heap::require(size_t bytes) const {
  if (!metered_ || (bytes <= bytes_max_ && live_bytes_ <= bytes_max_ - bytes)) return;
  throw Error(ErrorCode::kLimit,
              fmt::format("chat template: its values need more than {} bytes of memory; simplify "
                          "the template or raise memory_bytes_max",
                          bytes_max_));
}

void Heap::add(Object* object) {
  object->next_ = first_;
  if (first_ != nullptr) first_->previous_ = object;
  first_ = object;
}

void Heap::remove(Object* object) {
  if (object->previous_ != nullptr) {
    object->previous_->next_ = object->next_;
  } else {
    first_ = object->next_;
  }
  if (object->next_ != nullptr) object->next_->previous_ = object->previous_;
}

// Deleting an object may release others: those queue up here instead of nesting, so that a list of
// a million links is freed in constant stack.
void Heap::retire(Object* object) {
  retired_.push_back(object);
  if (draining_) return;
  draining_ = true;
  while (!retired_.empty()) {
    Object* last = retired_.back();
    retired_.pop_back();
    delete last;
  }
  draining_ = false;
}

Object::Object(Heap& heap, size_t bytes) : heap_(heap), bytes_(heap.metered_ ? bytes : 0) {
  heap_.charge(bytes_);
  heap_.add(this);
}

Object::~Object() {
  heap_.remove(this);
  heap_.credit(bytes_);
}

void Object::grow(size_t bytes) {
  if (bytes_ == 0) return;  // not metered
  heap_.charge(bytes);
  bytes_ += bytes;
}

}  // namespace minim::jinja
