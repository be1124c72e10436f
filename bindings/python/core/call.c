/* Runs a call whose arguments are bound, and says in Python's words what went wrong. */
#include "call.h"

/* From so many elements on, other threads of Python may run meanwhile: less takes less time than letting them. */
enum { LONG_CALL = 4096 };

static int field_at(const struct call *c, size_t offset) {
  const struct family *family = c->function->family;
  for (int i = 0; i < family->count; i++)
    if (family->fields[i].offset == offset && family->fields[i].role >= FIRST_INPUT) return i;
  return -1;
}

static int field_of_role(const struct call *c, enum role role, size_t offset) {
  const struct family *family = c->function->family;
  for (int i = 0; i < family->count; i++)
    if (family->fields[i].role == role && (role != PARAMETER || family->fields[i].offset == offset)) return i;
  return -1;
}

/* The labels that a call was given: null if it has none, or an axis of ids. */
static const struct array *labels_of(const struct call *c, int *field) {
  const enum role roles[] = {TARGETS, LABELS, IDS};
  for (int i = 0; i < 3; i++) {
    *field = field_of_role(c, roles[i], 0);
    if (*field >= 0 && c->array_of[*field] >= 0) return &c->arrays[c->array_of[*field]];
  }
  return NULL;
}

static bool fail_label(const struct call *c, const char *status) {
  int field;
  const struct array *labels = labels_of(c, &field);
  const Py_ssize_t row = (Py_ssize_t)c->bad;
  if (!labels) return fail(c->function->name, NULL, status, row, "a label of row %zd is out of range", row);
  const bool one_a_row = array_has_shape(labels, &c->rows);
  const size_t shift = c->function->family->classes == offsetof(vloss_cross_entropy_args, classes) &&
                               c->function->family->size == sizeof(vloss_cross_entropy_args)
                           ? c->args.cross_entropy.shift
                           : 0;
  if (!one_a_row)
    return fail(c->function->name, labels->name, status, row, "row %zd has an index that is out of range", row);
  const size_t at = c->bad + shift;
  int64_t value;
  int32_t narrow;
  if (labels->element == I64) {
    memcpy(&value, labels->data + at * sizeof value, sizeof value);
  } else {
    memcpy(&narrow, labels->data + at * sizeof narrow, sizeof narrow);
    value = narrow;
  }
  return fail(c->function->name, labels->name, status, row, "row %zd is %lld, which is none of the %zu classes", row,
              (long long)value, call_classes(c));
}

/* The first output that shares memory with something else. */
static const char *overlapping(const struct call *c) {
  for (int i = 0; i < c->held; i++) {
    const struct array *a = &c->arrays[i];
    const char *end[2] = {a->data, a->data};
    int output = -1;
    for (int f = 0; f < c->function->family->count; f++)
      if (c->array_of[f] == i && c->function->family->fields[f].role >= FIRST_OUTPUT) output = f;
    if (output < 0) continue;
    for (int j = 0; j < c->held; j++) {
      const struct array *b = &c->arrays[j];
      if (i == j) continue;
      for (int k = 0; k < 2; k++) {
        const struct array *of = k ? b : a;
        end[k] = of->data + element_size(of->element);
        for (int d = 0; d < of->shape.dimensions; d++)
          if (of->shape.length[d] > 0) end[k] += (of->shape.length[d] - 1) * of->stride[d];
      }
      if (a->data < end[1] && b->data < end[0]) return a->name;
    }
  }
  return NULL;
}

static bool fail_parameter(const struct call *c, const char *status) {
  if (!c->function->loss) return fail(c->function->name, "beta", status, -1, "is of 'jsd', and between 0 and 1");
  const vloss_parameter_info *info = &c->function->loss->parameters[c->bad];
  PyObject *value = PyFloat_FromDouble(c->parameters[c->bad]), *low = PyFloat_FromDouble(info->minimum),
           *high = PyFloat_FromDouble(info->maximum);
  if (value && low && high)
    fail(c->function->name, call_name_of(c, field_of_role(c, PARAMETER, c->bad)), status, -1,
         "%R is no %snumber %s %R to %R", value, info->whole ? "whole " : "", info->above_minimum ? "above" : "from",
         low, high);
  Py_XDECREF(value);
  Py_XDECREF(low);
  Py_XDECREF(high);
  return false;
}

