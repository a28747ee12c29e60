# ./dev run: builds minim and lets a model write.
set -euo pipefail
for part in terminal packages build; do . "$MINIM_ROOT/scripts/$part.sh"; done

readonly kStory=(--raw 'Once upon a time')
minim="$MINIM_ROOT/build/release/src/cli/minim"

# The first argument is a model where such a file or folder exists, else the prompt begins.
model=${MINIM_MODEL:-nano}
arguments=("$@")
if [[ $# -eq 0 ]]; then
  arguments=("$model" "${kStory[@]}")
elif [[ $1 != -* && ! -e $1 ]]; then
  arguments=("$model" "$@")
elif [[ $1 == -* && $1 != --help && $1 != -h ]]; then
  arguments=("$model" "${kStory[@]}" "$@")
fi
if [[ ${arguments[0]} == "$model" && $model != nano && ! -e $model ]]; then
  fail "no model at $model
MINIM_MODEL names it. Name another one, ./dev run MODEL.gguf [PROMPT], or unset MINIM_MODEL to take
the one that is built in."
fi

need_packages build 'building minim'
build release minim
exec "$minim" run "${arguments[@]}"
