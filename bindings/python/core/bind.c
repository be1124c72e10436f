/* From the arguments of a call in Python to those of vloss: options, then inputs, then outputs (families.h). */
#include <string.h>

#include "call.h"

/* ---- The argument struct, by offset ---- */

static void put_pointer(struct call *c, size_t offset, const void *value) {
  memcpy(c->args.bytes + offset, &value, sizeof value);
}
static void put_size(struct call *c, size_t offset, size_t value) {
  memcpy(c->args.bytes + offset, &value, sizeof value);
}
static void put_enum(struct call *c, size_t offset, int value) {
  if (offset != NOWHERE) memcpy(c->args.bytes + offset, &value, sizeof value);
}
static int get_enum(const struct call *c, size_t offset) {
  int value;
  memcpy(&value, c->args.bytes + offset, sizeof value);
  return value;
}

static bool refuse(const struct call *c, int field, const char *what) {
  return fail(c->function->name, call_name_of(c, field), NULL, -1, "%s", what);
}

/* ---- Options ---- */

static bool is_text(PyObject *object, const char *text) {
  return PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, text) == 0;
}

static bool bind_reduction(struct call *c, int field, PyObject *given) {
  const struct {
    const char *name;
    int torch, keras;
  } names[] = {{"mean", VLOSS_MEAN, -1},
               {"sum", VLOSS_SUM, VLOSS_KERAS_SUM},
               {"none", VLOSS_NONE, VLOSS_KERAS_NONE},
               {"sum_over_batch_size", -1, VLOSS_KERAS_SUM_OVER_BATCH_SIZE},
               {"batchmean", c->function->kind == VLOSS_KL_DIV ? VLOSS_BATCH_MEAN : -1, -1}};
  int value = (int)c->function->reduction;
  if (given) {
    value = -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      if (is_text(given, names[i].name)) value = c->function->keras ? names[i].keras : names[i].torch;
    if (value < 0)
      return fail(c->function->name, call_name_of(c, field), "VLOSS_ERROR_ENUM", -1, "%R is none of %s", given,
                  c->function->keras                  ? "'none', 'sum', 'sum_over_batch_size'"
                  : c->function->kind == VLOSS_KL_DIV ? "'none', 'mean', 'sum', 'batchmean'"
                                                      : "'none', 'mean', 'sum'");
  }
  put_enum(c, c->function->family->reduction, value);
  return true;
}

static bool bind_kind(struct call *c, int field, PyObject *given) {
  static const char *const names[] = {"forward_kl", "reverse_kl", "jsd", "total_variation"};
  for (int i = 0; i < 4; i++) {
    if (!is_text(given, names[i])) continue;
    put_enum(c, c->function->family->fields[field].offset, i);
    return true;
  }
  return fail(c->function->name, call_name_of(c, field), "VLOSS_ERROR_ENUM", -1,
              "%R is none of 'forward_kl', 'reverse_kl', 'jsd', 'total_variation'", given);
}

static bool bind_size(struct call *c, int field, PyObject *given, size_t *value) {
  const Py_ssize_t number = PyNumber_AsSsize_t(given, PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    return fail(c->function->name, call_name_of(c, field), NULL, -1, "%R is no whole number that fits", given);
  }
  *value = (size_t)number;
  return number >= 0 || refuse(c, field, "is negative");
}

/* None: nothing is ignored. */
static bool bind_ignore(struct call *c, int field, PyObject *given) {
  const struct family *family = c->function->family;
  int64_t value = 0;
  if (given != Py_None) {
    int overflow;
    value = PyLong_AsLongLongAndOverflow(given, &overflow);
    if (overflow || (value == -1 && PyErr_Occurred())) {
      PyErr_Clear();
      return refuse(c, field, "is neither None nor a whole number of 64 bits");
    }
  }
  if (given != Py_None && value == -100) return true; /* the default, which goes with probabilities, too */
  put_enum(c, family->ignore, given == Py_None ? VLOSS_IGNORE_NOTHING : VLOSS_IGNORE_INDEX);
  memcpy(c->args.bytes + family->ignore_index, &value, sizeof value);
  return true;
}

