# peers_test.sh BENCH_SPEED MINIM MODELS_DIR: peers that are scripts: one answers, one fails.
set -euo pipefail
bench=$1 minim=$2 models=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/good" "$folder/bad"

cat >"$folder/good/llama-bench" <<'SCRIPT'
#!/bin/sh
echo 'loading' >&2
echo 'timings' >llama.log
echo '[{"samples_ts": [1.0, 3.0, 2.0]}]'
SCRIPT
cat >"$folder/good/llama-perplexity" <<'SCRIPT'
#!/bin/sh
echo 'Final estimate: PPL = 2.0000 +/- 0.10000' >&2
SCRIPT
cat >"$folder/good/llama-batched-bench" <<'SCRIPT'
#!/bin/sh
echo '{"speed_tg": 8.0}'
SCRIPT
cat >"$folder/bad/llama-bench" <<'SCRIPT'
#!/bin/sh
echo 'error: unknown "type" of tensor' >&2
exit 3
SCRIPT
# Another dialect: no -d, and a table instead of JSON lines.
mkdir "$folder/older"
cat >"$folder/older/llama-bench" <<'SCRIPT'
#!/bin/sh
case " $* " in
  *' -d '*) echo 'error: invalid parameter for argument: -d' >&2; exit 1 ;;
  *' -gp 64,'*) echo '[{"samples_ts": [5.0]}]' ;;
  *) echo '[{"samples_ts": [4.0]}]' ;;
esac
SCRIPT
cat >"$folder/older/llama-batched-bench" <<'SCRIPT'
#!/bin/sh
case " $* " in *' --output-format '*) echo 'error: unknown argument' >&2; exit 1 ;; esac
echo '|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |'
echo '|-------|--------|------|--------|----------|----------|----------|----------|----------|'
echo '|    64 |     32 |    2 |    192 |    0.096 |  1335.38 |    0.312 |     7.00 |    0.408 |'
SCRIPT
chmod +x "$folder"/*/llama-*

failed=0
expect() {
  grep -qE -- "$2" "$folder/$1" && return
  printf '%s: nothing matches: %s\n' "$1" "$2"
  failed=1
}

MINIM_PEER_BIN="$folder/good:second=$folder/bad:$folder/older" "$bench" --tiny --minim "$minim" \
  --models-dir "$models" --markdown "$folder/speed.md" --json "$folder/speed.json" \
  >"$folder/out"
expect out '^  good +2\.00 tokens/s .*outputs differ: perplexity 2, minim.s [0-9]'
expect out '^  good +8\.00 tokens/s'
expect out '^  good .*has no llama-completion'
expect out '^  older +4\.00 tokens/s'
expect out '^  older +5\.00 tokens/s'
expect out '^  older +7\.00 tokens/s'
expect out '^  second +exit code 3: error: unknown "type" of tensor; outputs not compared: '
expect out '^  minim +[0-9.]+ MB '
expect out '^  minim against the best peer \(good\): [0-9.]+x$'
expect speed.md '^\| 15M q4_0 \| [0-9.]+ \([0-9.]+ - [0-9.]+\) \| 2\.00 \(2\.00 - 2\.00\) \| - \|'
expect speed.md '^- 15M q4_0, second: exit code 3: '
expect speed.json '"best_peer": "good"'
[[ ! -e llama.log ]] || { echo 'a peer left its log'; failed=1; }
expect speed.json '"note": "exit code 3: error: unknown \\"type\\" of tensor'

# Mistakes are told before any time is spent.
refuses() {
  local message=$1
  shift
  if "$bench" --models 15M --types q4_0 --models-dir "$models" "$@" >"$folder/out" 2>&1; then
    printf 'accepted: %s\n' "$*"
    failed=1
  fi
  expect out "$message"
}
refuses "there is no llama-bench in '$folder'" --peers "$folder" --minim "$minim"
refuses "needs a name of its own" --peers "a=$folder/good:a=$folder/bad"
refuses "there is no workload 'sleep'; there are prompt, generation, " --workloads sleep
refuses "'minim-is-not-here' cannot be started" --minim minim-is-not-here
[[ $failed -eq 0 ]] || { cat "$folder/out"; exit 1; }