static bool fail_status(const struct call *c, vloss_status status) {
  const char *name = vloss_status_name(status), *message = vloss_status_message(status), *argument = NULL;
  int field;
  switch (status) {
    case VLOSS_ERROR_LABEL:
      return fail_label(c, name);
    case VLOSS_ERROR_OVERLAP:
      argument = overlapping(c);
      break;
    case VLOSS_ERROR_LABEL_SMOOTHING:
      argument = "label_smoothing";
      break;
    case VLOSS_ERROR_IGNORE_INDEX:
      argument = "ignore_index";
      break;
    case VLOSS_ERROR_SHARD:
      argument = "class_offset or total_classes";
      break;
    case VLOSS_ERROR_STATE:
      argument = "states";
      break;
    case VLOSS_ERROR_SCALE:
      argument = "scale, softcap or z_loss";
      break;
    case VLOSS_ERROR_PARAMETER:
      return fail_parameter(c, name);
    case VLOSS_ERROR_PROBABILITY:
    case VLOSS_ERROR_VARIANCE:
    case VLOSS_ERROR_RATE:
      field = field_at(
          c, status == VLOSS_ERROR_VARIANCE ? offsetof(vloss_loss_args, other) : offsetof(vloss_loss_args, prediction));
      return fail(c->function->name, call_name_of(c, field), name, (Py_ssize_t)c->bad, "element %zu %s", c->bad,
                  status == VLOSS_ERROR_PROBABILITY ? "is no number from 0 to 1" : "is below 0");
    case VLOSS_ERROR_NO_CLASSES:
    case VLOSS_ERROR_TYPE:
    case VLOSS_ERROR_NO_SLEEF:
    case VLOSS_ERROR_NO_FMA:
      argument = call_name_of(c, 0);
      break;
    default:
      break;
  }
  return fail(c->function->name, argument, name, -1, "%s", message);
}

static PyObject *number_object(const struct call *c, int number) {
  const struct number *n = &c->numbers[number];
  return PyFloat_FromDouble(c->values == F64 ? n->twice : (double)n->single);
}

/* The outputs in the order of the table: alone, or as a tuple. */
static PyObject *result_of(struct call *c) {
  PyObject *results[MAX_FIELDS];
  Py_ssize_t count = 0;
  for (int i = 0; i < c->function->family->count; i++) {
    PyObject *result = c->results[i];
    c->results[i] = NULL;
    if (c->number_of[i] >= 0 && !(result = number_object(c, c->number_of[i]))) goto failed;
    if (result) results[count++] = result;
  }
  if (count == 1) return results[0];
  PyObject *tuple = PyTuple_New(count);
  if (!tuple) goto failed;
  for (Py_ssize_t i = 0; i < count; i++) PyTuple_SET_ITEM(tuple, i, results[i]);
  return tuple;
failed:
  while (count > 0) Py_DECREF(results[--count]);
  return NULL;
}

PyObject *function_call(const struct function *function, PyObject *const *given) {
  const struct family *family = function->family;
  struct call c;
  memset(&c, 0, offsetof(struct call, arrays)); /* the rest is written before it is read */
  c.function = function;
  c.given = given;
  c.held = 0;
  for (int i = 0; i < family->count; i++) {
    c.array_of[i] = c.number_of[i] = -1;
    c.results[i] = NULL;
  }
  PyObject *result = NULL;
  if (call_bind(&c)) {
    vloss_status status;
    if (c.elements >= LONG_CALL) {
      Py_BEGIN_ALLOW_THREADS status = family->run(c.args.bytes, family->size);
      Py_END_ALLOW_THREADS
    } else {
      status = family->run(c.args.bytes, family->size);
    }
    if (status == VLOSS_OK)
      result = result_of(&c);
    else
      fail_status(&c, status);
  }
  for (int i = 0; i < family->count; i++) Py_CLEAR(c.results[i]);
  while (c.held > 0) array_release(&c.arrays[--c.held]);
  return result;
}
