#include "cli/chat/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace minim::cli {
namespace {

constexpr int kHistoryMax = 1000;
constexpr const char* kPasteBegin = "\x1b[200~";
constexpr std::wstring_view kPasteEnd = L"\x1b[201~";
// Around what takes no room in the prompt; libedit wants one such character.
constexpr char kNoWidth = '\1';

// libedit reads and writes wide characters by the locale; minim's text is UTF-8 everywhere.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::wstring widen(std::string_view text) {
  std::wstring wide;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = utf8_at(text, at);
    wide += static_cast<wchar_t>(character.code);
    at += character.length;
  }
  return wide;
}

std::string narrow(std::wstring_view wide) {
  std::string text;
  for (const wchar_t c : wide) append_utf8(static_cast<char32_t>(c), text);
  return text;
}

// Bracketed paste (xterm): pasted newlines end no line. It is switched on by the prompt, that is
// once the terminal hands over every key: what is typed before may still be taken by the system.
std::string with_paste_mode(std::string_view prompt) {
  static constexpr std::string_view kPasteOn = "\x1b[?2004h";
  const std::string quote(1, kNoWidth);
  // Of two parts without width in a row libedit would show the second one.
  if (prompt.starts_with(kNoWidth))
    return quote + std::string(kPasteOn) + std::string(prompt.substr(1));
  return quote + std::string(kPasteOn) + quote + std::string(prompt);
}

// What all candidates begin with.
std::string common_beginning(const std::vector<std::string>& candidates) {
  std::string common = candidates.front();
  for (const std::string& candidate : candidates) {
    const auto end =
        std::mismatch(common.begin(), common.end(), candidate.begin(), candidate.end());
    common.erase(end.first, common.end());
  }
  // Half a character cannot be shown.
  return common.substr(0, complete_utf8_prefix(common));
}

}  // namespace

struct LineEditor::State {
  InputBytes& input;
  Complete complete;
  EditLine* line = nullptr;
  History* history = nullptr;
  std::string prompt;
  InputEvent outcome = InputEvent::kByte;
  std::string dropped;  // the line when a signal came

  static State& of(EditLine* line) {
    void* data = nullptr;
    ::el_get(line, EL_CLIENTDATA, &data);
    return *static_cast<State*>(data);
  }

  void bind(const char* keys, const char* function) {
    ::el_set(line, EL_BIND, keys, function, nullptr);
  }

  void redraw() {
    ::el_set(line, EL_PREP_TERM, 0);
    ::el_set(line, EL_PREP_TERM, 1);
    ::el_resize(line);
    ::el_set(line, EL_REFRESH);
  }

  // The next character, or false where the input ends or a signal came: see `outcome`.
  bool next(wchar_t& character) {
    std::string bytes;
    for (;;) {
      char byte = 0;
      const InputEvent event = input.next(byte);
      if (event == InputEvent::kRedraw) {
        redraw();
        continue;
      }
      if (event != InputEvent::kByte) {
        outcome = event;
        const LineInfoW* info = ::el_wline(line);
        dropped = narrow({info->buffer, info->lastchar});
        return false;
      }
      bytes += byte;
      if (complete_utf8_prefix(bytes) == 0) continue;
      const Utf8Character read = utf8_at(bytes, 0);
      // The byte that broke a character off begins another one.
      input.put_back(std::string_view(bytes).substr(read.length));
      character = static_cast<wchar_t>(read.code);
      return true;
    }
  }

  static int read_character(EditLine* line, wchar_t* character) {
    State& state = of(line);
    if (state.next(*character)) return 1;
    return state.outcome == InputEvent::kEnd ? 0 : -1;
  }

