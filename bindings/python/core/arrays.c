/* Arrays of the caller (arrays.h). */
#include "arrays.h"

#include <stdint.h>
#include <string.h>

struct lent lent;

const char *const element_names[] = {"float32", "float64", "float16", "bfloat16", "int64", "int32", "uint16"};

Py_ssize_t element_size(enum element element) {
  static const Py_ssize_t sizes[] = {4, 8, 2, 2, 8, 4, 2};
  return sizes[element];
}

/* ---- Errors ---- */

static bool set(PyObject *error, const char *name, PyObject *value) {
  const bool done = value && PyObject_SetAttrString(error, name, value) == 0;
  Py_XDECREF(value);
  return done;
}

bool fail(const char *function, const char *argument, const char *status, Py_ssize_t index, const char *format, ...) {
  va_list values;
  va_start(values, format);
  PyObject *what = PyUnicode_FromFormatV(format, values);
  va_end(values);
  if (!what) return false;
  PyObject *message = argument ? PyUnicode_FromFormat("%s: %s: %U", function, argument, what)
                               : PyUnicode_FromFormat("%s: %U", function, what);
  Py_DECREF(what);
  PyObject *error = message ? PyObject_CallOneArg(lent.error, message) : NULL;
  Py_XDECREF(message);
  if (error && set(error, "argument", Py_BuildValue("z", argument)) &&
      set(error, "status", Py_BuildValue("z", status)) &&
      set(error, "index", index < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(index)))
    PyErr_SetObject(lent.error, error);
  Py_XDECREF(error);
  return false;
}

bool array_fail_with_cause(const struct array *a, const char *what) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  fail(a->function, a->name, NULL, -1, "%s: %S", what, value ? value : Py_None);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return false;
}

PyObject *shape_tuple(const struct shape *shape) {
  PyObject *tuple = PyTuple_New(shape->dimensions);
  for (int i = 0; tuple && i < shape->dimensions; i++) {
    PyObject *length = PyLong_FromSsize_t(shape->length[i]);
    if (!length)
      Py_CLEAR(tuple);
    else
      PyTuple_SET_ITEM(tuple, i, length);
  }
  return tuple;
}

static bool fail_shape(const struct array *a, const struct shape *needed) {
  PyObject *got = shape_tuple(&a->shape), *right = shape_tuple(needed);
  if (got && right) fail(a->function, a->name, NULL, -1, "shape %R where %R is needed", got, right);
  Py_XDECREF(got);
  Py_XDECREF(right);
  return false;
}

/* ---- Taking ---- */

static enum element element_of_format(const char *format, Py_ssize_t size) {
  if (!format) return OTHER;
  if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>')) format++;
  if (format[0] == 0 || format[1] != 0) return OTHER;
  switch (*format) {
    case 'f':
      return F32;
    case 'd':
      return F64;
    case 'e':
      return F16;
    case 'H':
      return U16;
    case 'i':
    case 'l':
    case 'q':
      return size == 8 ? I64 : size == 4 ? I32 : OTHER;
    default:
      return OTHER;
  }
}

static bool take_buffer(struct array *a, PyObject *object, bool writable) {
  if (PyObject_GetBuffer(object, &a->view, writable ? PyBUF_RECORDS : PyBUF_RECORDS_RO) != 0) {
    a->view.obj = NULL;
    return false;
  }
  const Py_buffer *view = &a->view;
  a->data = view->buf;
  a->writable = !view->readonly;
  a->element = element_of_format(view->format, view->itemsize);
  a->shape.dimensions = view->ndim;
  Py_ssize_t dense = view->itemsize;
  for (int i = view->ndim; i-- > 0 && view->ndim <= MAX_DIMENSIONS;) {
    a->shape.length[i] = view->shape[i];
    a->stride[i] = view->strides ? view->strides[i] : dense; /* ctypes tells none, although it was asked */
    dense *= view->shape[i];
  }
  return true;
}

/* Of ml_dtypes, whose arrays have no buffers: the same memory as uint16. */
static bool take_bits(struct array *a, PyObject *object, bool writable) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyObject *bits = PyObject_CallOneArg(lent.bits, object);
  if (!bits || bits == Py_None) {
    PyErr_Restore(type, value, trace);
    Py_XDECREF(bits);
    return array_fail_with_cause(a, writable ? "cannot be written to" : "cannot be read");
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  const bool taken = take_buffer(a, bits, writable); /* the buffer holds what it is of */
  Py_DECREF(bits);
  a->element = BF16;
  return taken || array_fail_with_cause(a, "cannot be had");
}

