# Sourced by tests. commands_of PAGE HEADING: the commands of that section of a page, which are its indented lines.
commands_of() {
  awk -v heading="$2" '/^#/ { here = $0 == heading } here && /^    / { print substr($0, 5) }' "$1" | grep . || {
    echo "FAIL: $1 has no commands below \"$2\"" >&2
    exit 1
  }
}
