# abi_test.sh ABI_TEST LIBRARY MAKE_TEST_MODEL: a model generated through dlopen().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$3" "$folder/model.gguf"
"$1" "$2" "$folder/model.gguf"
