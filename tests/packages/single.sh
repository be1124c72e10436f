#!/bin/sh
# single.sh SOURCE WORK CC [FLAG...]: makes WORK/vloss.o by the documented commands (docs/building.md, "As two files"),
# with those flags. With -fsyntax-only, which takes seconds, it is only seen whether the two files have any errors.
set -eu
. "$(dirname "$0")/../missing.sh"
. "$(dirname "$0")/section.sh"
source=$1 work=$2 compiler=$3
shift 3
flags=$*
for tool in python3 ctags unifdef; do
  command -v $tool >/dev/null || missing "no $tool"
done
mkdir -p "$work"
cd "$work"
ln -sfn "$source/tools" tools
commands=$(commands_of "$source/docs/building.md" '## As two files')
echo "$commands" | grep -qx 'cc -O2 -c build/single/vloss.c' || {
  echo "FAIL: the page has other commands: $commands"
  exit 1
}
cc() {
  "$compiler" $flags "$@"
}
eval "$commands"
