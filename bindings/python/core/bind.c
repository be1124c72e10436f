/* From the arguments of a call in Python to those of vloss: options, then inputs, then outputs (families.h). */
#include "call.h"

bool call_refuse(const struct call *c, int field, const char *what) {
  return fail(c->function->name, call_name_of(c, field), NULL, -1, "%s", what);
}

bool call_take(struct call *c, int field, PyObject *object, bool writable, struct array **array) {
  *array = &c->arrays[c->held];
  if (!array_take(*array, c->function->name, call_name_of(c, field), object, writable, c->bits)) return false;
  c->array_of[field] = c->held++;
  return true;
}

void *call_number(struct call *c, double value) {
  struct number *number = &c->numbers[c->numbers_used++];
  if (c->values == F64)
    number->twice = value;
  else
    number->single = (float)value;
  return number;
}

/* Where the loss is one number, an array of one is that, too. */
void call_drop_axis_of_one(const struct call *c, struct array *a) {
  if (c->loss.dimensions == 0 && a->shape.dimensions == 1 && a->shape.length[0] == 1) a->shape.dimensions = 0;
}

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
