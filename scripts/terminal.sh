# Messages of the scripts. All go to stderr, so that stdout is the program's alone.

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  _bold=$'\e[1m' _red=$'\e[31m' _plain=$'\e[0m'
else
  _bold='' _red='' _plain=''
fi

say() { printf '%s==>%s %s\n' "$_bold" "$_plain" "$*" >&2; }

# fail MESSAGE [EXIT_CODE]
fail() {
  printf '%sdev: %s%s\n' "$_red" "$1" "$_plain" >&2
  exit "${2:-1}"
}
