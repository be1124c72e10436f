/* A call of a public function, made from bytes: any function, shape, type, layout and option, right by construction but
 * for at most one fault that the bytes choose. So it is known whether the library has to accept it. */
#ifndef VLOSS_TESTS_FUZZ_CALLS_H
#define VLOSS_TESTS_FUZZ_CALLS_H

#include <stdbool.h>

#include "buffers.h"
#include "vloss/vloss.h"

/* What is known of the answer before the call. */
enum verdict { ACCEPTED, REFUSED, EITHER };

/* The one thing that may be wrong with a call; with any other number, nothing is. */
enum fault {
  UNWANTED = 1, /* an operand or output that the function does not have */
  NULL_POINTER,
  MISALIGNED,
  ALIASED,
  BAD_ENUM,
  HUGE_SIZE,
  BAD_STRIDE,
  BAD_EXECUTOR,
  OTHER_VERSION,
  ODD_NUMBER,
  FAULT_COUNT
};

/* How states are put together. */
enum { FROM_NOTHING = 1 /* the states of the first shard, too, are merged with zeros */, LAST_FIRST = 2 };
enum misuse { NO_MISUSE, SHARD_LEFT_OUT, SHARD_TWICE, FIRST_FOR_LAST, OTHER_CALL, MISUSE_COUNT };

/* The functions (those of rows in parts stand for all of their steps, see parts.c), and the struct that each takes. */
#define FUZZ_FUNCTIONS(X)                               \
  X(cross_entropy, cross_entropy, make_cross_entropy)   \
  X(nll, cross_entropy, make_cross_entropy)             \
  X(softmax, softmax, make_softmax)                     \
  X(log_softmax, softmax, make_softmax)                 \
  X(log_sum_exp, softmax, make_softmax)                 \
  X(softmax_backward, softmax, make_softmax)            \
  X(log_softmax_backward, softmax, make_softmax)        \
  X(log_probs, log_probs, make_log_probs)               \
  X(divergence, divergence, make_divergence)            \
  X(loss, loss, make_loss)                              \
  X(cross_entropy_partial, cross_entropy, make_partial) \
  X(log_probs_partial, log_probs, make_log_probs)
enum function {
#define FUNCTION(name, args, make) OF_##name,
  FUZZ_FUNCTIONS(FUNCTION)
#undef FUNCTION
      FUNCTION_COUNT
};

/* What the elements of an array are. */
enum content { FLOATS, LABELS, BOOLEANS, STATES };
struct kind {
  enum content content;
  vloss_type type; /* of FLOATS */
  size_t size;
};

/* An array of the call: `lines` runs of `width` elements, `stride` elements apart. */
struct array {
  void *field; /* the pointer in the argument struct */
  size_t *stride_field;
  struct kind kind;
  size_t lines, width, stride;
  bool output;
  const void *in_place[2]; /* of an output: fields of inputs that it may be put over */
  char *data;
  struct buffer *buffer;
};

enum { FUZZ_MAX_ARRAYS = 24, FUZZ_MAX_ENUMS = 8, FUZZ_MAX_NUMBERS = 4 };
struct call {
  enum function function;
  union {
    vloss_cross_entropy_args cross_entropy;
    vloss_softmax_args softmax;
    vloss_log_probs_args log_probs;
    vloss_divergence_args divergence;
    vloss_loss_args loss;
    unsigned char room[sizeof(vloss_cross_entropy_args) + 64]; /* for structs that are newer than the library's */
  } args;
  union {
    vloss_cross_entropy_args cross_entropy;
    vloss_log_probs_args log_probs;
  } wanted;             /* of rows in parts: the same call with the outputs of the last steps */
  struct array *states; /* of rows in parts */
  bool whole;           /* rows in parts are to be done in one call */
  unsigned parting;     /* how rows in parts are put together: FROM_NOTHING, ... */
  enum misuse misuse;   /* of the states: refused */
  size_t size;          /* of the struct, as the call says it */
  struct array arrays[FUZZ_MAX_ARRAYS];
  size_t array_count;
  vloss_executor executor;
  const vloss_executor **executor_field;
  enum verdict verdict;
  bool may_find_bad_values; /* the values decide: a loss with a domain */
  size_t bad;               /* as the struct's bad_row or bad_index points to it */
  size_t expected_bad;      /* SIZE_MAX: not known */
  double parameters[8];

  /* What the making of it needs. */
  const uint8_t *bytes;
  size_t left;
  int fault;
  bool plain; /* dense floats without options: such calls have a way of their own */
  size_t rows, classes, inner;
  vloss_type type;
  void *enums[FUZZ_MAX_ENUMS];
  size_t enum_count;
  size_t *sizes[3];
  struct number {
    double *field, low, high;
  } numbers[FUZZ_MAX_NUMBERS];
  size_t number_count;
};

enum { BAD_UNTOUCHED = 12345 };

/* The same bytes make the same call, with the same contents of all arrays. */
void call_make(struct call *call, const uint8_t *bytes, size_t count);
vloss_status call_run(struct call *call);
vloss_status parts_run(struct call *call);

#endif
