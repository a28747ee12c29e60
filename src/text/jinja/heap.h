// The memory of one rendering: counted references, a bound on live bytes, no recursion on release.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace minim::jinja {

class Object;

// Owned by one rendering and used by one thread. Reference cycles (a macro that its own frame
// holds, a namespace that holds itself) are broken when the heap goes.
class Heap {
 public:
  explicit Heap(size_t bytes_max) : bytes_max_(bytes_max) {}
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // Throws kLimit where `bytes` more would pass the bound; charge() also takes them.
  void require(size_t bytes) const;
  void charge(size_t bytes) {
    require(bytes);
    live_bytes_ += bytes;
  }
  void credit(size_t bytes) { live_bytes_ -= bytes; }
  // Objects made from the caller's variables are not the template's to pay for.
  void set_metered(bool metered) { metered_ = metered; }

 private:
  friend class Object;
  void add(Object* object);
  void remove(Object* object);
  void retire(Object* object);

  size_t bytes_max_;
  size_t live_bytes_ = 0;
  bool metered_ = true;
  bool draining_ = false;
  std::vector<Object*> retired_;  // waiting to be deleted by the outermost retire()
  Object* first_ = nullptr;       // all live objects, doubly linked
};

class Object {
 public:
  Object(Heap& heap, size_t bytes);
  virtual ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // Lets go of every other object.
  virtual void clear() {}

  void acquire() { ++references_; }
  void release() {
    if (--references_ == 0) heap_.retire(this);
  }
  // Counts memory that the object took after it was made.
  void grow(size_t bytes);

 private:
  friend class Heap;
  Heap& heap_;
  size_t bytes_;
  Object* previous_ = nullptr;
  Object* next_ = nullptr;
  uint64_t references_ = 0;
};

// A counted pointer to an object of the heap; may be null.
template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->acquire();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  ~Ref() { reset(); }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  void reset() {
    if (T* object = std::exchange(object_, nullptr)) object->release();
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace minim::jinja
