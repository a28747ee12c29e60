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
  # The names come back as "g++ installed" or "libfmt-dev:amd64 installed".
  { dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true; } |
    awk -v wanted="${wanted[*]}" '
      $2 == "installed" { have[$1] = 1 }
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

# apt_get ARGUMENTS...: as root, through sudo where this user is not root. Shows what apt says only
# if it fails.
apt_get() {
  local -a as_root=()
  local log="$MINIM_ROOT/build/packages.log"
  if ((EUID != 0)); then
    as_root=(sudo)
    [[ -t 0 ]] || as_root=(sudo -n)
  fi
  mkdir -p "$MINIM_ROOT/build"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    return 1
  }
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
