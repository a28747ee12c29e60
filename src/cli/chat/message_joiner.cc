#include "cli/chat/message_joiner.h"

#include <utility>

namespace minim::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

// A pair of backslashes at the end stands for itself.
bool goes_on(std::string_view line) {
  const size_t last = line.find_last_not_of('\\');
  const size_t count = line.size() - (last == std::string_view::npos ? 0 : last + 1);
  return count % 2 == 1;
}

}  // namespace

bool MessageJoiner::add(std::string_view line) {
  if (!begun_ && line.starts_with(kQuotes)) {
    quoted_ = true;
    line.remove_prefix(kQuotes.size());
  } else if (begun_) {
    text_ += '\n';
  }
  bool open = quoted_;
  if (quoted_ && line.ends_with(kQuotes)) {
    line.remove_suffix(kQuotes.size());
    open = false;
  } else if (!quoted_ && goes_on(line)) {
    line.remove_suffix(1);
    open = true;
  }
  text_ += line;
  begun_ = open;
  quoted_ = quoted_ && open;
  return !open;
}

std::string MessageJoiner::take() {
  begun_ = quoted_ = false;
  std::string text = std::exchange(text_, {});
  // The lines of the quotes themselves.
  const size_t first = text.find_first_not_of('\n');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of('\n') + 1 - first);
}

}  // namespace minim::cli
