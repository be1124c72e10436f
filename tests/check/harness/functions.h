/* The functions under test, one entry each: what they are called, with which options, how a job for them is made, run
 * and computed by the reference. Everything else in this folder works from this table alone. */
#ifndef VLOSS_TESTS_CHECK_FUNCTIONS_H
#define VLOSS_TESTS_CHECK_FUNCTIONS_H

#include "job.h"
#include "library.h"
#include "loss_row.h"

/* One combination of the options of a function. */
struct option {
  const char *name;
  vloss_reduction reduction;
  vloss_label_type label_type;
  vloss_ignore ignore;
  int64_t ignore_index;
  double smoothing;
  uint32_t flags;
  bool targets, weights, signed_weights, upstream;

  /* of log_probs */
  size_t ids, top;
  double scale, softcap;
  bool row_upstreams; /* of the entropy and of lse */

  /* of cross_entropy, with scale and softcap */
  double z_loss;
  bool row_weights, correct, log_sums, grad_targets; /* log_sums: with max */
  size_t shift;

  /* of divergence */
  vloss_divergence_kind divergence;
  double beta;
  bool some_ignored; /* by labels */

  /* of the losses of the registry */
  vloss_spread weights_spread, other_spread;
  bool other; /* given, where it may be left out */
  double parameters[4];
  size_t parameter_count;
};

struct refusals; /* see refusals.h */

struct function {
  const char *name;
  const struct option *options;
  size_t option_count;
  void (*describe)(struct job *job, struct random *r);
  vloss_status (*call)(const struct job *job);
  void (*expect)(struct job *job);
  void (*refuse)(struct refusals *refusals);

  const struct vloss_loss_row *loss; /* a loss of the registry; null: a function of its own */
  bool doubles;                      /* computes doubles, where the library was built with SLEEF */
  bool flat_rows;                    /* there is no inner axis */
  bool first_of_family;              /* of losses that share their loop */
};

/* functions_collect makes the table: the functions with a place of their own, and one for each loss of the registry
 * that vloss_loss computes. It does not return if a loss has no row in losses.c. */
extern const struct function *functions;
extern size_t function_count;
void functions_collect(void);

/* What the library answers to a loss of that type here: VLOSS_OK, or why not. */
vloss_status type_status(vloss_type type);

#endif
