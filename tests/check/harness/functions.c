/* See functions.h: the table, of functions of their own and then of the losses of the registry. */
#include "functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cross_entropy.h"
#include "divergence.h"
#include "log_probs.h"
#include "losses.h"
#include "refusals.h"
#include "softmax.h"
#include "types.h"

/* The class-index options serve nll as well; only cross_entropy has the rest. */
#define INDEX_OPTIONS                                                                                                 \
  {.name = "none", .reduction = VLOSS_NONE},                                                                          \
      {.name = "none, int32", .reduction = VLOSS_NONE, .label_type = VLOSS_I32},                                      \
      {.name = "none, ignore nothing", .reduction = VLOSS_NONE, .ignore = VLOSS_IGNORE_NOTHING},                      \
      {.name = "none, weights", .reduction = VLOSS_NONE, .weights = true},                                            \
      {.name = "none, signed weights", .reduction = VLOSS_NONE, .weights = true, .signed_weights = true},             \
      {.name = "none, upstream", .reduction = VLOSS_NONE, .upstream = true},                                          \
      {.name = "none, weights, unchecked", .reduction = VLOSS_NONE, .weights = true, .flags = VLOSS_UNCHECKED},       \
      {.name = "sum", .reduction = VLOSS_SUM},                                                                        \
      {.name = "sum, signed weights", .reduction = VLOSS_SUM, .weights = true, .signed_weights = true},               \
      {.name = "sum, ignore 0", .reduction = VLOSS_SUM, .ignore = VLOSS_IGNORE_INDEX},                                \
      {.name = "mean", .reduction = VLOSS_MEAN}, {.name = "mean, weights", .reduction = VLOSS_MEAN, .weights = true}, \
      {.name = "mean, ignore 3, int32", .label_type = VLOSS_I32, .ignore_index = 3},                                  \
      {.name = "mean, empty mean 0", .flags = VLOSS_EMPTY_MEAN_ZERO},                                                 \
      {.name = "mean, weights, upstream", .weights = true, .upstream = true}, {                                       \
    .name = "mean, weights, unchecked, int32", .weights = true, .flags = VLOSS_UNCHECKED, .label_type = VLOSS_I32     \
  }

static const struct option nll_options[] = {
    INDEX_OPTIONS,
    {.name = "none, row weights, shift 1", .reduction = VLOSS_NONE, .row_weights = true, .shift = 1},
    {.name = "mean, weights, signed row weights, shift 2, ignore nothing",
     .weights = true,
     .signed_weights = true,
     .row_weights = true,
     .shift = 2,
     .ignore = VLOSS_IGNORE_NOTHING},
};

