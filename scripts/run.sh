# ./dev run: builds minim and lets a model write.
set -euo pipefail
for part in terminal packages build; do . "$MINIM_ROOT/scripts/$part.sh"; done

readonly kPrompt='Once upon a time'
minim="$MINIM_ROOT/build/release/src/cli/minim"

data=${MINIM_DATA:-$MINIM_ROOT/../shared/data}
model=${MINIM_MODEL:-$data/weights/stories260K/stories260K.bin}

# The first argument is a model where such a file or folder exists, else the prompt begins.
arguments=("$@")
if [[ $# -eq 0 ]]; then
  arguments=("$model" "$kPrompt")
elif [[ $1 != -* && ! -e $1 ]]; then
  arguments=("$model" "$@")
elif [[ $1 == -* && $1 != --help && $1 != -h ]]; then
  arguments=("$model" "$kPrompt" "$@")
fi
if [[ ${arguments[0]} == "$model" && ! -e $model ]]; then
  fail "no model at $model
Name one: ./dev run MODEL.gguf [PROMPT], or set MINIM_MODEL, or set MINIM_DATA to the data folder
that holds weights/stories260K/stories260K.bin."
fi

need_packages build 'building minim'
build release minim
exec "$minim" run "${arguments[@]}"
