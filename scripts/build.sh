# Configures and builds a CMake preset: quiet where nothing fails, with progress for those who wait.

_compile_jobs=${MINIM_JOBS:-$(nproc 2>/dev/null || echo 2)}
# What one checkout has compiled serves every other one, wherever it lies.
export CCACHE_BASEDIR=$MINIM_ROOT CCACHE_NOHASHDIR=1

# configure PRESET: into build/PRESET. CMake runs again by itself when its files change.
configure() {
  local folder="$MINIM_ROOT/build/$1"
  [[ -f $folder/build.ninja ]] && return
  mkdir -p "$folder"
  say "configuring build/$1"
  (cd "$MINIM_ROOT" && cmake --preset "$1") >"$folder/configure.log" 2>&1 || {
    cat "$folder/configure.log" >&2
    fail "the configuration of build/$1 failed"
  }
}

# Ninja's status lines "[12/340] ..." as one line for each tenth of the way.
_print_tenths() {
  awk -F'[][/]' '
    /^\[[0-9]+\/[0-9]+\]/ && $3 >= 20 {
      tenth = int(10 * $2 / $3)
      if (tenth > last) { printf "    %d of %d\n", $2, $3; last = tenth }
      fflush()
    }' >&2
}

# build PRESET [TARGET...]
build() {
  local preset=$1 started=$SECONDS
  shift
  configure "$preset"
  local folder="$MINIM_ROOT/build/$preset"
  local log="$folder/build.log"
  local -a ninja=(ninja -C "$folder" -j "$_compile_jobs" "$@")
  if [[ -t 2 ]]; then
    NINJA_STATUS='[%f/%t, %es] ' "${ninja[@]}" --quiet >&2 ||
      fail "the build failed (build/$preset)"
    return
  fi
  if ! NINJA_STATUS='[%f/%t] ' "${ninja[@]}" 2>&1 | tee "$log" | _print_tenths; then
    sed -n '/^FAILED: /,$p' "$log" | head -n 200 >&2
    grep -q '^FAILED: ' "$log" || tail -n 30 "$log" >&2
    fail "the build failed; the whole output is in build/$preset/build.log"
  fi
  grep -q '^ninja: no work to do' "$log" ||
    say "built build/$preset in $((SECONDS - started)) s"
}