static bool bind_double(struct call *c, int field, PyObject *given, double *value) {
  *value = PyFloat_AsDouble(given);
  if (*value != -1 || !PyErr_Occurred()) return true;
  PyErr_Clear();
  return fail(c->function->name, call_name_of(c, field), NULL, -1, "%R is no number", given);
}

static bool bind_parameter(struct call *c, int field, PyObject *given) {
  const size_t number = c->function->family->fields[field].offset;
  vloss_loss_args *loss = &c->args.loss;
  if (!loss->parameters) {
    for (size_t i = 0; i < c->function->loss->parameter_count; i++)
      c->parameters[i] = c->function->loss->parameters[i].default_value;
    loss->parameters = c->parameters;
    loss->parameter_count = c->function->loss->parameter_count;
  }
  return bind_double(c, field, given, &c->parameters[number]);
}

static bool bind_threads(struct call *c, int field, PyObject *given) {
  size_t threads;
  if (!bind_size(c, field, given, &threads)) return false;
  if (threads == 0) threads = threads_available();
  if (threads == 1) return true;
  c->executor = threads_executor(threads);
  put_pointer(c, c->function->family->executor, &c->executor);
  return true;
}

static bool bind_option(struct call *c, int field, PyObject *given) {
  const struct field *f = &c->function->family->fields[field];
  size_t size;
  double value;
  int truth;
  switch (f->role) {
    case REDUCTION:
      return bind_reduction(c, field, given);
    case KIND:
      return bind_kind(c, field, given);
    case IGNORE:
      return bind_ignore(c, field, given);
    case PARAMETER:
      return bind_parameter(c, field, given);
    case THREADS:
      return bind_threads(c, field, given);
    case SIZE:
      if (!bind_size(c, field, given, &size)) return false;
      put_size(c, f->offset, size);
      return true;
    case DOUBLE:
    case POSITIVE:
      if (!bind_double(c, field, given, &value)) return false;
      if (f->role == POSITIVE && value == 0) return refuse(c, field, "is 0");
      memcpy(c->args.bytes + f->offset, &value, sizeof value);
      return true;
    case FLAG:
    case BITS:
    case FROM_LOGITS:
      if ((truth = PyObject_IsTrue(given)) < 0) return false;
      if (truth && f->role == FLAG) {
        uint32_t flags;
        memcpy(&flags, c->args.bytes + c->function->family->flags, sizeof flags);
        flags |= (uint32_t)f->offset;
        memcpy(c->args.bytes + c->function->family->flags, &flags, sizeof flags);
      } else if (truth && f->role == BITS) {
        c->bits = true;
      } else if (truth) {
        c->args.loss.kind = (vloss_loss_kind)c->function->logits_kind;
      }
      return true;
    default:
      return true; /* AXIS, read with the shape */
  }
}

/* ---- Shapes ---- */

static bool take(struct call *c, int field, PyObject *object, bool writable, struct array **array) {
  *array = &c->arrays[c->held];
  if (!array_take(*array, c->function->name, call_name_of(c, field), object, writable, c->bits)) return false;
  c->array_of[field] = c->held++;
  return true;
}

static bool multiply(const struct shape *shape, int from, int to, size_t *product) {
  *product = 1;
  for (int i = from; i < to; i++)
    if (__builtin_mul_overflow(*product, (size_t)shape->length[i], product)) return false;
  return true;
}

static bool bind_axis(struct call *c) {
  const struct family *family = c->function->family;
  const int dimensions = c->full.dimensions;
  Py_ssize_t axis = c->function->axis == NO_AXIS ? (dimensions > 1 ? 1 : 0) : c->function->axis;
  for (int i = 0; i < family->count; i++) {
    if (family->fields[i].role != AXIS || !c->given[i]) continue;
    axis = PyNumber_AsSsize_t(c->given[i], NULL);
    if (axis == -1 && PyErr_Occurred()) return false;
    if (axis < -dimensions || axis >= dimensions)
      return fail(c->function->name, call_name_of(c, i), NULL, -1, "%zd is no axis of %d", axis, dimensions);
  }
  c->axis = (int)(axis < 0 ? axis + dimensions : axis);
  return true;
}

