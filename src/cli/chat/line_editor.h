// Lines from a person at a terminal, with editing, history and completion: libedit, which reads
// ~/.editrc. Pasted text keeps its newlines, Alt-Enter adds one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/chat/chat_command.h"
#include "cli/chat/input_bytes.h"

namespace minim::cli {

class LineEditor {
 public:
  using Complete = std::function<Completion(std::string_view line)>;

  // `input` must outlive this.
  LineEditor(InputBytes& input, Complete complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // A line that begins as `prefill` does. After an interrupt `text` is what was dropped.
  InputLine read(std::string_view prompt, std::string_view prefill = {});
  // Adds what the arrow keys and Ctrl-R find.
  void remember(const std::string& entry);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace minim::cli
