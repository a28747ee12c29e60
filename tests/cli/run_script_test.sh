#!/usr/bin/env bash
# Tests the runner of text scripts: what must pass passes, and every kind of difference fails.
set -uo pipefail

runner=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/run_script.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0 cases=0

# expect CODE NAME: the script on stdin ends with CODE.
expect() {
  local code=0
  cases=$((cases + 1))
  cat >"$folder/case.test"
  MINIM_DATA=$folder MINIM_TEST_TIMEOUT=2 bash "$runner" /bin/echo "$folder/case.test" \
    >"$folder/reply" 2>&1 || code=$?
  if [[ $code != "$1" ]]; then
    failures=$((failures + 1))
    printf '%s: expected exit code %s, got %s\n' "$2" "$1" "$code"
    sed 's/^/  | /' "$folder/reply"
  fi
}

expect 0 'a literal reply' <<<$'$ minim hello\nhello'
expect 1 'another reply' <<<$'$ minim hello\nhallo'
expect 1 'a missing line' <<<$'$ minim hello\nhello\nhello'
expect 1 'a line too many' <<<$'$ printf "a\\nb\\n"\na'
expect 1 'output where none is expected' <<<$'$ minim hello'
expect 1 'stderr where none is expected' <<<$'$ minim hello >&2'
expect 0 'stderr' <<<$'$ minim hello >&2\n! hello'
expect 1 'stdout instead of stderr' <<<$'$ minim hello\n! hello'
expect 0 'an exit code' <<<$'$ exit 3\n? 3'
expect 1 'another exit code' <<<$'$ exit 3\n? 2'
expect 1 'failure where success is expected' <<<$'$ exit 1'
expect 0 'a regular expression' <<<$'$ minim 17.5 tokens\n~ [0-9.]+ tokens'
expect 1 'a regular expression matches whole lines' <<<$'$ minim 17.5 tokens\n~ [0-9.]+'
expect 0 'any lines' <<<$'$ seq 9\n1\n...\n5\n...\n9'
expect 0 'any lines, also none' <<<$'$ seq 2\n1\n...\n2\n...'
expect 1 'any lines, but not these' <<<$'$ seq 9\n1\n...\n10'
expect 0 'the first match may be too early' <<<$'$ printf "a\\nb\\na\\nc\\n"\n...\na\nc'
expect 0 'blank lines inside' <<<$'$ printf "a\\n\\nb\\n\\n"\na\n\nb\n'
expect 1 'a missing blank line inside' <<<$'$ printf "a\\n\\nb\\n"\na\nb'
expect 0 'a backslash takes a mark literally' <<<$'$ minim "$ money"\n\\$ money'
expect 0 'a command over several lines' <<<$'$ minim one\n> minim two\none\ntwo'
expect 0 'one folder for all commands' <<<$'$ minim kept > file\n$ cat file\nkept'
expect 0 'paths by their names' <<<$'$ minim "$PWD/x $MINIM_DATA/y"\n$FOLDER/x $MINIM_DATA/y'
expect 1 'every command counts' <<<$'$ minim a\nb\n$ minim a\na'
expect 0 'a hanging command is stopped' <<<$'$ sleep 9\n? 124'
expect 77 'absent data' <<<$'# needs: no/such/file\n$ exit 1'
expect 0 'present data' <<<$'# needs: case.test\n$ minim a\na'
expect 2 'no command' <<<$'# nothing'
expect 2 'output before a command' <<<$'hello\n$ minim hello'

printf '%d cases, %d failed\n' "$cases" "$failures"
((failures == 0))
