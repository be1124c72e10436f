/* A call while its argument struct is filled: bind.c fills, call.c runs and tells what went wrong. */
#ifndef VLOSS_PYTHON_CALL_H
#define VLOSS_PYTHON_CALL_H

#include "function.h"

enum { MAX_PARAMETERS = 4, MAX_NUMBERS = 4 };

struct number {
  union {
    float single;
    double twice;
  };
};

struct call {
  const struct function *function;
  PyObject *const *given;
  union {
    char bytes[512]; /* of any of them */
    vloss_cross_entropy_args cross_entropy;
    vloss_softmax_args softmax;
    vloss_log_probs_args log_probs;
    vloss_divergence_args divergence;
    vloss_loss_args loss;
  } args;

  bool bits, elementwise;
  enum element type, values, label; /* label: OTHER while nothing has told it */
  int axis;
  struct shape full, rows, ids, top, loss;
  size_t elements;

  double parameters[MAX_PARAMETERS];
  struct number numbers[MAX_NUMBERS]; /* weights and upstreams that are numbers, losses that become one */
  int numbers_used;
  vloss_executor executor;
  size_t bad;

  struct array arrays[MAX_FIELDS];
  int held;
  int array_of[MAX_FIELDS];      /* the array of each field; -1 */
  PyObject *results[MAX_FIELDS]; /* of outputs, owned; null where a number or nothing is wanted */
  int number_of[MAX_FIELDS];     /* the number of an output that is one; -1 */
};

_Static_assert(sizeof(vloss_cross_entropy_args) <= 512 && sizeof(vloss_loss_args) <= 512 &&
                   sizeof(vloss_log_probs_args) <= 512 && sizeof(vloss_divergence_args) <= 512,
               "bytes of struct call");

/* False with an exception set. */
bool call_bind(struct call *call);

static inline const char *call_name_of(const struct call *call, int field) {
  const char *name = call->function->name_of[field];
  return name ? name : call->function->family->fields[field].name;
}

#endif
