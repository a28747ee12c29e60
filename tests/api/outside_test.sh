# outside_test.sh BUILD SOURCES MAKE_TEST_MODEL CMAKE: installs the library into a folder of its own
# and builds programs of another project with it: by find_package and by pkg-config, with the shared
# library and the static one.
set -euo pipefail
build=$1 sources=$2 make_model=$3 cmake=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix

"$cmake" --install "$build" --component library --prefix "$prefix" >"$folder/log" ||
  { cat "$folder/log"; exit 1; }
"$make_model" "$folder/model.gguf"

"$cmake" -S "$sources" -B "$folder/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$folder/log" &&
  "$cmake" --build "$folder/build" >>"$folder/log" || { cat "$folder/log"; exit 1; }
for program in shared static c; do
  "$folder/build/outside_$program" "$folder/model.gguf"
done

pc=$(find "$prefix" -name minim.pc -printf '%h')
export PKG_CONFIG_PATH=$pc:${PKG_CONFIG_PATH:-}
# The file names the prefix of the build; this one is elsewhere.
flags() { pkg-config --define-variable=prefix="$prefix" "$@"; }
libraries=$(flags --variable=libdir minim)
g++ -std=c++20 "$sources/main.cc" $(flags --cflags --libs minim) -Wl,-rpath,"$libraries" \
  -o "$folder/by_pkg_config"
"$folder/by_pkg_config" "$folder/model.gguf"
mkdir "$folder/archive"
cp "$libraries/libminim.a" "$folder/archive"
# A folder with the archive alone comes first.
g++ -std=c++20 "$sources/main.cc" $(flags --cflags minim) -L"$folder/archive" \
  $(flags --static --libs minim) -o "$folder/by_pkg_config_static"
if readelf -d "$folder/by_pkg_config_static" | grep -q libminim; then
  echo 'the static program needs the shared library' >&2
  exit 1
fi
"$folder/by_pkg_config_static" "$folder/model.gguf"
