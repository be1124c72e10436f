/* A job is one function of the library with one set of options, sizes and inputs. It keeps the contents of its arrays
 * in logical order ([row][class]), so that the same job can be run in any layout: as any run of its rows, with any
 * class axis, stride, alignment, with some outputs only, in place. Whatever the layout, the results must be the same.
 */
#ifndef VLOSS_TESTS_CHECK_JOB_H
#define VLOSS_TESTS_CHECK_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "buffers.h"
#include "inputs.h"
#include "reference.h"

enum element { F32, I32, I64, F64 };
enum shape { SCALAR, PER_ROW, PER_CLASS, MATRIX };

struct array {
  const char *name;
  enum shape shape;
  enum element element;
  size_t width; /* PER_ROW: elements a row */
  bool output;
  bool flat;           /* a matrix whose rows follow each other whatever the layout of the others */
  const char *over[2]; /* output: the inputs in whose memory it may lie */
  double gate;         /* output: how many ulp off it may be */
  bool flushed;        /* output: what is below 2^-126 must be +0 */

  vloss_type type;              /* of an F32 matrix: how elements lie in memory; values are floats, those of the type */
  void *values;                 /* contents, in logical order: an input's, or what the last call wrote */
  struct expectation *expected; /* output: what the reference says */

  void *halves;  /* of elements in 16 bits: what job_place_flat keeps them in */
  char *data;    /* where the array is now; null if it is not given to the call */
  size_t stride; /* of a matrix: elements from one outer index to the next */
};

enum { MAX_ARRAYS = 14 };

struct job {
  const struct function *function;
  const struct option *option;
  size_t rows, classes; /* rows counts every row, the inner axes included */
  enum family family;
  uint64_t seed;
  struct array arrays[MAX_ARRAYS];
  size_t array_count;
  bool whole; /* results of a row depend on other rows */

  size_t first, count, inner; /* the rows in the call, and how many inner positions share an outer index */
};

/* How to lay a job out in memory. */
struct layout {
  size_t first, count;            /* rows */
  size_t inner;                   /* divides count */
  uint32_t outputs;               /* bit i: the i-th output is wanted */
  bool dense;                     /* no gaps, everything before the back guard page */
  size_t shift;                   /* outputs begin shift - 1 elements behind a page's beginning; 0: anywhere */
  unsigned char over[MAX_ARRAYS]; /* an output lies over its input over[i - 1]; 0: in memory of its own */
};
enum { ALL_OUTPUTS = -1 };

/* Makes the job's arrays and inputs, from nothing but its arguments. */
void job_create(struct job *job, const struct function *function, const struct option *option, size_t rows,
                size_t classes, enum family family, uint64_t seed);
void job_destroy(struct job *job);

/* For the functions' descriptions: adds an array; its values are zero. */
struct array *job_add(struct job *job, const char *name, enum shape shape, enum element element);
struct array *job_add_output(struct job *job, const char *name, enum shape shape, enum element element, double gate);

/* The same, one with several elements a row. */
struct array *job_add_wide(struct job *job, const char *name, size_t width, enum element element);
struct array *job_add_wide_output(struct job *job, const char *name, size_t width, enum element element, double gate);

size_t job_length(const struct job *job, const struct array *array); /* elements, in logical order */
/* Those of one row; of an array that has none a row, all. */
size_t job_row_length(const struct job *job, const struct array *array);
const struct array *job_array(const struct job *job, const char *name);
void *job_data(const struct job *job, const char *name); /* null if there is no such array, or it is not wanted */
size_t job_stride(const struct job *job, const char *name);

/* A floating-point value, of either precision. */
double job_value(const struct array *array, size_t i);
void job_set_value(struct array *array, size_t i, double value);

/* The number of an array's type that is nearest to x; finite numbers stay so. */
double job_fitted(const struct array *array, double x);

/* From now on no job asks for other outputs than these, names between commas; null: every output. */
void job_only_outputs(const char *names);

/* The type of the jobs that are made from now on: of logits, predictions, targets and gradients. */
extern vloss_type job_type;

/* What the calls of all jobs are given as their executor: null, but for check_threads. */
extern const vloss_executor *job_executor;

/* Places the arrays between guard pages, sides, offsets and gaps drawn from r, and fills the inputs in. */
void job_place(struct job *job, struct layout layout, struct random *r);

/* Runs the call on an ISA, in an environment (see environment.h). */
struct outcome {
  int signal; /* what it died of; 0 */
  vloss_status status;
  bool environment_changed;
};
struct outcome job_run(struct job *job, const char *isa, uint64_t environment);

/* For very many calls: places the arrays without guard pages, where their values are if those lie so in memory; and
 * runs the call on values that may have changed since, and takes its results. */
void job_place_flat(struct job *job);
vloss_status job_run_flat(struct job *job);

/* Takes the results of the rows in the call into the arrays' values. Null, or the name of an array around which (or,
 * of an input, in which) something was written that should not have been. */
const char *job_collect(struct job *job);

/* A copy of all results, to compare later ones with: null if what the last call collected is the same bit for bit,
 * or an array that differs and its first element that does. Arrays and rows that were not in that call do not count. */
struct results {
  void *values[MAX_ARRAYS];
};
void job_keep(const struct job *job, struct results *kept);
const struct array *job_differs(const struct job *job, const struct results *kept, size_t *element);
void results_destroy(struct results *kept);

#endif
