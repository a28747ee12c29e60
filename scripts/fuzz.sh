# ./dev fuzz [TARGET] [--seconds N]: feeds a parser mutations of its seeds until the time is up or
# something is found. What it learns stays in build/corpus/TARGET; seeds are in tests/fuzz/TARGET.
set -euo pipefail
for part in terminal packages build; do . "$MINIM_ROOT/scripts/$part.sh"; done

seconds=60
wanted=''
while (($# > 0)); do
  case "$1" in
    --seconds)
      [[ ${2:-} =~ ^[0-9]+$ ]] || fail '--seconds needs a whole number' 2
      seconds=$2
      shift
      ;;
    --*) fail "./dev fuzz has no option '$1' (--seconds N)" 2 ;;
    *) wanted=${1%_fuzz}_fuzz ;;
  esac
  shift
done

# "src/formats/gguf/gguf_fuzz.cc" is built as build/fuzz/src/formats/gguf_fuzz.
declare -A programs=()
while read -r source; do
  room=${source#"$MINIM_ROOT/src/"}
  target=$(basename "$source" .cc)
  programs[$target]="$MINIM_ROOT/build/fuzz/src/${room%%/*}/$target"
done < <(find "$MINIM_ROOT/src" -name '*_fuzz.cc')
mapfile -t targets < <(printf '%s\n' "${!programs[@]}" | sort)
if [[ -n $wanted ]]; then
  [[ -n ${programs[$wanted]:-} ]] || fail "no fuzz target '$wanted'; there are: ${targets[*]}" 2
  targets=("$wanted")
fi

# The size of the largest seed, at least 64 KiB: longer inputs cost time and find little.
longest_input() {
  find "$1" -type f -printf '%s\n' | sort -n | awk '{ n = $1 } END { print n > 65536 ? n : 65536 }'
}

fuzz() {
  local target=$1
  local seeds="$MINIM_ROOT/tests/fuzz/$target" corpus="$MINIM_ROOT/build/corpus/$target"
  local findings="$MINIM_ROOT/build/findings/$target" log="$MINIM_ROOT/build/corpus/$target.log"
  mkdir -p "$corpus" "$findings"
  local -a options=(-max_total_time="$seconds" -max_len="$(longest_input "$seeds")" -timeout=10
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$findings/")
  [[ ! -f $seeds.dict ]] || options+=(-dict="$seeds.dict")
  say "$target for $seconds s"
  if "${programs[$target]}" "${options[@]}" "$corpus" "$seeds" >"$log" 2>&1; then
    awk '/^stat::number_of_executed_units/ { runs = $2 } / cov: / { covered = $0 }
      END {
        sub(/.* cov: /, "", covered); sub(/ .*/, "", covered)
        printf "    %d executions, %d edges, no finding\n", runs, covered
      }' "$log" >&2
    return
  fi
  tail -n 60 "$log" >&2
  local input
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  fail "$target found something. Again:
  ${programs[$target]#"$MINIM_ROOT/"} ${input#"$MINIM_ROOT/"}
Once fixed, keep the input as a seed in tests/fuzz/$target/."
}

need_packages build 'building the fuzz targets'
need_packages fuzz 'fuzzing'
build fuzz "${targets[@]}"
for target in "${targets[@]}"; do fuzz "$target"; done