/* The matrix that gives shape and type; rows, classes and inner of the call. */
static bool bind_geometry(struct call *c) {
  const struct family *family = c->function->family;
  struct array *a;
  if (!take(c, 0, c->given[0], false, &a)) return false;
  if (a->element > BF16) return array_fail_element(a, "float32, float64, float16 or bfloat16");
  c->type = a->element;
  c->values = c->type == F64 ? F64 : F32;
  c->full = a->shape;
  const int dimensions = c->full.dimensions;
  if (c->elementwise) {
    const bool batch = get_enum(c, family->reduction) == VLOSS_BATCH_MEAN;
    c->axis = batch || dimensions == 0 ? (dimensions > 0) : dimensions - 1;
  } else if (dimensions == 0) {
    return refuse(c, 0, "has no axis of classes: it is 0-dimensional");
  } else if (!bind_axis(c)) {
    return false;
  }
  size_t rows, classes, inner = 1;
  const int behind = c->elementwise ? dimensions : c->axis + 1;
  if (!multiply(&c->full, 0, c->axis, &rows) || !multiply(&c->full, c->axis, behind, &classes) ||
      !multiply(&c->full, behind, dimensions, &inner) || !multiply(&c->full, 0, dimensions, &c->elements))
    return fail(c->function->name, a->name, "VLOSS_ERROR_OVERFLOW", -1, "is larger than the address space");
  if (!c->elementwise && classes > INT32_MAX)
    return fail(c->function->name, a->name, "VLOSS_ERROR_OVERFLOW", -1, "has more than 2^31 - 1 classes");
  if (inner == 0) { /* to vloss 0 means 1 */
    rows = 0;
    inner = 1;
  }
  put_size(c, family->rows, rows);
  put_size(c, family->classes, classes);
  put_size(c, family->inner, inner);
  put_enum(c, family->type, (int)c->type);
  for (int i = 0; i < dimensions; i++)
    if (i < c->axis || i >= behind) c->rows.length[c->rows.dimensions++] = c->full.length[i];
  if (family->reduction == NOWHERE) return true;
  const int reduction = get_enum(c, family->reduction);
  if (reduction == VLOSS_NONE) c->loss = c->elementwise ? c->full : c->rows;
  if (reduction == VLOSS_KERAS_NONE) c->loss = c->rows;
  return true;
}

/* ---- Inputs ---- */

static bool fit(struct array *a, int axis, size_t *stride) {
  if (array_fits(a, axis, stride)) return true;
  *stride = 0;
  return array_make_dense(a, NULL);
}

static bool bind_matrix(struct call *c, struct array *a, size_t pointer, size_t stride_offset) {
  size_t stride;
  if (!array_expect_shape(a, &c->full) || !fit(a, c->axis, &stride)) return false;
  put_pointer(c, pointer, a->data);
  put_size(c, stride_offset, stride);
  return true;
}

static bool bind_dense(struct call *c, struct array *a, size_t pointer, enum element element,
                       const struct shape *shape) {
  size_t stride;
  if (!array_expect_element(a, element) || !array_expect_shape(a, shape) || !fit(a, 0, &stride)) return false;
  put_pointer(c, pointer, a->data);
  return true;
}

static bool is_label(const struct array *a) { return a->element == I64 || a->element == I32; }

/* The element of class indices, which all of a call share. */
static bool bind_label_type(struct call *c, const struct array *a) {
  if (!is_label(a)) return array_fail_element(a, "int64 or int32");
  if (c->label != OTHER && c->label != a->element) return array_expect_element(a, c->label);
  c->label = a->element;
  put_enum(c, c->function->family->label_type, a->element == I64 ? VLOSS_I64 : VLOSS_I32);
  return true;
}

