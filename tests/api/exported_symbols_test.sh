# exported_symbols_test.sh LIBRARY HEADER...: the library exports what the headers declare, all of
# it and nothing else.
set -euo pipefail
declared=$(grep -ohE 'MINIM_API [^(;]*' "${@:2}" | grep -oE 'minim_[a-z_0-9]+$' | sort)
exported=$(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
diff <(printf '%s\n' "$declared") <(printf '%s\n' "$exported")
[[ $(wc -l <<<"$declared") -ge 40 ]]