  // Everything up to the end of the paste, put in as it is.
  static unsigned char paste(EditLine* line, int) {
    State& state = of(line);
    std::wstring text;
    while (!text.ends_with(kPasteEnd)) {
      wchar_t character = 0;
      if (!state.next(character)) return CC_EOF;
      text += character == L'\r' ? L'\n' : character;
    }
    text.erase(text.size() - kPasteEnd.size());
    std::erase_if(text,
                  [](wchar_t c) { return (c < 0x20 && c != L'\n' && c != L'\t') || c == 0x7f; });
    if (text.empty()) return CC_NORM;
    return ::el_winsertstr(line, text.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
  }

  static unsigned char insert_newline(EditLine* line, int) {
    return ::el_winsertstr(line, L"\n") == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
  }

  static unsigned char complete_word(EditLine* line, int) {
    State& state = of(line);
    const LineInfoW* info = ::el_wline(line);
    const std::string before = narrow({info->buffer, info->cursor});
    const Completion completion = state.complete(before);
    if (completion.candidates.empty()) return CC_REFRESH_BEEP;
    const size_t written = before.size() - completion.begin;
    const bool unique = completion.candidates.size() == 1;
    std::string more = common_beginning(completion.candidates).substr(written);
    if (unique && !completion.candidates.front().ends_with('/')) more += ' ';
    if (!more.empty()) {
      return ::el_winsertstr(line, widen(more).c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
    }
    std::string list = "\n";
    for (const std::string& candidate : completion.candidates) list += candidate + "  ";
    std::fwrite(list.data(), 1, list.size(), stdout);
    std::fputs("\n", stdout);
    return CC_REDISPLAY;
  }

  static char* show_prompt(EditLine* line) { return of(line).prompt.data(); }
};

LineEditor::LineEditor(InputBytes& input, Complete complete)
    : state_(std::make_unique<State>(State{input, std::move(complete)})) {
  use_utf8();
  State& state = *state_;
  state.line = ::el_init("minim", stdin, stdout, stderr);
  state.history = ::history_init();
  if (state.line == nullptr || state.history == nullptr) {
    throw Error(ErrorCode::kIo,
                "chat: the line editor cannot use this terminal; pipe the input in");
  }
  HistEvent event;
  ::history(state.history, &event, H_SETSIZE, kHistoryMax);
  ::history(state.history, &event, H_SETUNIQUE, 1);
  EditLine* const line = state.line;
  ::el_set(line, EL_CLIENTDATA, &state);
  ::el_set(line, EL_SIGNAL, 0);
  ::el_set(line, EL_EDITOR, "emacs");
  ::el_set(line, EL_PROMPT_ESC, &State::show_prompt, kNoWidth);
  ::el_set(line, EL_HIST, ::history, state.history);
  ::el_set(line, EL_GETCFN, &State::read_character);
  ::el_wset(line, EL_ADDFN, L"minim-paste", L"Insert pasted text", &State::paste);
  ::el_wset(line, EL_ADDFN, L"minim-newline", L"Insert a newline", &State::insert_newline);
  ::el_wset(line, EL_ADDFN, L"minim-complete", L"Complete a word", &State::complete_word);
  ::el_source(line, nullptr);
  state.bind("\\e[200~", "minim-paste");
  state.bind("\\e\\r", "minim-newline");
  state.bind("\\e\\n", "minim-newline");
  state.bind("^I", "minim-complete");
  state.bind("^R", "em-inc-search-prev");
  // While no line is read, the system would take a Ctrl-D for the end of a line that it collects,
  // and hand over a NUL in its place; without a key for that, it stays one until the next line.
  ::el_set(line, EL_SETTY, "-x", "eof=", nullptr);
}

LineEditor::~LineEditor() {
  ::el_end(state_->line);
  ::history_end(state_->history);
}

void LineEditor::remember(const std::string& entry) {
  HistEvent event;
  ::history(state_->history, &event, H_ENTER, entry.c_str());
}

InputLine LineEditor::read(std::string_view prompt, std::string_view prefill) {
  State& state = *state_;
  state.prompt = with_paste_mode(prompt);
  state.outcome = InputEvent::kByte;
  if (!prefill.empty()) {
    state.input.put_back(kPasteBegin + std::string(prefill) + narrow(kPasteEnd));
  }
  int count = 0;
  const wchar_t* text = ::el_wgets(state.line, &count);
  std::fputs("\x1b[?2004l", stdout);
  std::fflush(stdout);
  if (text == nullptr || count <= 0) {
    const bool typed = state.outcome == InputEvent::kByte;
    return {typed ? InputEvent::kEnd : state.outcome, typed ? "" : state.dropped};
  }
  std::string line = narrow({text, static_cast<size_t>(count)});
  if (line.ends_with('\n')) line.pop_back();
  return {InputEvent::kByte, std::move(line)};
}

}  // namespace minim::cli