static bool bind_labels(struct call *c, struct array *a, size_t pointer) {
  const bool lists = c->function->loss && c->function->loss->operands & VLOSS_TAKES_LABEL_LISTS;
  return bind_label_type(c, a) && bind_dense(c, a, pointer, a->element, lists ? &c->full : &c->rows);
}

static bool bind_ids(struct call *c, struct array *a, size_t pointer) {
  const struct family *family = c->function->family;
  if (!bind_label_type(c, a)) return false;
  c->ids = c->rows;
  size_t per_row = 1;
  if (a->shape.dimensions == c->rows.dimensions + 1) {
    per_row = (size_t)a->shape.length[c->rows.dimensions];
    c->ids.length[c->ids.dimensions++] = a->shape.length[c->rows.dimensions];
  }
  put_size(c, family->ids_per_row, per_row);
  if (per_row == 0) return fail(a->function, a->name, NULL, -1, "has no ids");
  return bind_dense(c, a, pointer, a->element, &c->ids);
}

static void *next_number(struct call *c, double value) {
  struct number *number = &c->numbers[c->numbers_used++];
  if (c->values == F64)
    number->twice = value;
  else
    number->single = (float)value;
  return number;
}

static bool is_number(PyObject *object) { return PyFloat_Check(object) || PyLong_Check(object); }

static bool bind_number(struct call *c, int field, PyObject *given, size_t pointer) {
  double value;
  if (!bind_double(c, field, given, &value)) return false;
  put_pointer(c, pointer, next_number(c, value));
  return true;
}

/* Whether a values array covers the rows, and not the columns: of their shape, or with a last axis of 1. */
static bool covers_rows(const struct call *c, const struct shape *shape) {
  const int dimensions = c->rows.dimensions;
  const bool one_more = shape->dimensions == dimensions + 1 && shape->length[dimensions] == 1;
  return (shape->dimensions == dimensions || one_more) &&
         memcmp(shape->length, c->rows.length, sizeof *shape->length * (size_t)dimensions) == 0;
}

static bool covers_columns(const struct call *c, const struct shape *shape) {
  for (int i = 0; i + 1 < shape->dimensions; i++)
    if (shape->length[i] != 1) return false;
  return shape->dimensions > 0 && shape->dimensions <= c->full.dimensions && c->axis == c->full.dimensions - 1 &&
         shape->length[shape->dimensions - 1] == c->full.length[c->axis];
}

/* Weights, pos_weight, variance. Those of Keras and variances are one a row where they have its shape; those a class
 * are one a column; others follow the rules of broadcasting, and are written out where vloss has no name for that. */
static bool bind_spread(struct call *c, struct array *a, int field) {
  const struct field *f = &c->function->family->fields[field];
  const uint32_t operands = c->function->loss->operands;
  const bool weights = f->offset == offsetof(vloss_loss_args, weights);
  const bool a_class = weights && operands & VLOSS_WEIGHTS_A_CLASS;
  const bool rows_first = weights ? c->function->keras : c->function->kind == VLOSS_GAUSSIAN_NLL;
  vloss_spread spread = VLOSS_PER_ELEMENT;
  const bool spreads = weights || operands & VLOSS_OTHER_SPREADS;
  if (!spreads)
    spread = VLOSS_PER_ELEMENT;
  else if (a->shape.dimensions == 0 && !a_class)
    spread = VLOSS_PER_CALL;
  else if (array_has_shape(a, &c->full) && (c->rows.dimensions > 0 || a->element == c->type))
    spread = VLOSS_PER_ELEMENT;
  else if (rows_first && covers_rows(c, &a->shape))
    spread = VLOSS_PER_ROW;
  else if (covers_columns(c, &a->shape))
    spread = VLOSS_PER_COLUMN;
  else if (covers_rows(c, &a->shape) && a->shape.dimensions > c->rows.dimensions)
    spread = VLOSS_PER_ROW;
  put_enum(c, f->more + sizeof(size_t), (int)spread);
  if (spread != VLOSS_PER_ELEMENT) {
    size_t stride;
    if (!array_expect_element(a, c->values) || !fit(a, 0, &stride)) return false;
    put_pointer(c, f->offset, a->data);
    return true;
  }
  if (!array_expect_element(a, c->type)) return false;
  if (spreads && !array_has_shape(a, &c->full) && !array_make_dense(a, &c->full)) return false;
  return bind_matrix(c, a, f->offset, f->more);
}

