# ./dev format: formats the C++ sources in place.
set -euo pipefail
for part in terminal packages; do . "$MINIM_ROOT/scripts/$part.sh"; done

need_packages check 'formatting'
cd "$MINIM_ROOT"
mapfile -d '' -t sources < <(find src include tests examples bindings bench -type f \
  \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cc' \) -print0 2>/dev/null)
before=$(cat -- "${sources[@]}" | cksum)
printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 16 clang-format-14 -i --style=file
after=$(cat -- "${sources[@]}" | cksum)
[[ $before == "$after" ]] && say "${#sources[@]} files, all formatted already" ||
  say "${#sources[@]} files formatted; see git diff"