bool array_take(struct array *a, const char *function, const char *name, PyObject *object, bool writable, bool bits) {
  a->function = function;
  a->name = name;
  a->object = object;
  a->view.obj = NULL;
  a->capsule = NULL;
  a->copy = NULL;
  bool taken = PyObject_CheckBuffer(object) ? take_buffer(a, object, writable) || take_bits(a, object, writable)
                                            : array_take_dlpack(a, object);
  if (taken && a->shape.dimensions > MAX_DIMENSIONS)
    taken = fail(function, name, NULL, -1, "has %d dimensions: more than %d", a->shape.dimensions, MAX_DIMENSIONS);
  if (!taken)
    array_release(a);
  else if (bits && a->element == U16)
    a->element = BF16;
  return taken;
}

void array_release(struct array *a) {
  if (a->view.obj) PyBuffer_Release(&a->view);
  Py_CLEAR(a->capsule); /* nobody took what is in it, so its destructor frees that */
  PyMem_RawFree(a->copy);
  a->copy = NULL;
}

/* ---- Shapes and strides ---- */

bool array_has_shape(const struct array *a, const struct shape *shape) {
  return a->shape.dimensions == shape->dimensions &&
         memcmp(a->shape.length, shape->length, sizeof *shape->length * (size_t)shape->dimensions) == 0;
}

bool array_expect_shape(const struct array *a, const struct shape *shape) {
  return array_has_shape(a, shape) || fail_shape(a, shape);
}

bool array_fail_element(const struct array *a, const char *needed) {
  PyObject *dtype = PyObject_GetAttrString(a->object, "dtype");
  if (!dtype) PyErr_Clear();
  const char *hint = a->element == U16 ? " (bfloat16=True says that uint16 holds bfloat16)" : "";
  if (dtype)
    fail(a->function, a->name, NULL, -1, "dtype %S where %s is needed%s", dtype, needed, hint);
  else if (a->element == OTHER)
    fail(a->function, a->name, NULL, -1, "elements of format '%s' where %s is needed",
         a->view.obj && a->view.format ? a->view.format : "B", needed);
  else
    fail(a->function, a->name, NULL, -1, "elements of %s where %s is needed%s", element_names[a->element], needed,
         hint);
  Py_XDECREF(dtype);
  return false;
}

bool array_expect_element(const struct array *a, enum element element) {
  return a->element == element || array_fail_element(a, element_names[element]);
}

bool array_fits(const struct array *a, int axis, size_t *stride) {
  const Py_ssize_t size = element_size(a->element);
  *stride = 0;
  if ((uintptr_t)a->data % (uintptr_t)size != 0) return false;
  Py_ssize_t dense = size;
  int i = a->shape.dimensions;
  for (int j = 0; j < i; j++)
    if (a->shape.length[j] == 0) return true;
  for (; i-- > axis;) {
    if (a->shape.length[i] == 1) continue;
    if (a->stride[i] != dense) return false;
    dense *= a->shape.length[i];
  }
  const Py_ssize_t span = dense;
  for (i = axis; i-- > 0;) {
    if (a->shape.length[i] == 1) continue;
    if (*stride == 0) {
      if (a->stride[i] < span || a->stride[i] % size != 0) return false;
      dense = a->stride[i];
      *stride = (size_t)(dense / size);
    } else if (a->stride[i] != dense) {
      return false;
    }
    dense *= a->shape.length[i];
  }
  return true;
}

static char *copy_from(char *to, const char *from, const struct array *a, int dimension, size_t size) {
  if (dimension == a->shape.dimensions) {
    memcpy(to, from, size);
    return to + size;
  }
  for (Py_ssize_t i = 0; i < a->shape.length[dimension]; i++, from += a->stride[dimension])
    to = copy_from(to, from, a, dimension + 1, size);
  return to;
}

bool array_make_dense(struct array *a, const struct shape *shape) {
  if (shape) {
    const int missing = shape->dimensions - a->shape.dimensions;
    Py_ssize_t stride[MAX_DIMENSIONS] = {0};
    if (missing < 0) return fail_shape(a, shape);
    for (int i = 0; i < a->shape.dimensions; i++) {
      if (a->shape.length[i] == shape->length[missing + i])
        stride[missing + i] = a->stride[i];
      else if (a->shape.length[i] != 1)
        return fail_shape(a, shape);
    }
    memcpy(a->stride, stride, sizeof stride);
    a->shape = *shape;
  }
  const size_t size = (size_t)element_size(a->element);
  size_t total = size;
  for (int i = 0; i < a->shape.dimensions; i++)
    if (__builtin_mul_overflow(total, (size_t)a->shape.length[i], &total) || total > PTRDIFF_MAX)
      return fail(a->function, a->name, "VLOSS_ERROR_OVERFLOW", -1, "is larger than the address space");
  char *copy = PyMem_RawMalloc(total);
  if (!copy) {
    PyErr_NoMemory();
    return false;
  }
  if (total) copy_from(copy, a->data, a, 0, size);
  PyMem_RawFree(a->copy);
  a->copy = a->data = copy;
  Py_ssize_t dense = (Py_ssize_t)size;
  for (int i = a->shape.dimensions; i-- > 0;) {
    a->stride[i] = dense;
    dense *= a->shape.length[i];
  }
  return true;
}
