#!/usr/bin/env bash
# The service's unit: no unknown setting in it, and little that it may do. Skipped without systemd.
set -uo pipefail

packaging=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../packaging" && pwd)
command -v systemd-analyze >/dev/null || exit 77
report=$(systemd-analyze security --offline=yes --threshold=20 "$packaging/minim.service" 2>&1)
status=$?
if ((status != 0)) || grep -qiE 'unknown|failed to parse|ignoring' <<<"$report"; then
  printf '%s\n' "$report"
  exit 1
fi
for script in postinst prerm postrm; do
  sh -n "$packaging/debian/$script" || exit 1
done
