/* Arrays of the caller: anything with the buffer protocol or __dlpack__, as memory, shape and strides. */
#ifndef VLOSS_PYTHON_ARRAYS_H
#define VLOSS_PYTHON_ARRAYS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <vloss/vloss.h>

enum { MAX_DIMENSIONS = 16 };

/* The first four are those of vloss_type. */
enum element { F32 = VLOSS_F32, F64 = VLOSS_F64, F16 = VLOSS_F16, BF16 = VLOSS_BF16, I64, I32, U16, OTHER };
extern const char *const element_names[];
Py_ssize_t element_size(enum element element);

struct shape {
  int dimensions;
  Py_ssize_t length[MAX_DIMENSIONS];
};

PyObject *shape_tuple(const struct shape *shape);

struct array {
  const char *function, *name; /* for messages */
  PyObject *object;            /* borrowed */
  char *data;
  enum element element;
  struct shape shape;
  Py_ssize_t stride[MAX_DIMENSIONS]; /* in bytes */
  bool writable;

  Py_buffer view;    /* held if .obj is not null */
  PyObject *capsule; /* of DLPack, held */
  void *copy;
};

/* What is raised: vloss.Error, whose attributes are these. argument and status may be null, index negative. False. */
bool fail(const char *function, const char *argument, const char *status, Py_ssize_t index, const char *format, ...);

/* False, with an exception set, if the object cannot be had as an array; then nothing is held. bits: 16-bit unsigned
 * integers are bfloat16. */
bool array_take(struct array *array, const char *function, const char *name, PyObject *object, bool writable,
                bool bits);
void array_release(struct array *array);
bool array_take_dlpack(struct array *array, PyObject *object); /* the part of array_take for __dlpack__ */

/* The exception that is set, as a vloss.Error that names the argument. False. */
bool array_fail_with_cause(const struct array *array, const char *what);

/* An exception: the array holds other elements than what is needed. False. */
bool array_fail_element(const struct array *array, const char *needed);

bool array_has_shape(const struct array *array, const struct shape *shape);
bool array_expect_shape(const struct array *array, const struct shape *shape);
bool array_expect_element(const struct array *array, enum element element);

/* Whether the dimensions from `axis` on are dense, those before it are one with one stride, and the memory is aligned;
 * then *stride is the distance of elements from one of the latter to the next, 0 if there is none. */
bool array_fits(const struct array *array, int axis, size_t *stride);

/* Turns the array into a dense copy of itself; of a shape it broadcasts to, if that is not null. */
bool array_make_dense(struct array *array, const struct shape *shape);

/* What the Python side lends: vloss.Error; empty(like, shape, element name), a new array; bits(object), the array of
 * bfloat16 as one of uint16, or None. */
struct lent {
  PyObject *error, *empty, *bits;
  PyObject *tensor, *to_dlpack; /* of PyTorch, which is found with the first tensor; else null */
};
extern struct lent lent;

#endif
