#!/bin/sh
# training_types.sh PROGRAM: logits in bf16, with weights in f32, train as well as logits in f32: the same accuracy
# within 0.3 points. f16 is not asked for that: gradients of a batch below 6e-8 are lost in it, unless the loss is
# scaled.
set -eu

# The test accuracy after the last epoch.
accuracy() { "$@" | sed -n 's/^ *[0-9][0-9]* .* \([0-9.]*\)% .*/\1/p' | tail -n 1; }

for model in "softmax" "network --epochs 4"; do
  # shellcheck disable=SC2086 # a model and its options
  single=$(accuracy "$1" --model $model) half=$(accuracy "$1" --model $model --type bf16)
  echo "$model: f32 $single%, bf16 $half%"
  awk -v a="$single" -v b="$half" 'BEGIN { d = a - b; exit !(a > 80 && d < 0.3 && d > -0.3) }' || {
    echo "FAIL: more than 0.3 points apart"
    exit 1
  }
done
