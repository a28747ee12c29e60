// Chat templates: a sandboxed interpreter for the Jinja that published models use.
//
// The language is jinja2's as Hugging Face transformers sets it up: trim_blocks and lstrip_blocks,
// {% break %} and {% continue %}, {% generation %}, the functions raise_exception and strftime_now,
// a `tojson` that does not escape HTML, values that a template cannot change. What a template
// computes is what jinja2 gives; what is not implemented is an error that names it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace minim {

// Bounds on what one template may use up; passing one throws kLimit.
struct ChatTemplateLimits {
  int64_t steps_max = 10'000'000;               // evaluated nodes; 32 bytes of text cost one too
  size_t output_bytes_max = size_t{16} << 20;   // of the rendered text
  size_t memory_bytes_max = size_t{64} << 20;   // of the values that the template makes
  size_t source_bytes_max = size_t{256} << 10;  // of the template's own text
  int depth_max = 100;                          // nested blocks, brackets, calls
};

// Immutable and safe to share between threads.
class ChatTemplate {
 public:
  // Throws kFormat for a syntax error and kUnsupported for a construct that is not known, with the
  // line and the construct's name.
  explicit ChatTemplate(std::string_view source, const ChatTemplateLimits& limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // `variables` is an object: messages, tools, add_generation_prompt, bos_token, eos_token, ...
  // `now` is the local time that strftime_now() prints: seconds since 1970 UTC, with the offset of
  // the zone whose clock is meant already added.
  // Throws kInvalidArgument with the template's own words where it calls raise_exception(), and
  // where the variables do not suit the template ("'foo' is undefined"); kUnsupported where it
  // calls what is not known.
  std::string render(const OrderedJson& variables, int64_t now = 0) const;

  // Names that the template reads and does not set itself, without the functions that every
  // template has; sorted.
  const std::vector<std::string>& variables() const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace minim