static const struct option cross_entropy_options[] = {
    INDEX_OPTIONS,
    {.name = "none, smoothing", .reduction = VLOSS_NONE, .smoothing = 0.1},
    {.name = "none, smoothing, weights, upstream",
     .reduction = VLOSS_NONE,
     .smoothing = 0.1,
     .weights = true,
     .upstream = true},
    {.name = "sum, smoothing, signed weights, unchecked",
     .reduction = VLOSS_SUM,
     .smoothing = 0.25,
     .weights = true,
     .signed_weights = true,
     .flags = VLOSS_UNCHECKED},
    {.name = "mean, smoothing, weights, int32", .smoothing = 0.1, .weights = true, .label_type = VLOSS_I32},
    {.name = "mean, smoothing 1", .smoothing = 1},
    {.name = "mean, smoothing 1e-9", .smoothing = 1e-9},
    {.name = "none, targets", .reduction = VLOSS_NONE, .targets = true},
    {.name = "none, targets, upstream", .reduction = VLOSS_NONE, .targets = true, .upstream = true},
    {.name = "sum, targets, signed weights",
     .reduction = VLOSS_SUM,
     .targets = true,
     .weights = true,
     .signed_weights = true},
    {.name = "mean, targets", .targets = true},
    {.name = "mean, targets, weights, int32", .targets = true, .weights = true, .label_type = VLOSS_I32},
    {.name = "mean, targets, smoothing", .targets = true, .smoothing = 0.1},
    {.name = "mean, targets, smoothing, weights, upstream",
     .targets = true,
     .smoothing = 0.1,
     .weights = true,
     .upstream = true},

    {.name = "none, z-loss", .reduction = VLOSS_NONE, .z_loss = 0.01},
    {.name = "mean, z-loss, weights, upstream, row weights",
     .z_loss = 0.5,
     .weights = true,
     .upstream = true,
     .row_weights = true},
    {.name = "sum, z-loss, smoothing, weights, row weights, int32",
     .reduction = VLOSS_SUM,
     .z_loss = 0.03,
     .smoothing = 0.1,
     .weights = true,
     .row_weights = true,
     .label_type = VLOSS_I32},
    {.name = "mean, z-loss, targets, empty mean 0", .z_loss = 0.01, .targets = true, .flags = VLOSS_EMPTY_MEAN_ZERO},
    {.name = "none, row weights, correct, shift 1",
     .reduction = VLOSS_NONE,
     .row_weights = true,
     .correct = true,
     .shift = 1},
    {.name = "mean, z-loss, shift 3, ignore nothing, int32",
     .z_loss = 1e-4,
     .shift = 3,
     .ignore = VLOSS_IGNORE_NOTHING,
     .label_type = VLOSS_I32},
    {.name = "mean, z-loss, weights, row weights, correct, unchecked",
     .z_loss = 0.25,
     .weights = true,
     .row_weights = true,
     .correct = true,
     .flags = VLOSS_UNCHECKED},
    {.name = "none, max and log-sum, correct", .reduction = VLOSS_NONE, .log_sums = true, .correct = true},
    {.name = "none, scale 0.7, upstream", .reduction = VLOSS_NONE, .scale = 0.7, .upstream = true},
    {.name = "mean, scale 3, smoothing, weights, correct, shift 1",
     .scale = 3,
     .smoothing = 0.1,
     .weights = true,
     .correct = true,
     .shift = 1},
    {.name = "none, softcap 30, scale 1.3, z-loss, weights, upstream",
     .reduction = VLOSS_NONE,
     .scale = 1.3,
     .softcap = 30,
     .z_loss = 0.01,
     .weights = true,
     .upstream = true},
    {.name = "mean, softcap 5, smoothing, row weights, max and log-sum",
     .softcap = 5,
     .smoothing = 0.1,
     .row_weights = true,
     .log_sums = true},
    {.name = "none, softcap 10, targets, row weights",
     .reduction = VLOSS_NONE,
     .softcap = 10,
     .targets = true,
     .row_weights = true},
    {.name = "none, targets, gradient of targets, weights, upstream",
     .reduction = VLOSS_NONE,
     .targets = true,
     .grad_targets = true,
     .weights = true,
     .signed_weights = true,
     .upstream = true},
    {.name = "mean, targets, gradient of targets, scale 0.7, softcap 20, smoothing, z-loss, row weights",
     .targets = true,
     .grad_targets = true,
     .scale = 0.7,
     .softcap = 20,
     .smoothing = 0.1,
     .z_loss = 0.01,
     .row_weights = true,
     .log_sums = true},
};

