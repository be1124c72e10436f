#!/bin/sh
# alone.sh SOURCE_DIR COMPILER FLAG...: each kernels/loss/NAME.h, included by nothing but a use of what it defines, must
# compile without a warning: NAME as the kernel's, NAME_formula as the formula's half.
set -eu
source=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for header in "$source"/kernels/loss/*.h; do
  name=$(basename "$header" .h)
  printf '#include "%s"\nvoid use(void);\nvoid use(void) { (void)%s; }\n' "$header" "$name" >"$scratch/$name.c"
  printf '#define VLOSS_FORMULA double\n#include "%s"\nvoid use(void);\nvoid use(void) { (void)%s_formula; }\n' \
    "$header" "$name" >"$scratch/${name}_formula.c"
done
set -- "$@" -Wno-unused-function -std=c11 -fsyntax-only -Werror -DVLOSS_ISA=scalar -DVLOSS_ISA_IS_SCALAR \
  "-I$source/kernels" "-I$source/include"
"$@" "$scratch"/*.c
echo "$(ls "$scratch" | wc -l) files"
