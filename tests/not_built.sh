#!/bin/sh
# not_built.sh WHY: in place of a test that could not be built.
. "$(dirname "$0")/missing.sh"
missing "$1"
