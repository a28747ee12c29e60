# ./dev bench [NAME] [ARGS]: the benchmark programs of one room or of all, one after the other, or
# the scenario bench/NAME, whose program is bench_NAME.
set -euo pipefail
for part in terminal packages build; do . "$MINIM_ROOT/scripts/$part.sh"; done

name=''
if [[ $# -gt 0 && $1 != -* ]]; then
  name=$1
  shift
fi

need_packages build 'building the benchmarks'
configure release
if [[ -n $name && -f $MINIM_ROOT/bench/$name/CMakeLists.txt ]]; then
  program="$MINIM_ROOT/build/release/bench/$name/bench_$name"
  if [[ $name == faults ]]; then
    need_node 'the benchmark of faults'
    build release minim
    exec node "$MINIM_ROOT/bench/faults/main.mjs" \
      --minim "$MINIM_ROOT/build/release/src/cli/minim" "$@"
  fi
  if [[ $name == speed || $name == serve || $name == doctor ]]; then
    build release minim "bench_$name"
    exec "$program" --minim "$MINIM_ROOT/build/release/src/cli/minim" "$@"
  fi
  need_packages counts 'counting instructions'
  build release "bench_$name"
  exec "$program" "$@"
fi
scenarios=("$MINIM_ROOT"/bench/*/CMakeLists.txt)
scenarios=("${scenarios[@]%/CMakeLists.txt}")
mapfile -t programs < <(ninja -C "$MINIM_ROOT/build/release" -t targets all |
  sed -nE 's/^([a-z_]+_bench): phony$/\1/p' | grep -v '^minim_' | sort)
if [[ -n $name ]]; then
  [[ " ${programs[*]} " == *" ${name%_bench}_bench "* ]] ||
    fail "no benchmark '$name'; there are: ${programs[*]%_bench} ${scenarios[*]##*/}" 2
  programs=("${name%_bench}_bench")
fi
[[ ${#programs[@]} -gt 0 ]] || fail 'there is no benchmark yet'
build release "${programs[@]}"

read -r load _ </proc/loadavg
if ((${load%.*} >= 1)); then
  say "the load of this machine is $load: figures will be lower than on an idle one"
fi
for program in "${programs[@]}"; do
  printf '# %s\n' "$program"
  "$MINIM_ROOT"/build/release/src/"${program%_bench}"/"$program" "$@"
done
