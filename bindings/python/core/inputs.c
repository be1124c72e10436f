/* The inputs of a call: what the first matrix says of its shape, and where the others lie. */
#include "call.h"

/* ---- Shapes ---- */

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

/* The matrix that gives shape and type, or the states that give the shape; rows, classes and inner of the call. */
bool bind_geometry(struct call *c) {
  const struct family *family = c->function->family;
  struct array *a;
  if (!call_take(c, 0, c->given[0], false, &a)) return false;
  if (family->fields[0].role == STATES) {
    if (!array_expect_element(a, I64)) return false; /* the type is an option's */
  } else {
    if (a->element > BF16) return array_fail_element(a, "float32, float64, float16 or bfloat16");
    c->type = a->element;
  }
  c->values = c->type == F64 ? F64 : F32;
  c->full = a->shape;
  const int dimensions = c->full.dimensions;
  if (c->elementwise) {
    const bool batch = get_enum(c, family->reduction) == VLOSS_BATCH_MEAN;
    c->axis = batch || dimensions == 0 ? (dimensions > 0) : dimensions - 1;
  } else if (dimensions == 0) {
    return call_refuse(c, 0, "has no axis of classes: it is 0-dimensional");
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
  if (family->fields[0].role == STATES) classes = 0; /* that axis is none of classes */
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

static bool is_number(PyObject *object) { return PyFloat_Check(object) || PyLong_Check(object); }

static bool bind_number(struct call *c, int field, PyObject *given, size_t pointer) {
  double value;
  if (!bind_double(c, field, given, &value)) return false;
  put_pointer(c, pointer, call_number(c, value));
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

/* States that are aligned to 8 bytes, as int64 is, one behind the other. */
static bool bind_states(struct call *c, struct array *a, size_t pointer) {
  struct shape shape = c->rows;
  const int last = a->shape.dimensions - 1;
  shape.length[shape.dimensions++] = last < 0 ? 0 : a->shape.length[last];
  const size_t words = (size_t)shape.length[shape.dimensions - 1];
  if (call_state_words(c) != words)
    return fail(a->function, a->name, "VLOSS_ERROR_STATE", -1, "states of %zu numbers, not of the %zu that a row has",
                words, call_state_words(c));
  return bind_dense(c, a, pointer, I64, &shape);
}

bool bind_input(struct call *c, int field, PyObject *given) {
  const struct field *f = &c->function->family->fields[field];
  const bool scalar_loss = f->role == LOSS_VALUES && c->loss.dimensions == 0;
  if (is_number(given) && (f->role == SPREAD || scalar_loss)) {
    if (f->role == SPREAD) put_enum(c, f->more + sizeof(size_t), VLOSS_PER_CALL);
    return bind_number(c, field, given, f->offset);
  }
  struct array *a;
  if (field == 0 && f->role == MATRIX) return bind_matrix(c, &c->arrays[0], f->offset, f->more);
  if (field == 0)
    a = &c->arrays[0];
  else if (!call_take(c, field, given, false, &a))
    return false;
  const struct shape classes = {1, {c->full.dimensions > 0 ? (Py_ssize_t)call_classes(c) : 1}};
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
    case STATES:
      return bind_states(c, a, f->offset);
    case IDS:
      return bind_ids(c, a, f->offset);
    case ROW_VALUES:
      return bind_dense(c, a, f->offset, c->values, &c->rows);
    case CLASS_VALUES:
      return bind_dense(c, a, f->offset, c->values, &classes);
    case ID_VALUES:
      return c->ids.dimensions < 0 ? call_refuse(c, field, "needs ids")
                                   : bind_dense(c, a, f->offset, c->values, &c->ids);
    case LOSS_VALUES:
      call_drop_axis_of_one(c, a);
      return bind_dense(c, a, f->offset, c->values, &c->loss);
    default:
      return bind_spread(c, a, field);
  }
}
