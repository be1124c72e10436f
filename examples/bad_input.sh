#!/bin/sh
# Feeds an example wrong options and wrong data: each must be refused with the message that says what is wrong.
# usage: bad_input.sh perplexity|training|linear|linear_cross_entropy PROGRAM
set -eu

program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
cases=0
skipped=

# refused MESSAGE ARGUMENT... : the program must exit with 1 and print MESSAGE, a pattern of grep -E.
refused() {
  message=$1
  shift
  cases=$((cases + 1))
  status=0
  "$program" "$@" >"$work/output" 2>&1 || status=$?
  if [ "$status" -ne 1 ] || ! grep -qE -e "$message" "$work/output"; then
    echo "FAILED: $* gave status $status, wanted 1 and \"$message\"; it printed:"
    cat "$work/output"
    failed=$((failed + 1))
  fi
}

# isa_refused NAME: VLOSS_ISA of that name must be refused with a message that names it.
isa_refused() {
  VLOSS_ISA=$1
  export VLOSS_ISA
  refused "error: vloss: .*$1"
  unset VLOSS_ISA
}

refused 'unknown option --nonsense' --nonsense
isa_refused sse9

case $1 in
perplexity)
  echo 'In the beginning' >"$work/text"
  refused '--tokens wants a whole number' --tokens -3
  refused '--tokens wants a whole number' --tokens 5x
  refused '--tokens needs a value' --tokens
  refused '--type wants f32, f64, f16 or bf16' --type f8
  refused '--type needs a value' --type
  refused 'cannot read the model .*/none' --text "$work/text" --model "$work/none"
  refused 'not a language model' --text "$work/text" --model "$work/text"
  refused 'cannot open .*/none' --text "$work/none"
  model=/usr/share/pocketsphinx/model/en-us/en-us.lm.bin
  if ! [ -e "$model" ]; then
    skipped="no $model here: install the package pocketsphinx-en-us"
  else
    for size in 1000 1000000 26600000 27000000 27114384; do
      head -c "$size" "$model" >"$work/short"
      refused 'short is cut short or damaged' --text "$work/text" --model "$work/short"
    done
    : >"$work/empty"
    refused 'no word that the model knows' --text "$work/empty"
    echo 'Zzzzq 12 !!' >"$work/unknown"
    refused 'no word that the model knows' --text "$work/unknown"
  fi
  ;;
linear_cross_entropy)
  refused '--rows wants a whole number' --rows 0
  refused '--classes wants a whole number' --classes 2e4
  refused '--width needs a value' --width
  refused 'more than an example should hold' --rows 1000000000 --width 1000000000
  ;;
linear)
  refused '--loss wants' --loss focal
  refused '--epochs wants a whole number' --epochs 0
  for classes in 6 6,6 0,10 0,x a,6 0,6,7 ''; do
    refused '--classes wants two different numbers' --classes "$classes"
  done
  refused 'cannot read .*/none/train-images' --data "$work/none"
  ;;
training)
  data=/usr/share/datasets/fashion-mnist
  refused '--model wants' --model forest
  refused '--type wants f32, f64, f16 or bf16' --type half
  refused '--type wants f32, bf16 or f16 here' --type f64
  refused '--epochs wants a whole number' --epochs 0
  refused 'cannot read .*/none/train-images' --data "$work/none"
  if ! [ -e "$data" ]; then
    skipped="no $data here: install the package dataset-fashion-mnist"
  else
    # The smallest file stands for all: it is read last.
    ln -s "$data"/*.gz "$work"
    file=t10k-labels-idx1-ubyte.gz
    gzip -dc "$data/$file" >"$work/labels"
    replace() {
      rm -f "$work/$file"
      cat >"$work/$file"
    }
    head -c 3000 "$data/$file" | replace
    refused "$file: cut short or damaged" --data "$work"
    : | replace
    refused "$file: too short" --data "$work"
    head -c 9000 "$work/labels" | gzip | replace
    refused "$file: cut short or damaged" --data "$work"
    { cat "$work/labels"; echo; } | gzip | replace
    refused "$file: damaged, or data after" --data "$work"
    { head -c 5000 "$data/$file"; head -c 125 /dev/zero; } | replace
    refused "$file: (cut short or )?damaged" --data "$work"
    echo 'no data at all' | replace
    refused "$file: begins with 6e6f2064, not with 00000801" --data "$work"
    replace <"$data/t10k-images-idx3-ubyte.gz"
    refused "$file: begins with 00000803" --data "$work"
    replace <"$data/train-labels-idx1-ubyte.gz"
    refused "$file: axis 0 has 60000 entries, not 10000" --data "$work"
    { head -c 10007 "$work/labels"; printf '\012'; } | gzip | replace
    refused "$file: label 10 at entry 9999" --data "$work"
  fi
  ;;
esac

echo "$1: $((cases - failed)) of $cases wrong inputs refused as they should be"
[ "$failed" -eq 0 ] || exit 1
if [ -n "$skipped" ]; then
  echo "SKIP: the other wrong inputs: $skipped"
  exit 77
fi
