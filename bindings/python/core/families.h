/* The calls of vloss.h as tables: which field of the argument struct holds what, by offset. */
#ifndef VLOSS_PYTHON_FAMILIES_H
#define VLOSS_PYTHON_FAMILIES_H

#include <stddef.h>
#include <stdint.h>
#include <vloss/vloss.h>

/* What a field is. "rows" is the shape without the class axis. Inputs are copied where vloss cannot read their strides,
 * outputs are refused. The first field is the matrix that gives shape and type of the call, or the states that give the
 * shape. */
enum role {
  /* options */
  AXIS,
  DOUBLE,
  POSITIVE, /* a double that is not 0, which vloss takes as "default" */
  SIZE,
  FLAG, /* a bit of flags: the offset */
  IGNORE,
  REDUCTION,
  KIND,        /* of divergence */
  PARAMETER,   /* number `offset` of a loss */
  FROM_LOGITS, /* of a loss that has another kind for logits */
  BITS,        /* uint16 holds bfloat16 */
  DOUBLES,     /* states are of rows of doubles: their values are double */
  THREADS,
  /* inputs */
  MATRIX,       /* of full shape and of the call's type; with a stride */
  OTHER_MATRIX, /* the same, with a type of its own: teacher */
  TARGETS,      /* labels or class probabilities: a matrix or indices by what they hold */
  TARGET,       /* of a loss: a matrix, or one value a row */
  LABELS,       /* an index a row, or a full shape of them */
  IDS,          /* rows, or rows and an axis of ids */
  ROW_VALUES,
  CLASS_VALUES,
  ID_VALUES,
  LOSS_VALUES, /* of the shape of the loss; a number if that is one */
  SPREAD,      /* a number, or of a shape that covers rows and columns: see vloss_spread */
  STATES,      /* what is known of rows in parts, as int64: rows, and an axis of their words */
  /* outputs: true, or an array to write to; RESULT is a matrix that is always made */
  LOSS,
  RESULT,
  MATRIX_OUT,
  ROWS_OUT,
  ROW_FLAGS_OUT,
  ROW_LABELS_OUT,
  IDS_OUT,
  ID_LABELS_OUT,
  TOP_OUT,
  TOP_LABELS_OUT,
  STATES_OUT,

  FIRST_INPUT = MATRIX,
  FIRST_OUTPUT = LOSS
};

struct field {
  const char *name;
  enum role role;
  size_t offset; /* of the pointer or the value */
  size_t more;   /* of the stride; of SPREAD the spread is behind it. Of outputs without one: when they are made */
};

/* When an output is made that nobody has asked for or turned off. */
enum { IF_ASKED, ALWAYS, WITH_IDS, WITH_TOP };

enum { NOWHERE = 0xffff }; /* the offset of what a struct does not have */

struct family {
  const char *name;
  vloss_status (*run)(const void *args, size_t size);
  size_t size;
  size_t rows, classes, inner, type, label_type, ignore, ignore_index, reduction, flags, bad, executor, ids_per_row,
      top, total_classes; /* the last of rows whose classes are spread over calls */
  const struct field *fields;
  int count;
};

extern const struct family families[];
const struct family *family_named(const char *name); /* null if there is none */

enum { MAX_FIELDS = 32 };

#endif
