// Chat templates: a sandboxed interpreter for the Jinja that published models use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace minim {

struct ChatTemplateLimits {
  int64_t steps_max = 10'000'000;     // evaluated nodes
  size_t output_bytes_max = size_t{16} << 20;
  int depth_max = 100;                // nested calls, blocks and expressions
};

class ChatTemplate {
 public:
  // Throws kFormat for a syntax error and kUnsupported for a construct that is not known, with the
  // line and the construct's name.
  explicit ChatTemplate(std::string_view source, const ChatTemplateLimits& limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // `variables` is an object: messages, tools, add_generation_prompt, bos_token, eos_token, ...
  // `now` is the local time that strftime_now() prints (seconds since 1970, UTC).
  // Throws kInvalidArgument with the template's own words where it calls raise_exception().
  std::string render(const OrderedJson& variables, int64_t now = 0) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace minim
