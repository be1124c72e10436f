#!/bin/sh
# recipes_page.sh RECIPES.C PAGE: the page quotes every recipe to the letter, each behind a heading of its name.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^\/\* recipe: / { sub(/^\/\* recipe: /, ""); sub(/ \*\/$/, ""); print "## " $0; print "```c"; quoting = 1; next }
  /^\/\* end \*\/$/ { print "```"; quoting = 0 }
  quoting' "$1" >"$work/recipes"
awk '/^## / { heading = $0 } /^```c$/ { print heading; quoting = 1 } quoting { print } /^```$/ { quoting = 0 }' "$2" \
  >"$work/quoted"
[ -s "$work/recipes" ] || {
  echo "no recipe found in $1"
  exit 1
}
diff -u "$work/recipes" "$work/quoted" || {
  echo "the recipes of $1 (-) and those of $2 (+) differ"
  exit 1
}
echo "$(grep -c '^## ' "$work/recipes") recipes are those of the page"
