# examples_test.sh FOLDER MAKE_TEST_MODEL: runs every example, with the story model of the data
# folder where it is there, else with random weights.
set -euo pipefail
examples=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$2" "$folder/random.gguf"
stories=${MINIM_DATA:-$(dirname "$0")/../../shared/data}/weights/stories260K/stories260K.bin
model=$folder/random.gguf
if [[ -e $stories ]]; then model=$stories; fi

fail() {
  printf 'examples: %s\n' "$1" >&2
  exit 1
}
# A story that is told again, in parts, in parallel, and in C, is the same.
whole=$("$examples/story" "$model" 'Once upon a time')
parallel=$("$examples/parallel" "$model" 'Once upon a time' 'The cat' | head -n 1)
first=$("$examples/resume" "$model" "$folder/session" 'Once upon a time')
second=$("$examples/resume" "$model" "$folder/session")
if [[ $model == "$stories" ]]; then
  [[ $parallel == "Once upon a time, there was a little girl named Lily."* ]] || fail "$parallel"
  [[ $whole == "${parallel#Once upon a time}"* ]] || fail "$whole is not $parallel"
  [[ $whole == "$first$second"* ]] || fail "$whole is not $first$second"
fi
nearest=$("$examples/embeddings" "$model" 'the cat' 'a dog' 'the cat' 'some car' | head -n 1)
[[ $nearest == *'  the cat' ]] || fail "the nearest is $nearest"
answers=$(printf 'hello\nand?\n' | "$examples/chat" "$folder/random.gguf")
[[ $(grep -c '^> ' <<<"$answers") -ge 1 && $answers == *'> ' ]] || fail "chat said $answers"
for from in "$folder/random.gguf" "$model"; do
  person=$("$examples/extract" "$from" 'Ann, 31, called from 555-0100 about her order.')
  [[ $person == '{"name": "'*'", "age": '*', "role": "'*'", "contacts": ['*']}' ]] || fail "$person"
done
if "$examples/story" "$folder/absent" x >/dev/null 2>"$folder/error"; then fail 'no error'; fi
grep -q '^story: .*absent' "$folder/error" || fail "$(cat "$folder/error")"
