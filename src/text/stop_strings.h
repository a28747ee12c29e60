// Ends a text at a string, although the text comes in pieces that are cut anywhere.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minim {

// The text ends before the string that is complete first; of several that are complete at the same
// place, before the longest. So it does not matter how the text is cut. What could be the beginning
// of a string is held back until it is known not to be one, and nothing else.
class StopStrings {
 public:
  // Throws kInvalidArgument for strings that are empty, longer than 4096 bytes, or not UTF-8.
  explicit StopStrings(std::vector<std::string> strings);

  // The next piece of the text; returns what is certain now. If pieces are whole characters, so is
  // what is returned. After a stop: nothing.
  std::string push(std::string_view piece);
  // The text ends here: returns what was held back, and stands at the beginning of a text again.
  std::string finish();

  // The string that ended the text, valid as long as this object; nothing while it goes on.
  std::optional<std::string_view> stopped() const;

 private:
  bool find_stop(size_t new_begin);
  size_t held_bytes() const;

  std::vector<std::string> strings_;
  std::string held_;
  std::optional<size_t> stopped_;
};

}  // namespace minim
