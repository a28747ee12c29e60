// The last bytes of a growing text: enough of them to find what begins in one token and ends in
// another.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minim {

class TextTail {
 public:
  // For texts of at most `bytes_max` to be found.
  explicit TextTail(size_t bytes_max = 0) : kept_bytes_max_(bytes_max > 0 ? bytes_max - 1 : 0) {}

  void append(std::string_view text) { text_ += text; }
  // Forgets what can no longer be the beginning of anything.
  void trim() {
    if (text_.size() > kept_bytes_max_) text_.erase(0, text_.size() - kept_bytes_max_);
  }
  void clear() { text_.clear(); }
  std::string_view text() const { return text_; }

 private:
  size_t kept_bytes_max_;
  std::string text_;
};

}  // namespace minim
