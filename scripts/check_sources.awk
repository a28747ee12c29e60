# The rules on source files that need no compiler. Prints "file:line: rule" for each finding.
#
#   LC_ALL=C awk -f check_sources.awk rooms.txt FILE...
#
# Runs in the repository's root, so that paths read src/ROOM/file. Written for mawk (Debian's awk):
# bytes, no interval expressions. Functions are found by indentation, which the formatter
# guarantees: one begins where a statement at namespace or class level opens a brace, and ends at
# the closing brace of the same column.

function report(line, rule) { printf "%s:%d: %s\n", file, line, rule }

# ---- rooms -----------------------------------------------------------------------------------

function add_room(    i) {
  rooms[$1] = 1
  for (i = 2; i <= NF; i++) direct[$1 " " $i] = 1
}

# may_include[a " " b]: the transitive closure of the arrows.
function close_arrows(    a, b, c, changed) {
  for (a in rooms) {
    may_include[a " " a] = 1
    for (b in rooms) if ((a " " b) in direct || (a " *") in direct) may_include[a " " b] = 1
  }
  do {
    changed = 0
    for (a in rooms) for (b in rooms) if ((a " " b) in may_include) for (c in rooms) {
      if ((b " " c) in may_include && !((a " " c) in may_include)) {
        may_include[a " " c] = 1
        changed = 1
      }
    }
  } while (changed)
}

# ---- files -----------------------------------------------------------------------------------

