/* A call while its argument struct is filled: bind.c fills, by options.c, inputs.c and outputs.c; call.c runs and tells
 * what went wrong. */
#ifndef VLOSS_PYTHON_CALL_H
#define VLOSS_PYTHON_CALL_H

#include <string.h>

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
  struct shape states;           /* of STATES_OUT */
};

_Static_assert(sizeof(vloss_cross_entropy_args) <= 512 && sizeof(vloss_loss_args) <= 512 &&
                   sizeof(vloss_log_probs_args) <= 512 && sizeof(vloss_divergence_args) <= 512,
               "bytes of struct call");

/* False with an exception set. */
bool call_bind(struct call *call);

/* Its parts; false with an exception set. reduction: given may be null. geometry: of the first matrix. */
bool bind_reduction(struct call *call, int field, PyObject *given);
bool bind_option(struct call *call, int field, PyObject *given);
bool bind_double(struct call *call, int field, PyObject *given, double *value);
bool bind_geometry(struct call *call);
bool bind_input(struct call *call, int field, PyObject *given);
bool bind_output(struct call *call, int field, PyObject *given);

/* What the parts share: an array of the call; room for a number; an array of one as the one number of a loss; a
 * refusal. */
bool call_take(struct call *call, int field, PyObject *object, bool writable, struct array **array);
void *call_number(struct call *call, double value);
void call_drop_axis_of_one(const struct call *call, struct array *array);
size_t call_classes(const struct call *call);     /* of whole rows */
size_t call_state_words(const struct call *call); /* of rows in parts: 8 bytes each */
bool call_refuse(const struct call *call, int field, const char *what);

static inline const char *call_name_of(const struct call *call, int field) {
  const char *name = call->function->name_of[field];
  return name ? name : call->function->family->fields[field].name;
}

/* ---- The argument struct, by offset ---- */

static inline void put_pointer(struct call *c, size_t offset, const void *value) {
  memcpy(c->args.bytes + offset, &value, sizeof value);
}
static inline void put_size(struct call *c, size_t offset, size_t value) {
  memcpy(c->args.bytes + offset, &value, sizeof value);
}
static inline void put_enum(struct call *c, size_t offset, int value) {
  if (offset != NOWHERE) memcpy(c->args.bytes + offset, &value, sizeof value);
}
static inline int get_enum(const struct call *c, size_t offset) {
  int value;
  memcpy(&value, c->args.bytes + offset, sizeof value);
  return value;
}

#endif
