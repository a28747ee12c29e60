#!/usr/bin/env bash
# Tests ./dev check on small bad samples: each must be found, at its line, and nothing else.
set -uo pipefail

MINIM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export MINIM_ROOT
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0 cases=0

# A tree that breaks no rule; sample PATH puts stdin there in addition.
fresh_tree() {
  rm -rf "${folder:?}/tree"
  mkdir -p "$folder/tree/src/base" "$folder/tree/src/kernels" "$folder/tree/src/runtime" \
    "$folder/tree/docs"
  cp "$MINIM_ROOT/.clang-format" "$folder/tree/"
  printf '// Good.\n#pragma once\n' >"$folder/tree/src/base/good.h"
  printf '# Good\n\n## A section\n' >"$folder/tree/docs/good.md"
}

sample() {
  mkdir -p "$folder/tree/$(dirname "$1")"
  cat >"$folder/tree/$1"
}

# expect FINDING...: exactly these lines, each a regular expression.
expect() {
  local output code=0 wrong=0 finding
  cases=$((cases + 1))
  output=$(bash "$MINIM_ROOT/scripts/check.sh" "$folder/tree" 2>/dev/null) || code=$?
  for finding in "$@"; do
    grep -qE "^$finding\$" <<<"$output" || wrong=1
  done
  [[ $(grep -c . <<<"$output") == $# ]] || wrong=1
  [[ $code == $(($# > 0)) ]] || wrong=1
  if ((wrong)); then
    failures=$((failures + 1))
    printf 'case %d (line %s), exit code %s\n' "$cases" "${BASH_LINENO[0]}" "$code"
    printf '  expected: %s\n' "$@"
    printf '  found:    %s\n' "$output"
  fi
  fresh_tree
}

# body COUNT: a function of COUNT lines, signature and closing brace included.
body() {
  printf 'int %s() {\n' "$2"
  for ((i = 0; i < $1 - 3; i++)); do printf '  call(%d);\n' "$i"; done
  printf '  return 0;\n}\n'
}

fresh_tree
expect

# Include directions.
sample src/base/a.cc <<<'#include "tensor/ops.h"'
expect 'src/base/a.cc:1: base/ may not include tensor/.*'
sample src/kernels/a.cc <<<'#include "base/good.h"'
expect
sample src/runtime/a.cc <<<'#include "kernels/block_types.h"'
expect
sample src/base/a.cc <<<'#include "good.h"'
expect 'src/base/a.cc:1: include "good.h" from src/.*'
sample src/base/a.cc <<<'#include "tests/support/bench.h"'
expect 'src/base/a.cc:1: only tests, benchmarks and fuzz targets include tests/support/bench.h'
sample src/runtime/a.cc <<<'#include "kernels/testing/random_data.h"'
expect 'src/runtime/a.cc:1: only tests, benchmarks and fuzz targets include kernels/testing/.*'
sample src/runtime/a_fuzz.h <<<$'// Fuzz.\n#pragma once\n\n#include "kernels/testing/random_data.h"'
expect
sample src/base/a_test.cc <<<'#include "tests/support/bench.h"'
expect
sample src/attic/a.cc <<<'int x;'
expect "src/attic/a.cc:1: 'attic' is not a room of scripts/rooms.txt"
sample src/runtime/CMakeLists.txt <<<$'minim_module(runtime\n  DEPS model cli\n  LIBS fmt::fmt)'
expect 'src/runtime/CMakeLists.txt:2: runtime/ may not link cli .*'

# Instruction sets, JSON, printing.
sample src/runtime/a.cc <<<'bool fast = has(kAvx2);'
expect 'src/runtime/a.cc:1: only kernels/ names an instruction set'
sample src/runtime/a.cc <<<$'#ifdef __ARM_NEON\n#endif'
expect 'src/runtime/a.cc:1: only kernels/ names an instruction set'
sample src/runtime/a.cc <<<'auto sum = _mm256_add_ps(a, b);'
expect 'src/runtime/a.cc:1: only kernels/ names an instruction set'
sample src/runtime/a.cc <<<'// Words in comments, such as avx2, are free.'
expect
sample src/kernels/a.cc <<<'auto sum = _mm256_add_ps(a, b);'
expect
sample src/base/cpu.cc <<<'bool has_avx2 = true;'
expect
sample src/runtime/a.cc <<<'#include <nlohmann/json.hpp>'
expect 'src/runtime/a.cc:1: JSON types never cross into runtime/'
sample src/runtime/a.cc <<<'void load(const Json& object);'
expect 'src/runtime/a.cc:1: JSON types never cross into runtime/'
sample src/base/a.cc <<<'void f() { std::printf("x"); }'
expect 'src/base/a.cc:1: the library never prints and never exits'
sample src/base/a.cc <<<'int n = std::snprintf(b, 4, "printf("); // puts('
expect 'src/base/a.cc:1: not formatted.*'
sample src/cli/a.cc <<<'void f() { std::printf("x"); }'
expect

# Sizes.
{ printf '// Long.\n#pragma once\n'; yes '// line' | head -n 598; } | sample src/base/a.h
expect
{ printf '// Long.\n#pragma once\n'; yes '// line' | head -n 599; } | sample src/base/a.h
expect 'src/base/a.h:601: a file has at most 600 lines, this one 601'
body 70 fits | sample src/base/a.cc
expect
body 71 exceeds | sample src/base/a.cc
expect 'src/base/a.cc:1: a function has at most 70 lines, this one 71'
{ printf 'namespace minim {\n'; body 50 one; printf '\n'; body 72 two; printf '}\n'; } |
  sed 's/^}$/}/' | sample src/base/a.cc
expect 'src/base/a.cc:53: a function has at most 70 lines, this one 72' \
  'src/base/a.cc:[0-9]*: not formatted.*'
{ printf 'struct S {\n'; body 71 inside | sed 's/^/  /'; printf '};\n'; } | sample src/base/a.cc
expect 'src/base/a.cc:2: a function has at most 70 lines, this one 71'
{ printf 'alignas(8) const int kTable[] = {\n'; yes '    1,' | head -n 99; printf '};\n'; } |
  sample src/base/a.cc
expect 'src/base/a.cc:[0-9]*: not formatted.*'
{ printf 'const char* text = R"(\n'; body 71 quoted; printf ')";\n'; } | sample src/base/a.cc
expect
printf '// %s\n' "$(printf 'x%.0s' {1..98})" | sample src/base/a.cc
expect 'src/base/a.cc:1: a line has at most 100 columns, this one 101'
printf '// %s\n' "$(printf 'é%.0s' {1..97})" | sample src/base/a.cc
expect
printf '# %s\n' "$(printf 'x%.0s' {1..99})" | sample scripts/a.sh
expect 'scripts/a.sh:1: a line has at most 100 columns, this one 101'

# Files and text.
sample src/base/a.h <<<'// No guard.'
expect 'src/base/a.h:1: a header needs #pragma once'
sample src/base/a.h <<<'#pragma once'
expect 'src/base/a.h:1: a header opens with a comment on what it is for'
sample src/base/string_utils.cc <<<'int x;'
expect "src/base/string_utils.cc:1: a file is named after what it holds, not 'string_utils.cc'"
sample src/base/a.cc <<<'class ThreadManager;'
expect 'src/base/a.cc:1: a type is named after what it is .*'
sample src/base/a.cc <<<"// TO""DO: later"
expect "src/base/a.cc:1: 'TO""DO': do it, or say in the docs what is missing"
printf 'set(X 1) \n' | sample cmake/a.cmake
expect 'cmake/a.cmake:1: white space at the end of the line'
printf 'x\n\n' | sample docs/a.md
expect 'docs/a.md:2: blank line at the end of the file'
sample src/base/a.cc <<<'int   x;'
expect 'src/base/a.cc:1: not formatted .*'

# Links.
sample docs/a.md <<<$'[good](good.md#a-section), [root](../src/base/good.h), [web](https://a.b)'
expect
sample docs/a.md <<<$'\n[bad](absent.md)'
expect "docs/a.md:2: the link to 'absent.md' leads nowhere"
sample docs/a.md <<<$'[outside](../../x.md)'
expect "docs/a.md:1: the link to '../../x.md' leads nowhere"
sample docs/a.md <<<'[bad](good.md#no-section)'
expect "docs/a.md:1: 'docs/good.md' has no section '#no-section'"
sample docs/a.md <<<'See `src/base/absent.h` and `src/ROOM/file.h`.'
expect 'docs/a.md:1: `src/base/absent.h` does not exist'
sample docs/a.md <<<$'```\n[not a link](absent.md)\n```'
expect

# Fuzz targets and their seeds.
sample src/base/json_fuzz.cc <<<'// Fuzzes.'
expect 'src/base/json_fuzz.cc:1: no seeds in tests/fuzz/json_fuzz/'
sample tests/fuzz/json_fuzz/seed <<<'{}'
expect 'tests/fuzz/json_fuzz:1: seeds without a fuzz target of this name'

printf '%d cases, %d failed\n' "$cases" "$failures"
((failures == 0))
