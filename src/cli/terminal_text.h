// Text of a model, or of a file, made safe for a terminal: whatever could move the cursor, change
// colours or talk to the terminal becomes something that can be seen.
#pragma once

#include <string>
#include <string_view>

namespace minim::cli {

// Newlines and tabs stay, carriage returns go. Other control characters become their pictures
// (U+2400 and on); C1 controls, overrides of the writing direction and bytes of no character become
// U+FFFD. However the text is cut into pieces, the result is the same.
class TerminalText {
 public:
  // What can be shown now; the beginning of a character waits for its rest.
  std::string feed(std::string_view piece);
  // What still waited.
  std::string finish();

 private:
  std::string held_;
};

// A whole text at once.
std::string terminal_text(std::string_view text);

}  // namespace minim::cli
