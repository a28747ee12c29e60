# A run of minim train that is killed at random moments, and started again each time, writes the
# bytes of one that was left alone.
#   bash kill_test.sh MINIM [KILLS]
set -euo pipefail

minim=$1
kills=${2:-6}
RANDOM=${MINIM_SEED:-$$}
printf 'seed %s\n' "${MINIM_SEED:-$$}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

for i in $(seq 1 200); do
  printf 'the cat number %s sat on the mat and saw a dog<|endoftext|>' "$i"
done >tales.txt
cat >recipe.yaml <<'RECIPE'
model: {layers: 2, dim: 64, heads: 2, kv_heads: 1, ffn_dim: 128}
tokenizer: {train: [tales], size: 300}
data: {held_out: 0.2, sources: [{name: tales, files: tales.txt}]}
training: {steps: 30, row_tokens: 64, batch_rows: 4, micro_rows: 2, warmup_steps: 4, dropout: 0.1,
           ema: 0.9, held_out_steps: 5, held_out_rows: 8, checkpoint_steps: 3, precision: fp32}
output: {folder: run, name: toy}
RECIPE

train=("$minim" train recipe.yaml --quiet --threads 1)
began=${EPOCHREALTIME/./}
"${train[@]}" >/dev/null
took=$((${EPOCHREALTIME/./} - began))
expected=$(sha256sum <run/model.gguf)

killed=0 runs=0
while ((killed < kills)); do
  rm -rf run
  # Again and again, until one lives to the end.
  while [[ ! -e run/model.gguf ]]; do
    "${train[@]}" >/dev/null 2>log &
    pid=$!
    # Anywhere in the time that a whole run takes.
    pause=$((RANDOM * took / 32768))
    sleep "$((pause / 1000000)).$(printf '%06d' $((pause % 1000000)))"
    if kill -KILL "$pid" 2>/dev/null; then killed=$((killed + 1)); fi
    wait "$pid" 2>/dev/null || true
    [[ ! -s log ]] || { cat log >&2; exit 1; }
  done
  "${train[@]}" >/dev/null  # the model may have been there before the run was done
  runs=$((runs + 1))
  [[ $(sha256sum <run/model.gguf) == "$expected" ]] || {
    echo "the model differs after $killed kills" >&2
    exit 1
  }
done
echo "$killed kills in $runs runs: every model has SHA-256 ${expected%% *}"
