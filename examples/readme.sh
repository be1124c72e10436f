#!/bin/sh
# readme.sh DIRECTORY: the README quotes minimal.c to the letter, but for its first line.
set -eu
cd "$1"
quoted=$(sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d')
program=$(sed 1d examples/minimal.c)
if [ "$quoted" != "$program" ]; then
  echo "README.md and examples/minimal.c differ" >&2
  exit 1
fi
