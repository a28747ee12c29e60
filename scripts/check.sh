# ./dev check [ROOT]: the project's rules. Each finding is one line, file:line: rule.
set -euo pipefail
for part in terminal packages; do . "$MINIM_ROOT/scripts/$part.sh"; done

need_packages check 'checking the formatting'
cd "${1:-$MINIM_ROOT}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

find . \( -path ./build -o -name .git -o -path ./models/local \) -prune -o -print |
  sed 's|^\./||' | sort >"$scratch/tree"

# Own sources; golden values, fuzz seeds and recorded replies are data.
names='\.(h|hpp|c|cc|m?js|sh|awk|cmake|py|md)|/?CMakeLists\.txt|^dev|^\.ci/run|scripts/[a-z]+\.txt'
grep -E "($names)\$" "$scratch/tree" | grep -vE '^tests/(golden|fuzz)/.*\.(txt|md)$' \
  >"$scratch/sources"
grep -E '\.(h|hpp|c|cc)$' "$scratch/sources" >"$scratch/cxx" || true
grep -E '\.md$' "$scratch/sources" >"$scratch/pages" || true

check_rules() {
  xargs -d '\n' env LC_ALL=C awk -f "$MINIM_ROOT/scripts/check_sources.awk" \
    "$MINIM_ROOT/scripts/rooms.txt" <"$scratch/sources"
}

check_docs() {
  [[ -s $scratch/pages ]] || return 0
  cat "$scratch/pages" "$scratch/pages" |
    xargs -d '\n' env LC_ALL=C awk -f "$MINIM_ROOT/scripts/check_docs.awk" "$scratch/tree"
}

# One line a file: the first place where the formatter would change something.
check_formatting() {
  xargs -r -d '\n' -P "$(nproc)" -n 8 clang-format-14 --style=file --dry-run <"$scratch/cxx" 2>&1 |
    awk -F: '/clang-format-violations/ && !seen[$1]++ {
      printf "%s:%d: not formatted (./dev format)\n", $1, $2
    }'
}

# A fuzz target without seeds starts blind, and seeds without a target rot.
check_fuzz_seeds() {
  local source target folder
  while read -r source; do
    target=$(basename "$source" .cc)
    grep -q "^tests/fuzz/$target/" "$scratch/tree" ||
      printf '%s:1: no seeds in tests/fuzz/%s/\n' "$source" "$target"
  done < <(grep -E '^src/.*_fuzz\.cc$' "$scratch/tree" || true)
  while read -r folder; do
    grep -q "^src/.*/${folder#tests/fuzz/}\.cc$" "$scratch/tree" ||
      printf '%s:1: seeds without a fuzz target of this name\n' "$folder"
  done < <(grep -E '^tests/fuzz/[a-z0-9_]+$' "$scratch/tree" || true)
}

check_formatting >"$scratch/formatting" &
formatting=$!
{
  check_rules
  check_docs
  check_fuzz_seeds
} >"$scratch/findings"
wait "$formatting"

findings=$(sort -t: -k1,1 -k2,2n "$scratch/findings" "$scratch/formatting")
if [[ -n $findings ]]; then
  printf '%s\n' "$findings"
  fail "$(wc -l <<<"$findings") findings in $(wc -l <"$scratch/sources") files"
fi
say "rules: no findings in $(wc -l <"$scratch/sources") files"