static const struct option log_probs_options[] = {
    {.name = "an id, upstream", .reduction = VLOSS_NONE, .ids = 1, .upstream = true},
    {.name = "3 ids, int32, top 5, all upstreams",
     .reduction = VLOSS_NONE,
     .ids = 3,
     .label_type = VLOSS_I32,
     .top = 5,
     .upstream = true,
     .row_upstreams = true},
    {.name = "top 600", .reduction = VLOSS_NONE, .top = 600},
    {.name = "150 ids, ignore nothing, upstream",
     .reduction = VLOSS_NONE,
     .ids = 150,
     .ignore = VLOSS_IGNORE_NOTHING,
     .upstream = true},
    {.name = "2 ids, top 20, unchecked",
     .reduction = VLOSS_NONE,
     .ids = 2,
     .top = 20,
     .flags = VLOSS_UNCHECKED,
     .upstream = true},
    {.name = "entropy and lse, upstreams", .reduction = VLOSS_NONE, .row_upstreams = true},
    {.name = "an id, scale 0.7, top 3, all upstreams",
     .reduction = VLOSS_NONE,
     .ids = 1,
     .scale = 0.7,
     .top = 3,
     .upstream = true,
     .row_upstreams = true},
    {.name = "2 ids, scale 1.3, softcap 30, all upstreams",
     .reduction = VLOSS_NONE,
     .ids = 2,
     .scale = 1.3,
     .softcap = 30,
     .upstream = true,
     .row_upstreams = true},
};

static const struct option divergence_options[] = {
    {.name = "forward, none", .reduction = VLOSS_NONE},
    {.name = "forward, mean, scale 0.5, ignored, upstream", .scale = 0.5, .some_ignored = true, .upstream = true},
    {.name = "reverse, none, upstream", .divergence = VLOSS_REVERSE_KL, .reduction = VLOSS_NONE, .upstream = true},
    {.name = "reverse, sum, ignored, int32",
     .divergence = VLOSS_REVERSE_KL,
     .reduction = VLOSS_SUM,
     .some_ignored = true,
     .label_type = VLOSS_I32},
    {.name = "JSD, none", .divergence = VLOSS_JSD, .reduction = VLOSS_NONE},
    {.name = "JSD 0.1, mean, scale 2, upstream", .divergence = VLOSS_JSD, .beta = 0.1, .scale = 2, .upstream = true},
    {.name = "variation, none, upstream",
     .divergence = VLOSS_TOTAL_VARIATION,
     .reduction = VLOSS_NONE,
     .upstream = true},
    {.name = "variation, mean, ignored", .divergence = VLOSS_TOTAL_VARIATION, .some_ignored = true},
};

static const struct option no_options[] = {{.name = ""}};

#define OPTIONS(list) .options = list, .option_count = sizeof list / sizeof *list
#define FUNCTION(function)                                                                          \
#function, .describe = function##_describe, .call = function##_call, .expect = function##_expect, \
             .refuse = function##_refuse

static const struct function own_functions[] = {
    {FUNCTION(cross_entropy), OPTIONS(cross_entropy_options), .doubles = true},
    {FUNCTION(nll), OPTIONS(nll_options), .doubles = true},
    {FUNCTION(softmax), OPTIONS(no_options), .doubles = true},
    {FUNCTION(log_softmax), OPTIONS(no_options), .doubles = true},
    {FUNCTION(log_sum_exp), OPTIONS(no_options), .doubles = true},
    {FUNCTION(softmax_backward), OPTIONS(no_options), .doubles = true},
    {FUNCTION(log_softmax_backward), OPTIONS(no_options), .doubles = true},
    {FUNCTION(log_probs), OPTIONS(log_probs_options), .doubles = true},
    {FUNCTION(divergence), OPTIONS(divergence_options), .doubles = true},
};

const struct function *functions;
size_t function_count;

void functions_collect(void) {
  const size_t own = sizeof own_functions / sizeof *own_functions;
  static struct function all[sizeof own_functions / sizeof *own_functions + MAX_LOSSES];
  memcpy(all, own_functions, sizeof own_functions);
  function_count = own + losses_collect(all + own);
  functions = all;
}

vloss_status type_status(vloss_type type) {
  double loss;
  const vloss_loss_args args = type_question(type, &loss);
  if (!library->loss_sized) return type == VLOSS_F64 ? VLOSS_ERROR_TYPE : VLOSS_OK; /* others' functions take floats */
  return library->loss_sized(&args, sizeof args);
}
