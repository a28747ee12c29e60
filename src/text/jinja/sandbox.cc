#include "text/jinja/sandbox.h"

#include <fmt/core.h>

#include <algorithm>

namespace minim::jinja {

Sandbox::Sandbox(const ChatTemplateLimits& limits, int64_t now)
    : limits_(limits),
      now_(now),
      heap_(limits.memory_bytes_max),
      steps_left_(static_cast<size_t>(std::max<int64_t>(limits.steps_max, 0))),
      depth_max_(evaluation_depth_max(limits)) {}

void Sandbox::fail(std::string_view message) const {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("chat template: line {}: {}", line_, message));
}

void Sandbox::unsupported(std::string_view message) const {
  throw Error(ErrorCode::kUnsupported, fmt::format("chat template: line {}: {}", line_, message));
}

void Sandbox::limit(std::string_view message) const {
  throw Error(ErrorCode::kLimit, fmt::format("chat template: line {}: {}", line_, message));
}

void Sandbox::out_of_steps() const {
  limit(fmt::format("more than {} steps; the template loops too much, or raise steps_max",
                    limits_.steps_max));
}

void Sandbox::too_deep() {
  --depth_;  // the level that was refused has no destructor to run
  limit(fmt::format("calls or values nested too deeply (depth_max is {})", limits_.depth_max));
}

Value Sandbox::string(std::string text, bool safe) {
  work(text.size());
  return make<String>(Kind::kString, std::move(text), safe);
}

Value Sandbox::list(Values items) {
  step(items.size());
  return make<Sequence>(Kind::kList, std::move(items));
}

Value Sandbox::tuple(Values items) {
  step(items.size());
  return make<Sequence>(Kind::kTuple, std::move(items));
}

Value Sandbox::undefined(std::string message, bool unsafe) {
  work(message.size());
  return make<Undefined>(Kind::kUndefined, std::move(message), unsafe);
}

void TextBuilder::append(size_t count, char character) {
  box_.work(count);
  box_.heap().charge(count);
  charged_ += count;
  text_.append(count, character);
}

std::string TextBuilder::take() {
  box_.heap().credit(charged_);
  charged_ = 0;
  return std::exchange(text_, {});
}

}  // namespace minim::jinja
