// Messages of several lines: a line that ends in \ goes on with the next, and """ ... """ holds
// any.
#pragma once

#include <string>
#include <string_view>

namespace minim::cli {

class MessageJoiner {
 public:
  // Adds a line, without its newline; tells whether the message is whole now. A line may hold
  // newlines itself, as pasted text does.
  bool add(std::string_view line);
  // The message so far, with what kept it open taken off; begins another one.
  std::string take();
  // Whether lines were added and more are to come.
  bool open() const { return begun_; }

 private:
  std::string text_;
  bool begun_ = false;
  bool quoted_ = false;
};

}  // namespace minim::cli
