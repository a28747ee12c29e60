# Installs the Debian packages of a group that are missing; says what it does.

# Names of the packages of GROUP that are not installed, one a line.
missing_packages() {
  local -a wanted
  mapfile -t wanted < <(awk -v group="$1" '$1 == group { print $2 }' \
    "$MINIM_ROOT/scripts/packages.txt")
  if ! command -v dpkg-query >/dev/null; then
    printf '%s\n' "${wanted[@]}"
    return
  fi
  # A package of another architecture is wanted by its full name, "libfmt-dev:arm64".
  { dpkg-query -W -f='${Package} ${Architecture} ${db:Status-Status}\n' "${wanted[@]}" \
    2>/dev/null || true; } |
    awk -v native="$(dpkg --print-architecture)" -v wanted="${wanted[*]}" '
      $3 == "installed" {
        have[$1 ":" $2] = 1
        if ($2 == native || $2 == "all") have[$1] = 1
      }
      END {
        count = split(wanted, names, " ")
        for (i = 1; i <= count; i++) if (!(names[i] in have)) print names[i]
      }'
}

# The system's name where it is not the one whose packages are listed.
other_system() {
  local ID='' VERSION_ID='' PRETTY_NAME='an unknown system'
  # shellcheck disable=SC1091
  [[ -r /etc/os-release ]] && . /etc/os-release
  [[ $ID == debian && $VERSION_ID == 12 ]] || printf '%s' "$PRETTY_NAME"
}

# as_root COMMAND...: through sudo where this user is not root.
as_root() {
  local -a sudo=()
  if ((EUID != 0)); then
    sudo=(sudo)
    [[ -t 0 ]] || sudo=(sudo -n)
  fi
  "${sudo[@]}" "$@"
}

# apt_get ARGUMENTS...: shows what apt says only if it fails.
apt_get() {
  local log="$MINIM_ROOT/build/packages.log"
  mkdir -p "$MINIM_ROOT/build"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    return 1
  }
}

# Lets dpkg install packages of the architectures that the names given ask for.
add_architectures() {
  local package architecture
  for package in "$@"; do
    [[ $package == *:* ]] || continue
    architecture=${package#*:}
    ! dpkg --print-foreign-architectures | grep -qx "$architecture" || continue
    say "dpkg --add-architecture $architecture (for packages to build for it)"
    as_root dpkg --add-architecture "$architecture"
  done
}

# True where apt knows every one of the packages, that is where no `apt-get update` is needed.
apt_knows() {
  local package
  for package in "$@"; do
    apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]' || return 1
  done
}

# need_packages GROUP REASON: leaves with all of GROUP installed, or ends the program.
need_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages "$1")
  [[ ${#missing[@]} -eq 0 || ${MINIM_PACKAGES:-} == present ]] && return

  local install="apt-get install --no-install-recommends ${missing[*]}"
  local other
  other=$(other_system)
  if [[ -n $other ]]; then
    fail "$2 needs: ${missing[*]}
These are packages of Debian 12; this is $other. Install what matches them here and set
MINIM_PACKAGES=present, or work in a Debian 12 container."
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    fail "$2 needs packages that only root can install. As root: $install"
  fi

  say "$2 needs ${#missing[@]} Debian packages: ${missing[*]}"
  add_architectures "${missing[@]}"
  if ! apt_knows "${missing[@]}"; then
    say "apt-get update (the package lists are missing or old)"
    apt_get update || fail "apt-get update failed; see the lines above, then try: $install"
  fi
  say "$install"
  if ! apt_get install -y --no-install-recommends "${missing[@]}"; then
    say "once more with fresh package lists: apt-get update"
    { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } ||
      fail "the installation failed; see the lines above, then try: $install"
  fi
  mapfile -t missing < <(missing_packages "$1")
  [[ ${#missing[@]} -eq 0 ]] || fail "still missing after the installation: ${missing[*]}"
}

# need_node REASON: node and npm, from wherever they are.
need_node() {
  command -v node >/dev/null && command -v npm >/dev/null || need_packages clients "$1"
}