function start_file(    parts, count) {
  file = FILENAME
  sub(/^\.\//, "", file)
  count = split(file, parts, "/")
  base = parts[count]
  room = (parts[1] == "src" && count > 2) ? parts[2] : ""
  is_cmake = base == "CMakeLists.txt" || base ~ /\.cmake$/
  is_header = base ~ /\.(h|hpp)$/
  is_cxx = is_header || base ~ /\.(c|cc)$/
  is_program = base ~ /_(test|bench|fuzz)\.(cc|h)$/ || file ~ /\/testing\// || room == "cli" ||
               parts[1] == "tests" || parts[1] == "bench"
  is_prose = base ~ /\.md$/
  has_pragma = in_comment = in_raw = in_macro = in_body = in_statement = in_module = 0
  blank_end = 0
  lines = 0
  if (room != "" && !(room in rooms)) report(1, "'" room "' is not a room of scripts/rooms.txt")
  if (base ~ /(^|_)(utils?|common|managers?|helpers?|misc)[._]/) {
    report(1, "a file is named after what it holds, not '" base "'")
  }
}

function end_file() {
  if (file == "") return
  if (is_header && !has_pragma) report(1, "a header needs #pragma once")
  if (!is_prose && lines > 600) report(601, "a file has at most 600 lines, this one " lines)
  if (blank_end) report(lines, "blank line at the end of the file")
}

# What each file opens with: headers and programs say what they are for.
function check_opening(line) {
  if (is_header && line !~ /^\/\/ /) report(1, "a header opens with a comment on what it is for")
  if (base ~ /_(bench|fuzz)\.cc$/ && line !~ /^\/\/ /) {
    report(1, "a program opens with a comment on what it is for")
  }
}

# ---- lines -----------------------------------------------------------------------------------

function check_text(line,    width, mark) {
  width = line
  gsub(/[\200-\277]/, "", width)  # continuation bytes of UTF-8
  if (!is_prose && length(width) > 100) {
    report(FNR, "a line has at most 100 columns, this one " length(width))
  }
  if (line ~ /[ \t\r]$/) report(FNR, "white space at the end of the line")
  if (is_cxx && line ~ /\t/) report(FNR, "a tab; indent with spaces")
  if (line ~ /(^|[^A-Za-z_])(TO[D]O|FIX[M]E|XX[X]|HA[C]K)([^A-Za-z_]|$)/) {
    match(line, /TO[D]O|FIX[M]E|XX[X]|HA[C]K/)
    mark = substr(line, RSTART, RLENGTH)
    report(FNR, "'" mark "': do it, or say in the docs what is missing")
  }
}

# Sets `code` (no comments, strings empty) and `text` (no comments). Carries block comments and
# raw strings from line to line.
function strip(line,    at, mark, end) {
  code = text = ""
  while (line != "") {
    if (in_comment) {
      at = index(line, "*/")
      if (!at) return
      line = substr(line, at + 2)
      in_comment = 0
    } else if (in_raw) {
      at = index(line, raw_end)
      if (!at) { text = text line; return }
      text = text substr(line, 1, at - 1) "\""
      line = substr(line, at + length(raw_end))
      code = code "\""
      in_raw = 0
    } else {
      if (!match(line, /["'\/]/)) { code = code line; text = text line; return }
      mark = substr(line, RSTART, 1)
      at = RSTART
      code = code substr(line, 1, at - 1)
      text = text substr(line, 1, at - 1)
      line = substr(line, at)
      if (mark == "/") {
        if (line ~ /^\/\//) return
        if (line ~ /^\/\*/) { in_comment = 1; line = substr(line, 3); continue }
        code = code "/"; text = text "/"
        line = substr(line, 2)
      } else if (mark == "'" && code ~ /[0-9a-fA-F]$/ && line ~ /^'[0-9a-fA-F]/) {
        line = substr(line, 2)  # a digit separator
      } else if (mark == "\"" && code ~ /R$/ && match(line, /^"[^( ]*\(/)) {
        raw_end = ")" substr(line, 2, RLENGTH - 2) "\""
        code = code "\""; text = text "\""
        line = substr(line, RLENGTH + 1)
        in_raw = 1
      } else {
        if (mark == "\"") match(line, /^"([^"\\]|\\.)*"?/)
        else match(line, /^'([^'\\]|\\.)*'?/)
        end = RLENGTH
        code = code mark mark
        text = text substr(line, 1, end)
        line = substr(line, end + 1)
      }
    }
  }
}

function check_include(line,    path, target) {
  if (match(line, /^#include "[^"]*"/)) {
    path = substr(line, 11, RLENGTH - 11)
    target = path
    if (!sub(/\/.*/, "", target)) {
      report(FNR, "include \"" path "\" from src/: \"room/file.h\"")
    } else if (target == "tests" || path ~ /\/testing\//) {
      if (!is_program) report(FNR, "only tests, benchmarks and fuzz targets include " path)
    }
    if (room != "" && target in rooms && !((room " " target) in may_include)) {
      report(FNR, room "/ may not include " target "/ (scripts/rooms.txt)")
    }
  }
  if (room == "runtime" && line ~ /"base\/json\.h"/) {
    report(FNR, "JSON types never cross into runtime/")
  }
}

# Detection lives in base/cpu.*; everything else about instruction sets in kernels/.
function check_instruction_sets(lower) {
  if (room == "kernels" || file ~ /^src\/base\/cpu(_test)?\.(h|cc)$/) return
  if (lower ~ /avx|vnni|_mm_|_mm(256|512)_|__m(128|256|512)|immintrin|-march=/ ||
      lower ~ /__builtin_ia32_([^p]|p[^a])|(^|[^a-z])k?(neon|ssse3|sse[234]|amx|f16c)([^a-z]|$)/ ||
      lower ~ /(^|[^a-z])k?(sve2?|simd128)([^a-z]|$)/) {
    report(FNR, "only kernels/ names an instruction set")
  }
}

function check_code() {
  if (room == "runtime" && code ~ /(^|[^A-Za-z_])(nlohmann|Json|OrderedJson)([^A-Za-z_]|$)/) {
    report(FNR, "JSON types never cross into runtime/")
  }
  if (room != "" && !is_program && file != "src/base/error.cc" &&
      code ~ /std::(cout|cerr|clog|exit|quick_exit)|fmt::print|(^|[^a-z_])(f?printf|f?puts) ?\(/) {
    report(FNR, "the library never prints and never exits")
  }
  if (code ~ /(class|struct) [A-Za-z]*(Manager|Helper|Utils?)([^A-Za-z]|$)/) {
    report(FNR, "a type is named after what it is (no Manager, Helper, Utils)")
  }
}

# ---- functions -------------------------------------------------------------------------------

# A statement at namespace or class level has opened a brace: what is it?
function opens(statement,    head) {
  if (statement ~ /^(inline )?namespace|^extern ""/) return "scope"
  if (statement ~ /^(template <.*> )?(typedef )?(class|struct|union|enum) /) return "scope"
  if (statement ~ /= {$/) return "data"
  if (statement ~ /= ?\[/) return "function"  # a named lambda
  head = statement
  sub(/operator *(\(\)|[^(]*)/, "operator", head)
  sub(/\(.*/, "", head)
  return (head == statement || head ~ /=/) ? "data" : "function"
}

function track_function(    indent, trimmed) {
  trimmed = code
  sub(/ +$/, "", trimmed)
  if (in_macro || trimmed ~ /^#/) { in_macro = trimmed ~ /\\$/; return }
  match(trimmed, /^ */)
  indent = RLENGTH
  trimmed = substr(trimmed, indent + 1)
  if (trimmed == "") return
  if (in_body) {
    if (indent != body_indent || trimmed !~ /^}/) return
    if (in_body == 2 && FNR - body_start >= 70) {
      report(body_start, "a function has at most 70 lines, this one " (FNR - body_start + 1))
    }
    in_body = 0
    return
  }
  if (!in_statement) {
    if (trimmed ~ /^}|^(public|private|protected):$|^template <.*>$|^\[\[.*\]\]$/) return
    statement = ""
    body_start = FNR
    body_indent = indent
    in_statement = 1
  }
  statement = statement (statement == "" ? "" : " ") trimmed
  if (trimmed ~ /{$/) {
    kind = opens(statement)
    in_body = kind == "function" ? 2 : (kind == "data" ? 1 : 0)
    in_statement = 0
  } else if (trimmed ~ /[;}]$/) {
    in_statement = 0
  }
}

# ---- CMake -----------------------------------------------------------------------------------

# DEPS of minim_module(NAME DEPS a b LIBS ...), over several lines.
function check_module(line,    words, count, i) {
  sub(/#.*/, "", line)
  if (line ~ /^minim_module\(/) { in_module = 1; module = section = "" }
  if (!in_module || room == "") return
  gsub(/[()]/, " & ", line)
  count = split(line, words, " ")
  for (i = 1; i <= count; i++) {
    if (words[i] == ")") in_module = 0
    else if (words[i] == "minim_module" || words[i] == "(") continue
    else if (words[i] == "DEPS" || words[i] == "LIBS") section = words[i]
    else if (section == "" && module == "") module = words[i]
    else if (section == "DEPS" && !((room " " words[i]) in may_include)) {
      report(FNR, room "/ may not link " words[i] " (scripts/rooms.txt)")
    }
  }
}

# ---- the pass --------------------------------------------------------------------------------

NR == FNR {
  if ($0 !~ /^#/ && NF) add_room()
  next
}
FNR == 1 {
  if (!closed) { close_arrows(); closed = 1 }
  end_file()
  start_file()
  check_opening($0)
}
{
  lines = FNR
  blank_end = $0 == ""
  check_text($0)
  if (is_cmake) {
    check_module($0)
    if (room != "") check_instruction_sets(tolower($0))
  }
  if (!is_cxx) next
  if ($0 ~ /^#pragma once/) has_pragma = 1
  if ($0 ~ /^#include/ && !in_raw) check_include($0)
  strip($0)
  check_instruction_sets(tolower(text))
  check_code()
  track_function()
}
END { end_file() }
