# Run by install_test.sh as root of a system that is thrown away: installs FOLDER/minim.deb, uses
# the service, and removes it again. Leaves FOLDER/passed where all was as it should be.
set -euxo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

folder=$1
trap 'systemctl status minim --no-pager --full || true' ERR
readonly address=http://127.0.0.1:8080

ask() { curl --silent --show-error --fail --max-time 20 "$@"; }
# Until the service answers.
await() {
  for _ in $(seq 100); do
    ask "$address/health" && return
    sleep 0.1
  done
  return 1
}

dpkg --install "$folder/minim.deb"
[[ $(systemctl is-enabled minim || true) == disabled ]] # whoever wants it starts it
systemctl start minim
await
ask "$address/v1/chat/completions" \
  --data '{"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 8}' |
  grep --quiet '"completion_tokens":8'
[[ $(ps -o user= -p "$(systemctl show --property MainPID --value minim)") == minim ]]

# For others, with a key, as /etc/default/minim says; and a model of its owner's.
install --owner minim --group minim --mode 0640 "$folder/own.gguf" /var/lib/minim/models
key=$(runuser -u minim -- minim serve --keys /var/lib/minim/keys --new-key ann)
sed -i 's|^#\(MINIM_SERVE_ARGUMENTS=\)|\1|' /etc/default/minim
systemctl restart minim
await
as_ann=(--header "Authorization: Bearer $key")
ask "${as_ann[@]}" "$address/v1/models" | grep --quiet '"id":"own"'
[[ $(curl --silent "$address/v1/models") == *'"error"'* ]]

# What is kept outlives a reload and a new start.
printf '{"a": 1}\n' >/tmp/kept.jsonl
file=$(ask "${as_ann[@]}" "$address/v1/files" --form purpose=batch --form file=@/tmp/kept.jsonl |
  sed -E 's/.*"id":"([^"]+)".*/\1/')
systemctl reload minim
[[ $(systemctl is-active minim) == active ]]
systemctl restart minim
await
[[ $(ask "${as_ann[@]}" "$address/v1/files/$file/content") == '{"a": 1}' ]]

# It ends when it is told to, and was not killed.
systemctl stop minim
[[ $(systemctl show --property Result --value minim) == success ]]
systemctl enable --now minim
dpkg --remove minim
[[ $(systemctl is-active minim || true) == inactive ]]
[[ -d /var/lib/minim/models ]]
dpkg --purge minim
[[ ! -e /var/lib/minim ]]
touch "$folder/passed"
