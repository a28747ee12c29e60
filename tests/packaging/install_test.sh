#!/usr/bin/env bash
# Installs the Debian package on a copy of this system that is thrown away, under a systemd of its
# own, and uses the service as its user would. Skipped where that cannot be done: it takes root, the
# namespaces of Linux, systemd, and what ./dev package needs.
#   bash install_test.sh BUILD-FOLDER
set -euo pipefail

build=$(realpath -- "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
  printf 'skipped: %s\n' "$1"
  exit 77
}

for tool in unshare pivot_root systemctl systemd-sysusers curl fakeroot dpkg-shlibdeps; do
  command -v "$tool" >/dev/null || skip "there is no $tool"
done
unshare --mount --pid --fork --uts --ipc --net true 2>/dev/null ||
  skip 'this user cannot make namespaces; run it as root'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cpack --config "$build/CPackConfig.cmake" -B "$folder/package" >"$folder/package.log" || {
  cat "$folder/package.log"
  exit 1
}
mkdir "$folder/top" "$folder/out"
mv "$folder"/package/*.deb "$folder/out/minim.deb"
cp "$here/installed_test.sh" "$folder/out"
cp "$here/../../models/pico.gguf" "$folder/out/own.gguf"

# Within the namespaces: this system with an upper layer in memory as the root.
cat >"$folder/boot.sh" <<'BOOT'
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/top"
mkdir "$1/top/upper" "$1/top/work" "$1/top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/top/upper,workdir=$1/top/work" "$1/top/root"
cd "$1/top/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
for place in run tmp; do mount -t tmpfs tmpfs "$place"; done
mkdir -p out old
mount --bind "$1/out" out
rm -rf etc/systemd/system/*.wants
cat >etc/systemd/system/try-package.service <<'UNIT'
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash /out/installed_test.sh /out
StandardOutput=append:/out/log
StandardError=append:/out/log
UNIT
pivot_root . old
umount -l old
export container=lxc
exec /lib/systemd/systemd --unit=try-package.service --log-target=null --show-status=no
BOOT
# Whether it worked is what the test within leaves behind: systemd ends with 0 either way.
timeout 120 unshare --kill-child --mount --pid --fork --uts --ipc --net \
  bash "$folder/boot.sh" "$folder" >"$folder/boot.log" 2>&1 || true
[[ -e $folder/out/log ]] || {
  cat "$folder/boot.log"
  skip 'systemd does not start in namespaces here; see the lines above'
}
[[ -e $folder/out/passed ]] || {
  cat "$folder/out/log"
  exit 1
}
