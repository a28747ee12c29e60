// Regular expressions that cut text into words: PCRE2 with Unicode properties, made safe for
// patterns and texts that come from outside.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minim {

// Patterns from a file may look 64 KiB ahead; those written here, which are known to take linear
// time, as far as they like.
enum class PatternOrigin { kFile, kOwn };

class Regex {
 public:
  // Throws kFormat, naming the place, for a pattern that PCRE2 refuses. \s means White_Space, as in
  // the engines that published patterns were written for.
  explicit Regex(const std::string& pattern, PatternOrigin origin = PatternOrigin::kFile);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // Cuts each fragment of `text` (given by where it ends; the first begins at 0) into matches and
  // the stretches between them, and appends the end of each to `ends`. Nothing outside a fragment
  // is looked at. Throws kLimit where the pattern backtracks, or looks ahead, out of all proportion
  // to the text. REQUIRES: text is UTF-8, and fragments end between characters.
  void split(std::string_view text, std::span<const uint32_t> fragments,
             std::vector<uint32_t>& ends) const;

 private:
  struct Code;
  std::unique_ptr<const Code> code_;
};

}  // namespace minim
