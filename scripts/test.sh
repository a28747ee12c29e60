# ./dev test: the rules, the tests, and the tests again under sanitizers. Goes on after a failure,
# so that one run shows everything; ends with 1 if anything failed. With --arm also the kernels for
# 64-bit Arm, by qemu.
set -euo pipefail
for part in terminal packages build; do . "$MINIM_ROOT/scripts/$part.sh"; done

presets=(release asan)
filter=''
for argument in "$@"; do
  case "$argument" in
    --fast) presets=(release) ;;
    --tsan) presets=(tsan) ;;
    --arm) presets+=(arm) ;;
    --*) fail "./dev test has no option '$argument' (--fast, --tsan, --arm)" 2 ;;
    *) filter=$argument ;;
  esac
done

failed=()

# Every line but those of tests that passed.
readonly kPassed='^ *Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test +#.* Passed '
show_failures() { grep --line-buffered -vE "$kPassed"; }

run_tests() {
  local preset=$1 filter=$2 started=$SECONDS
  local -a ctest=(ctest --test-dir "$MINIM_ROOT/build/$preset" --output-on-failure
    --no-tests=error --parallel "$(nproc)")
  [[ -z $filter ]] || ctest+=(--tests-regex "$filter")
  # ThreadSanitizer of g++ 12 cannot place its shadow memory where addresses are very random.
  [[ $preset != tsan ]] || ctest=(setarch "$(uname -m)" --addr-no-randomize "${ctest[@]}")
  say "tests of build/$preset"
  "${ctest[@]}" 2>&1 | show_failures || failed+=("tests of build/$preset")
  say "build/$preset tested in $((SECONDS - started)) s"
}

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1

need_packages build 'building and testing'
need_packages counts 'counting instructions'
need_packages package 'testing the Debian package'
need_node 'testing with the clients of other projects'
"$MINIM_ROOT/dev" check || failed+=('rules (./dev check)')
for preset in "${presets[@]}"; do
  if [[ $preset == arm ]]; then
    [[ $(uname -m) != aarch64 ]] || continue  # tested already
    need_packages arm 'testing the kernels for Arm'
    build arm kernels_test
    run_tests arm '^kernels\.'
  else
    build "$preset"
    run_tests "$preset" "$filter"
  fi
done

if ((${#failed[@]} > 0)); then
  printf -v list '%s, ' "${failed[@]}"
  fail "failed: ${list%, }"
fi
say "all passed in $SECONDS s"
