/* The options of a call: numbers, names, switches (families.h). */
#include "call.h"

static bool is_text(PyObject *object, const char *text) {
  return PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, text) == 0;
}

bool bind_reduction(struct call *c, int field, PyObject *given) {
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
  return number >= 0 || call_refuse(c, field, "is negative");
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
      return call_refuse(c, field, "is neither None nor a whole number of 64 bits");
    }
  }
  if (given != Py_None && value == -100) return true; /* the default, which goes with probabilities, too */
  put_enum(c, family->ignore, given == Py_None ? VLOSS_IGNORE_NOTHING : VLOSS_IGNORE_INDEX);
  memcpy(c->args.bytes + family->ignore_index, &value, sizeof value);
  return true;
}

bool bind_double(struct call *c, int field, PyObject *given, double *value) {
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

bool bind_option(struct call *c, int field, PyObject *given) {
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
      if (f->role == POSITIVE && value == 0) return call_refuse(c, field, "is 0");
      memcpy(c->args.bytes + f->offset, &value, sizeof value);
      return true;
    case FLAG:
    case BITS:
    case DOUBLES:
    case FROM_LOGITS:
      if ((truth = PyObject_IsTrue(given)) < 0) return false;
      if (truth && f->role == FLAG) {
        uint32_t flags;
        memcpy(&flags, c->args.bytes + c->function->family->flags, sizeof flags);
        flags |= (uint32_t)f->offset;
        memcpy(c->args.bytes + c->function->family->flags, &flags, sizeof flags);
      } else if (truth && f->role == BITS) {
        c->bits = true;
      } else if (truth && f->role == DOUBLES) {
        c->type = F64;
      } else if (truth) {
        c->args.loss.kind = (vloss_loss_kind)c->function->logits_kind;
      }
      return true;
    default:
      return true; /* AXIS, read with the shape */
  }
}
