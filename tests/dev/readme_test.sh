#!/usr/bin/env bash
# Every claim in the README's table names tests that exist: readme_test.sh BUILD_FOLDER.
set -uo pipefail

readme=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/README.md
tests=$(ctest --test-dir "$1" --show-only | sed -nE 's/^ *Test +#[0-9]+: //p')
failures=0 names=0

# The last column of each row holds the names, in backquotes.
while read -r name; do
  names=$((names + 1))
  if ! grep -qE "$name" <<<"$tests"; then
    failures=$((failures + 1))
    printf "README.md: no test's name contains '%s'\n" "$name"
  fi
done < <(sed -nE 's/^\|.*\|(.*`.*`.*)\|$/\1/p' "$readme" | grep -oE '`[^`]+`' | tr -d '`')

printf '%d names, %d without a test\n' "$names" "$failures"
((names > 0 && failures == 0))
