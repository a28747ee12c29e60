#!/usr/bin/env bash
# Runs other projects' clients against the program: run.sh MINIM CACHE [FILE.test.js...]. Their
# packages are installed once into CACHE, as package-lock.json has them. Exit codes: 0 all as
# expected, 1 not, 77 skipped because the packages cannot be had here.
set -euo pipefail

minim=$(realpath -- "$1")
mkdir -p "$2"
cache=$(realpath -- "$2")
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")"

skip() {
  printf 'skipped: %s\n' "$1"
  exit 77
}

command -v node >/dev/null && command -v npm >/dev/null ||
  skip 'node and npm are not installed (./dev test installs them)'
major=$(node -p 'process.versions.node.split(".")[0]')
((major >= 18)) || skip "node $(node --version) is too old; 18 or newer is needed"

# Each state of the lock file has a folder, which is whole where it has the file "whole".
install_packages() {
  [[ ! -e $packages/whole ]] || return 0
  find "$cache" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
  mkdir "$packages"
  cp package.json package-lock.json "$packages"
  (cd "$packages" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) \
    >"$packages/install.log" 2>&1 || {
    tail -n 20 "$packages/install.log"
    return 1
  }
  touch "$packages/whole"
}

packages=$cache/$(cat package.json package-lock.json | sha256sum | cut -c1-16)
exec 9>"$cache/lock"
flock 9
install_packages || skip 'the packages of the clients cannot be installed; see the lines above'
flock -u 9

# The tests run beside the packages, where they are found.
folder=$(mktemp -d "$packages/run.XXXXXX")
trap 'rm -rf "$folder"' EXIT
[[ $# -gt 0 ]] || set -- *.test.js
cp ./*.js "$folder"
cd "$folder"
MINIM=$minim timeout --kill-after=10 "${MINIM_TEST_TIMEOUT:-540}" node --test "$@"