/* Where the loss is one number, an array of one is that, too. */
static void drop_axis_of_one(const struct call *c, struct array *a) {
  if (c->loss.dimensions == 0 && a->shape.dimensions == 1 && a->shape.length[0] == 1) a->shape.dimensions = 0;
}

static bool bind_input(struct call *c, int field, PyObject *given) {
  const struct field *f = &c->function->family->fields[field];
  const bool scalar_loss = f->role == LOSS_VALUES && c->loss.dimensions == 0;
  if (is_number(given) && (f->role == SPREAD || scalar_loss)) {
    if (f->role == SPREAD) put_enum(c, f->more + sizeof(size_t), VLOSS_PER_CALL);
    return bind_number(c, field, given, f->offset);
  }
  struct array *a;
  if (field == 0) return bind_matrix(c, &c->arrays[0], f->offset, f->more);
  if (!take(c, field, given, false, &a)) return false;
  const struct shape classes = {1, {c->full.dimensions > 0 ? c->full.length[c->axis] : 1}};
  switch (f->role) {
    case MATRIX:
      return array_expect_element(a, c->type) && bind_matrix(c, a, f->offset, f->more);
    case OTHER_MATRIX:
      if (a->element > BF16 && !array_expect_element(a, c->type)) return false;
      c->args.divergence.teacher_type = (vloss_type)a->element;
      return bind_matrix(c, a, f->offset, f->more);
    case TARGETS:
      if (is_label(a)) return bind_labels(c, a, f->offset);
      if (a->element > BF16) return array_fail_element(a, "int64 or int32, of labels, or that of the logits,");
      if (!array_expect_element(a, c->type)) return false;
      return bind_matrix(c, a, f->more, offsetof(vloss_cross_entropy_args, targets_stride));
    case TARGET:
      if (c->function->loss->operands & VLOSS_TAKES_TARGET_PER_ROW)
        return bind_dense(c, a, f->offset, c->values, &c->rows);
      return array_expect_element(a, c->type) && bind_matrix(c, a, f->offset, f->more);
    case LABELS:
      return bind_labels(c, a, f->offset);
    case IDS:
      return bind_ids(c, a, f->offset);
    case ROW_VALUES:
      return bind_dense(c, a, f->offset, c->values, &c->rows);
    case CLASS_VALUES:
      return bind_dense(c, a, f->offset, c->values, &classes);
    case ID_VALUES:
      return c->ids.dimensions < 0 ? refuse(c, field, "needs ids") : bind_dense(c, a, f->offset, c->values, &c->ids);
    case LOSS_VALUES:
      drop_axis_of_one(c, a);
      return bind_dense(c, a, f->offset, c->values, &c->loss);
    default:
      return bind_spread(c, a, field);
  }
}

/* ---- Outputs ---- */

static bool is_made(const struct call *c, const struct field *f) {
  if (f->role == RESULT) return true;
  if (f->role == MATRIX_OUT) return false;
  return f->more == ALWAYS || (f->more == WITH_IDS && c->ids.dimensions >= 0) ||
         (f->more == WITH_TOP && c->args.log_probs.top > 0);
}

static PyObject *make(const struct call *c, const struct shape *shape, enum element element) {
  PyObject *lengths = shape_tuple(shape);
  PyObject *name = lengths ? PyUnicode_InternFromString(element_names[element]) : NULL;
  PyObject *made = NULL;
  if (name) {
    PyObject *const arguments[] = {c->given[0], lengths, name};
    made = PyObject_Vectorcall(lent.empty, arguments, 3, NULL);
  }
  Py_XDECREF(name);
  Py_XDECREF(lengths);
  return made;
}

