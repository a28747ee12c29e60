// Tool calls in the text of a model, as Hermes and Qwen write them:
//
//   <tool_call>
//   {"name": "get_weather", "arguments": {"city": "Paris"}}
//   </tool_call>
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minim {

// Whether a model with this chat template writes its calls so.
bool has_json_tool_calls(std::string_view chat_template);

// Takes calls out of a text that comes in pieces, cut anywhere.
class ToolCalls {
 public:
  static constexpr size_t kCallBytesMax = size_t{1} << 20;

  struct Output {
    std::string text;                // that is certain now to be none of a call
    std::vector<std::string> calls;  // {"name": ..., "arguments": {...}}, on one line
  };
  // What is marked as a call but is none (no JSON, no name, arguments that are no object, longer
  // than kCallBytesMax) is text after all. If pieces are whole characters, so is the text.
  Output push(std::string_view piece);
  // The text ends here: what was held back.
  std::string finish();

 private:
  bool take_text(Output& output);
  bool take_call(Output& output);

  std::string held_;
  bool in_call_ = false;  // held_ begins with the mark of one
  size_t searched_ = 0;   // of held_, where its end is not
};

}  // namespace minim
