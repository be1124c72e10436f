#!/bin/sh
# missing.sh WHAT: in place of a test that could not be built.
. "$(dirname "$0")/../missing.sh"
missing "$1"
