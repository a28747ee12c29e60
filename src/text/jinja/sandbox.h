// What a template may use up, and how it is told that it may not: steps, memory, depth, errors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/jinja/heap.h"
#include "text/jinja/value.h"

namespace minim::jinja {

class Sandbox {
 public:
  Sandbox(const ChatTemplateLimits& limits, int64_t now);

  Heap& heap() { return heap_; }
  const ChatTemplateLimits& limits() const { return limits_; }
  int64_t now() const { return now_; }

  // Pays for `count` steps; throws kLimit when they are used up.
  void step(size_t count = 1) {
    if (count > steps_left_) out_of_steps();
    steps_left_ -= count;
  }
  // Pays for looking at or copying `bytes`: a step is worth 32 of them.
  void work(size_t bytes) { step(bytes / 32 + 1); }

  // The line of the template that is being evaluated, for messages.
  void set_line(int line) { line_ = line; }
  int line() const { return line_; }

  // What the template's author or its inputs got wrong (kInvalidArgument).
  [[noreturn]] void fail(std::string_view message) const;
  [[noreturn]] void unsupported(std::string_view message) const;
  [[noreturn]] void limit(std::string_view message) const;

  Value string(std::string text, bool safe = false);
  Value list(Values items);
  Value tuple(Values items);
  Value undefined(std::string message, bool unsafe = false);
  template <typename T, typename... Arguments>
  Value make(Kind kind, Arguments&&... arguments) {
    return Value(kind, new T(heap_, std::forward<Arguments>(arguments)...));
  }

  // One level of nested evaluation; throws kLimit past the bound on depth.
  class Level {
   public:
    explicit Level(Sandbox& box) : box_(box) {
      if (++box_.depth_ > box_.depth_max_) box_.too_deep();
    }
    ~Level() { --box_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Sandbox& box_;
  };

 private:
  friend class Level;
  [[noreturn]] void out_of_steps() const;
  [[noreturn]] void too_deep();

  const ChatTemplateLimits limits_;
  const int64_t now_;
  Heap heap_;
  size_t steps_left_;
  int depth_ = 0;
  const int depth_max_;
  int line_ = 0;
};

// Text that grows under the sandbox's bounds.
class TextBuilder {
 public:
  explicit TextBuilder(Sandbox& box) : box_(box) {}
  ~TextBuilder() { box_.heap().credit(charged_); }
  TextBuilder(const TextBuilder&) = delete;
  TextBuilder& operator=(const TextBuilder&) = delete;

  void append(std::string_view text) {
    box_.work(text.size());
    box_.heap().charge(text.size());
    charged_ += text.size();
    text_ += text;
  }
  void append(size_t count, char character);
  size_t size() const { return text_.size(); }
  std::string_view view() const { return text_; }
  std::string take();
  Value take_value(bool safe = false) { return box_.string(take(), safe); }

 private:
  Sandbox& box_;
  std::string text_;
  size_t charged_ = 0;
};

// What the depth of a chat template's text and calls means for nested evaluation: each call or
// block nests a few expressions.
inline int evaluation_depth_max(const ChatTemplateLimits& limits) { return limits.depth_max * 16; }

}  // namespace minim::jinja
