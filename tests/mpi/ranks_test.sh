# Training by processes of MPI: two learn as one does, go on where one stopped, and end together.
#   bash ranks_test.sh MINIM
set -euo pipefail

minim=$1
command -v mpirun >/dev/null || {
  echo "skipped: there is no mpirun (Debian's openmpi-bin)"
  exit 77
}
# What MPI itself never frees is not ours to report.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

for i in $(seq 1 200); do
  printf 'the cat number %s sat on the mat and saw a dog<|endoftext|>' "$i"
done >tales.txt
cat >recipe.yaml <<'RECIPE'
model: {layers: 2, dim: 32, heads: 2, kv_heads: 1, ffn_dim: 64}
tokenizer: {train: [tales], size: 300}
data: {held_out: 0.2, sources: [{name: tales, files: tales.txt}]}
training: {steps: 40, row_tokens: 32, batch_rows: 4, micro_rows: 2, warmup_steps: 4,
           held_out_steps: 10, held_out_rows: 8, checkpoint_steps: 10, precision: fp32}
output: {folder: one, name: toy}
RECIPE

run() { "$minim" train recipe.yaml --quiet --threads 1 "$@"; }
run_two() {
  timeout 120 mpirun --oversubscribe --mca btl_vader_single_copy_mechanism none -n 2 \
    "$minim" train recipe.yaml --mpi --quiet --threads 1 "$@"
}
held_out() { sed -n 's/.*"held_out".*"loss":\([0-9.]*\),.*/\1/p' "$1/log.jsonl"; }
# Each number of the first list within 0.001 of that in the second.
same_losses() {
  paste <(held_out "$1") <(held_out "$2") | awk '
    { difference = $1 - $2; if (NF != 2 || difference ^ 2 > 1e-6) bad = 1 }
    END { exit bad || NR < 4 }' || fail "losses differ: $(held_out "$1") and $(held_out "$2")"
}

[[ $(run) == one/model.gguf ]] || fail 'one process made no model'
[[ $(run_two --set output.folder=two) == two/model.gguf ]] || fail 'two processes made no model'
same_losses one two
grep -q '2 processes of ' two/log.jsonl || fail 'the log does not tell of the processes'

# One goes on from where two were stopped.
mkdir mixed && cp -r two/checkpoints mixed/checkpoints && rm mixed/checkpoints/*40.minim
run --set output.folder=mixed 2>warnings >/dev/null
grep -q '"step":30,"step_count":40' mixed/log.jsonl || fail 'the run did not go on after step 30'

# Without --mpi they would write over each other.
if timeout 60 mpirun --oversubscribe -n 2 "$minim" train recipe.yaml --quiet \
  --set output.folder=apart >refused 2>&1; then
  fail 'two processes that do not know of each other were let run'
fi
grep -q -- '--mpi makes them work together' refused || fail "$(cat refused)"

# Where one is killed, all end, and what was saved is there.
run_two --set output.folder=killed --set training.steps=100000 --set training.spike=0 \
  >killed.log 2>&1 &
for _ in $(seq 1 300); do
  [[ -e killed/checkpoints/checkpoint-0000000010.minim ]] && break
  sleep 0.1
done
pkill -KILL -n -f -- "--set output.folder=killed --set training.steps=100000" ||
  fail "nothing to kill: $(cat killed.log)"
if wait $!; then fail 'a run without one of its processes came to an end'; fi
ls killed/checkpoints/*.minim >/dev/null
