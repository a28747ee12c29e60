# ./dev package: a Debian package of the program and its service, in build/package.
set -euo pipefail
for part in terminal packages build; do . "$MINIM_ROOT/scripts/$part.sh"; done

need_packages build 'building minim'
need_packages package 'making a Debian package'
build release minim
folder="$MINIM_ROOT/build/package"
mkdir -p "$folder"
cpack --config "$MINIM_ROOT/build/release/CPackConfig.cmake" -B "$folder" >"$folder/log" ||
  { cat "$folder/log"; fail 'cpack failed'; }
sed -nE "s|^CPack: - package: (.*) generated.*|\1|p" "$folder/log"
