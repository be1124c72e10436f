/* The outputs of a call: new arrays, or those of the caller. */
#include "call.h"

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

bool bind_output(struct call *c, int field, PyObject *given) {
  const struct field *f = &c->function->family->fields[field];
  const bool asked = given ? given != Py_False : is_made(c, f);
  if (!asked) return true;
  const bool own = !given || given == Py_True;
  if (f->role == STATES_OUT) {
    c->states = c->rows;
    c->states.length[c->states.dimensions++] = (Py_ssize_t)call_state_words(c);
  }
  const struct shape *shape = f->role == LOSS                                   ? &c->loss
                              : f->role == RESULT || f->role == MATRIX_OUT      ? &c->full
                              : f->role == IDS_OUT || f->role == ID_LABELS_OUT  ? &c->ids
                              : f->role == TOP_OUT || f->role == TOP_LABELS_OUT ? &c->top
                              : f->role == STATES_OUT                           ? &c->states
                                                                                : &c->rows;
  const bool labels = f->role == ROW_LABELS_OUT || f->role == ID_LABELS_OUT || f->role == TOP_LABELS_OUT;
  const enum element element = f->role == RESULT || f->role == MATRIX_OUT ? c->type
                               : labels                                   ? (c->label == OTHER ? I64 : c->label)
                               : f->role == ROW_FLAGS_OUT                 ? I32
                               : f->role == STATES_OUT                    ? I64
                                                                          : c->values;
  if (shape->dimensions < 0) return call_refuse(c, field, "needs ids");
  if (own && shape->dimensions == 0 && f->role == LOSS) {
    c->number_of[field] = c->numbers_used;
    put_pointer(c, f->offset, call_number(c, 0));
    return true;
  }
  if (own)
    given = c->results[field] = make(c, shape, element);
  else
    Py_INCREF(c->results[field] = given);
  struct array *a;
  size_t stride;
  if (!given || !call_take(c, field, given, true, &a) || !array_expect_element(a, element)) return false;
  if (f->role == LOSS) call_drop_axis_of_one(c, a);
  if (!array_expect_shape(a, shape)) return false;
  if (!a->writable) return call_refuse(c, field, "is read-only");
  const bool matrix = f->role == RESULT || f->role == MATRIX_OUT;
  if (!array_fits(a, matrix ? c->axis : 0, &stride))
    return call_refuse(c, field, matrix ? "is not contiguous from the axis of classes on" : "is not contiguous");
  /* An empty tensor of torch has no address, which would mean that nothing is wanted. */
  static double nothing;
  put_pointer(c, f->offset, a->data ? a->data : (void *)&nothing);
  if (matrix) put_size(c, f->more, stride);
  return true;
}