static bool bind_output(struct call *c, int field, PyObject *given) {
  const struct field *f = &c->function->family->fields[field];
  const bool asked = given ? given != Py_False : is_made(c, f);
  if (!asked) return true;
  const bool own = !given || given == Py_True;
  const struct shape *shape = f->role == LOSS                                   ? &c->loss
                              : f->role == RESULT || f->role == MATRIX_OUT      ? &c->full
                              : f->role == IDS_OUT || f->role == ID_LABELS_OUT  ? &c->ids
                              : f->role == TOP_OUT || f->role == TOP_LABELS_OUT ? &c->top
                                                                                : &c->rows;
  const bool labels = f->role == ROW_LABELS_OUT || f->role == ID_LABELS_OUT || f->role == TOP_LABELS_OUT;
  const enum element element = f->role == RESULT || f->role == MATRIX_OUT ? c->type
                               : labels                                   ? (c->label == OTHER ? I64 : c->label)
                               : f->role == ROW_FLAGS_OUT                 ? I32
                                                                          : c->values;
  if (shape->dimensions < 0) return refuse(c, field, "needs ids");
  if (own && shape->dimensions == 0 && f->role == LOSS) {
    c->number_of[field] = c->numbers_used;
    put_pointer(c, f->offset, next_number(c, 0));
    return true;
  }
  if (own)
    given = c->results[field] = make(c, shape, element);
  else
    Py_INCREF(c->results[field] = given);
  struct array *a;
  size_t stride;
  if (!given || !take(c, field, given, true, &a) || !array_expect_element(a, element)) return false;
  if (f->role == LOSS) drop_axis_of_one(c, a);
  if (!array_expect_shape(a, shape)) return false;
  if (!a->writable) return refuse(c, field, "is read-only");
  const bool matrix = f->role == RESULT || f->role == MATRIX_OUT;
  if (!array_fits(a, matrix ? c->axis : 0, &stride))
    return refuse(c, field, matrix ? "is not contiguous from the axis of classes on" : "is not contiguous");
  put_pointer(c, f->offset, a->data);
  if (matrix) put_size(c, f->more, stride);
  return true;
}

/* ---- All of them ---- */

bool call_bind(struct call *c) {
  const struct function *function = c->function;
  const struct family *family = function->family;
  c->elementwise = function->loss && function->loss->family == VLOSS_ELEMENTWISE;
  c->label = OTHER;
  c->ids.dimensions = -1;
  if (function->loss) c->args.loss.kind = (vloss_loss_kind)function->kind;
  if (family->bad != NOWHERE) put_pointer(c, family->bad, &c->bad);
  for (int i = 0; i < family->count; i++) {
    const enum role role = family->fields[i].role;
    if (role >= FIRST_INPUT) continue;
    if (role == REDUCTION && !c->given[i] && !bind_reduction(c, i, NULL)) return false;
    if (c->given[i] && !bind_option(c, i, c->given[i])) return false;
  }
  if (!bind_geometry(c)) return false;
  for (int i = 0; i < family->count; i++) {
    const enum role role = family->fields[i].role;
    if (role < FIRST_INPUT || role >= FIRST_OUTPUT || !c->given[i]) continue;
    if (!bind_input(c, i, c->given[i])) return false;
  }
  if (family->top != NOWHERE) {
    if (c->args.log_probs.top > c->args.log_probs.classes)
      return fail(function->name, "top", NULL, -1, "%zu is more than the %zu classes", c->args.log_probs.top,
                  c->args.log_probs.classes);
    c->top = c->rows;
    c->top.length[c->top.dimensions++] = (Py_ssize_t)c->args.log_probs.top;
  }
  for (int i = 0; i < family->count; i++)
    if (family->fields[i].role >= FIRST_OUTPUT && !bind_output(c, i, c->given[i])) return false;
  return true;
}
