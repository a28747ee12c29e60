#!/usr/bin/env bash
# Runs a text script of commands and expected replies against the program: run_script.sh MINIM
# SCRIPT.test. The format is described in README.md beside this file. Exit codes: 0 all as expected,
# 1 something differs, 2 the script itself is wrong, 77 skipped, because data is absent.
set -uo pipefail

program=$(realpath -- "$1") || exit 2
script=$(realpath -- "$2") || exit 2
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export MINIM_DATA=${MINIM_DATA:-$tests/../../shared/data}
[[ -d $MINIM_DATA ]] && MINIM_DATA=$(realpath -- "$MINIM_DATA")
export MINIM=$program TESTS=$tests LC_ALL=C.UTF-8 NO_COLOR=1
unset MINIM_MODEL MINIM_CPU
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder=$scratch/folder
mkdir "$folder" "$scratch/bin"
ln -s "$program" "$scratch/bin/minim"
export HOME=$folder PATH="$scratch/bin:$PATH"

failures=0
commands=0

# Whether line $2 is what the expectation $1 says: a literal, or "~ " and a regular expression.
line_matches() {
  local literal=$1
  if [[ $1 == '~ '* ]]; then
    local pattern="^(${1#'~ '})\$"
    [[ $2 =~ $pattern ]]
    return
  fi
  [[ $1 == \\* ]] && literal=${1#\\}
  [[ $literal == "$2" ]]
}

# Whether the lines of array $2 are what those of array $1 expect; "..." stands for any lines.
lines_match() {
  local -n want=$1 got=$2
  local w=0 g=0 star=-1 mark=0
  while ((g < ${#got[@]})); do
    if ((w < ${#want[@]})) && [[ ${want[w]} == '...' ]]; then
      star=$w mark=$g
      w=$((w + 1))
    elif ((w < ${#want[@]})) && line_matches "${want[w]}" "${got[g]}"; then
      w=$((w + 1)) g=$((g + 1))
    elif ((star >= 0)); then
      mark=$((mark + 1))
      w=$((star + 1)) g=$mark
    else
      return 1
    fi
  done
  while ((w < ${#want[@]})) && [[ ${want[w]} == '...' ]]; do w=$((w + 1)); done
  ((w == ${#want[@]}))
}

# The lines of FILE into array $2, with the paths of this run replaced by their names.
read_reply() {
  local -n reply=$2
  local text
  text=$(tr -d '\0' <"$1" && printf .)
  text=${text%.}
  text=${text//"$folder"/'$FOLDER'}
  text=${text//"$MINIM_DATA"/'$MINIM_DATA'}
  text=${text//"$tests"/'$TESTS'}
  reply=()
  [[ -n $text ]] && mapfile -t reply <<<"${text%$'\n'}"
  drop_blank_end "$2"
}

drop_blank_end() {
  local -n list=$1
  while ((${#list[@]} > 0)) && [[ -z ${list[-1]} ]]; do unset 'list[-1]'; done
}

show() {
  local -n shown=$2
  printf '  %s\n' "$1"
  ((${#shown[@]} == 0)) || printf '    | %s\n' "${shown[@]}"
}

# Runs the command collected so far and compares.
check_command() {
  [[ -n $command ]] || return 0
  local -a output=() errors=()
  local code=0 wrong=0
  commands=$((commands + 1))
  (cd "$folder" && timeout --kill-after=5 "${MINIM_TEST_TIMEOUT:-120}" bash -c "$command") \
    </dev/null >"$scratch/stdout" 2>"$scratch/stderr" || code=$?
  read_reply "$scratch/stdout" output
  read_reply "$scratch/stderr" errors
  drop_blank_end expected_output
  drop_blank_end expected_errors
  lines_match expected_output output || wrong=1
  lines_match expected_errors errors || wrong=1
  [[ $code == "$expected_code" ]] || wrong=1
  if ((wrong)); then
    failures=$((failures + 1))
    printf '%s:%d: $ %s\n' "${script#"$tests/"}" "$command_line" "$command"
    show 'expected stdout:' expected_output
    show 'stdout:' output
    show 'expected stderr:' expected_errors
    show 'stderr:' errors
    printf '  expected exit code %s, got %s\n' "$expected_code" "$code"
  fi
}

bad_script() {
  printf '%s:%d: %s\n' "${script#"$tests/"}" "$number" "$1"
  exit 2
}

command='' command_line=0 number=0
declare -a expected_output=() expected_errors=()
expected_code=0
while IFS= read -r line || [[ -n $line ]]; do
  number=$((number + 1))
  case "$line" in
    '# needs: '*)
      needed=${line#'# needs: '}
      if [[ ! -e $MINIM_DATA/$needed ]]; then
        printf 'skipped: needs %s in the data folder (set MINIM_DATA)\n' "$needed"
        exit 77
      fi
      ;;
    '#' | '# '*) ;;
    '$ '*)
      check_command
      command=${line#'$ '} command_line=$number
      expected_output=() expected_errors=() expected_code=0
      ;;
    '> '*)
      [[ -n $command ]] || bad_script 'a continued line before any command'
      command+=$'\n'${line#'> '}
      ;;
    '? '*)
      [[ ${line#'? '} =~ ^[0-9]+$ ]] || bad_script 'an exit code is a number'
      expected_code=${line#'? '}
      ;;
    '! '*) expected_errors+=("${line#'! '}") ;;
    '!') expected_errors+=('') ;;
    *)
      if [[ -n $command ]]; then
        expected_output+=("$line")
      elif [[ -n $line ]]; then
        bad_script "expected output before any command: $line"
      fi
      ;;
  esac
done <"$script"
check_command

((commands > 0)) || bad_script 'no command in this script'
printf '%d commands, %d not as expected\n' "$commands" "$failures"
((failures == 0))
