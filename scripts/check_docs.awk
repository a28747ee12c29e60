# Links and paths in the documentation must resolve. Prints "file:line: rule" for each finding.
#
#   awk -f check_docs.awk TREE FILE.md... FILE.md...
#
# TREE lists every file and folder of the repository, one a line. The pages come twice: the first
# pass collects headings, the second checks links.

function report(rule) { printf "%s:%d: %s\n", FILENAME, FNR, rule }

# The anchor that a heading gets on the usual forges.
function slug(heading) {
  sub(/^#+ +/, "", heading)
  heading = tolower(heading)
  gsub(/[^a-z0-9 _-]/, "", heading)
  gsub(/ /, "-", heading)
  return heading
}

# FOLDER/PATH without "." and "..".
function resolve(folder, path,    parts, count, i, depth, out, result) {
  count = split((path ~ /^\// || folder == "") ? path : folder "/" path, parts, "/")
  depth = 0
  for (i = 1; i <= count; i++) {
    if (parts[i] == "" || parts[i] == ".") continue
    if (parts[i] == "..") {
      if (depth == 0) return "(outside)"
      depth--
    } else out[++depth] = parts[i]
  }
  result = ""
  for (i = 1; i <= depth; i++) result = result (i > 1 ? "/" : "") out[i]
  return result
}

function check_link(target,    path, anchor) {
  if (target ~ /^[a-z]+:/) return
  path = anchor = target
  sub(/#.*/, "", path)
  if (!sub(/^[^#]*#/, "", anchor)) anchor = ""
  path = path == "" ? FILENAME : resolve(folder, path)
  if (!(path in tree)) report("the link to '" target "' leads nowhere")
  else if (anchor != "" && path ~ /\.md$/ && !((path "#" anchor) in anchors)) {
    report("'" path "' has no section '#" anchor "'")
  }
}

function check_links(line) {
  while (match(line, /\]\([^) ]+\)/)) {
    check_link(substr(line, RSTART + 2, RLENGTH - 3))
    line = substr(line, RSTART + RLENGTH)
  }
}

# `src/base/file.h` in backquotes names something that exists; placeholders are in capitals.
function check_paths(line,    path) {
  while (match(line, /`[^`]*`/)) {
    path = substr(line, RSTART + 1, RLENGTH - 2)
    line = substr(line, RSTART + RLENGTH)
    if (path !~ /^(src|tests|scripts|docs|cmake|include|recipes)\/[A-Za-z0-9_.\/-]*$/) continue
    if (path ~ /[A-Z]/ && path !~ /(CMakeLists\.txt|README\.md)$/) continue
    sub(/\/$/, "", path)
    if (!(path in tree)) report("`" path "` does not exist")
  }
}

FILENAME == ARGV[1] {
  tree[$0] = 1
  next
}
FNR == 1 {
  in_fence = 0
  second = FILENAME in seen
  seen[FILENAME] = 1
  folder = FILENAME
  if (!sub(/\/[^\/]*$/, "", folder)) folder = ""
}
/^ *(```|~~~)/ { in_fence = !in_fence; next }
in_fence { next }
!second {
  if ($0 ~ /^#+ /) anchors[FILENAME "#" slug($0)] = 1
  next
}
{
  check_links($0)
  check_paths($0)
}
