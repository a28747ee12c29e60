#include "text/regex.h"

#include <fmt/core.h>

#include <time.h>

#include <algorithm>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace minim {
namespace {

// Backtracking steps that one match may take; a word of a published pattern takes about ten, and a
// run of a million characters about as many as it has characters.
constexpr uint32_t kStepsMin = 100'000;
constexpr uint32_t kStepsPerByte = 16;
// The first look ahead of a match; where it is not enough it is doubled.
constexpr size_t kWindowBytes = 4096;
// Processor time that cutting may take: published patterns need 0.2 microseconds a byte. PCRE2
// counts steps back only, so that scanning ahead again and again is bounded by the clock alone.
constexpr double kSecondsMin = 1.0;
constexpr double kSecondsPerByte = 5e-6;
constexpr int kCallsPerLook = 64;
// As far as a pattern from a file may look: a quadratic one takes a second for that much.
constexpr size_t kFileWindowBytes = 64 << 10;
constexpr size_t kPatternBytesMax = size_t{1} << 20;

constexpr std::string_view kWhiteSpace =
    "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";

// PCRE2's \s also takes U+180E, which is no white space since Unicode 6.3.
std::string with_white_space(std::string_view pattern) {
  std::string out;
  int class_depth = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        out += class_depth > 0 ? std::string(kWhiteSpace) : fmt::format("[{}]", kWhiteSpace);
      } else if (escaped == 'S' && class_depth == 0) {
        out += fmt::format("[^{}]", kWhiteSpace);
      } else {
        out += c;
        out += escaped;
      }
      continue;
    }
    if (c == '[' && class_depth == 0) {
      class_depth = 1;
      out += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
      continue;
    }
    if (c == ']' && class_depth > 0) class_depth = 0;
    out += c;
  }
  return out;
}

std::string pcre_message(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

double thread_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

struct MatchState {
  explicit MatchState(const pcre2_code* code)
      : context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(32 << 10, 1 << 20, nullptr)),
        data(pcre2_match_data_create_from_pattern(code, nullptr)) {
    if (context == nullptr || data == nullptr) {
      throw Error(ErrorCode::kLimit, "text: no memory for a regular expression");
    }
    pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_heap_limit(context, 64 << 10);  // KiB
  }
  ~MatchState() {
    pcre2_match_data_free(data);
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;

  pcre2_match_context* context;
  pcre2_jit_stack* stack;
  pcre2_match_data* data;
  double deadline = 0;  // in thread_seconds()
  int calls = 0;        // since the clock was looked at
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  std::string pattern;  // its beginning, for messages
  size_t window_max = 0;
  ~Code() { pcre2_code_free(code); }

  void split(MatchState& state, std::string_view text, uint32_t base,
             std::vector<uint32_t>& ends) const;
  [[noreturn]] void refuse(const std::string& reason) const;
};

Regex::Regex(const std::string& pattern, PatternOrigin origin) {
  auto made = std::make_unique<Code>();
  made->window_max = origin == PatternOrigin::kOwn ? SIZE_MAX / 2 : kFileWindowBytes;
  made->pattern = pattern.substr(0, 60);
  if (pattern.size() > kPatternBytesMax) {
    throw Error(ErrorCode::kLimit, fmt::format("text: a pre-tokenizer pattern of {} bytes; at most "
                                               "{} are read",
                                               pattern.size(), kPatternBytesMax));
  }
  const std::string source = with_white_space(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  made->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (made->code == nullptr) {
    throw Error(ErrorCode::kFormat,
                fmt::format("text: pre-tokenizer pattern '{}': {} (at byte {} of '{}')",
                            made->pattern, pcre_message(error), offset, source.substr(0, 200)));
  }
  // Where the CPU has no JIT, PCRE2's interpreter does the same work more slowly.
  pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  code_ = std::move(made);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::split(std::string_view text, std::span<const uint32_t> fragments,
                  std::vector<uint32_t>& ends) const {
  MatchState state(code_->code);
  state.deadline =
      thread_seconds() + kSecondsMin + kSecondsPerByte * static_cast<double>(text.size());
  uint32_t begin = 0;
  for (const uint32_t end : fragments) {
    code_->split(state, text.substr(begin, end - begin), begin, ends);
    begin = end;
  }
}

void Regex::Code::refuse(const std::string& reason) const {
  throw Error(ErrorCode::kLimit,
              fmt::format("text: pre-tokenizer pattern '{}' is too slow for this text: {}", pattern,
                          reason));
}

void Regex::Code::split(MatchState& state, std::string_view text, uint32_t base,
                        std::vector<uint32_t>& ends) const {
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t cut = 0, at = 0;  // where the last word ended, and where the next match may begin
  size_t window = kWindowBytes;
  while (at < text.size()) {
    size_t end = std::min(text.size(), at + window);
    while (end < text.size() && is_continuation(text[end])) ++end;
    if (++state.calls >= kCallsPerLook || window > kWindowBytes) {
      state.calls = 0;
      if (thread_seconds() > state.deadline) refuse("out of time");
    }
    const bool whole = end == text.size();
    const uint64_t steps = kStepsMin + uint64_t{kStepsPerByte} * (end - at);
    pcre2_set_match_limit(state.context,
                          static_cast<uint32_t>(std::min<uint64_t>(steps, UINT32_MAX)));
    const int result =
        pcre2_match(code, subject, end, at,
                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | (whole ? 0u : PCRE2_PARTIAL_HARD),
                    state.data, state.context);
    const PCRE2_SIZE* place = pcre2_get_ovector_pointer(state.data);
    if (result == PCRE2_ERROR_PARTIAL) {
      if (place[0] == at && window >= window_max) {
        refuse("it looks more than 64 KiB ahead");
      }
      // What stands before the place where the partial match began is settled.
      if (place[0] == at) window *= 2;
      at = std::max(at, place[0]);
    } else if (result == PCRE2_ERROR_NOMATCH) {
      at = end;
    } else if (result < 0) {
      refuse(pcre_message(result));
    } else if (place[1] <= at) {  // \K can move a match's begin to its end or behind
      do ++at;
      while (at < text.size() && is_continuation(text[at]));
    } else {
      const size_t begin = std::max<size_t>(place[0], at);
      if (begin > cut && begin < place[1]) ends.push_back(base + static_cast<uint32_t>(begin));
      cut = at = place[1];
      ends.push_back(base + static_cast<uint32_t>(cut));
      window = kWindowBytes;
    }
  }
  if (cut < text.size()) ends.push_back(base + static_cast<uint32_t>(text.size()));
}

}  // namespace minim
