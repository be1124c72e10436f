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

size_t call_classes(const struct call *c) {
  const struct family *family = c->function->family;
  size_t classes = 0;
  if (family->total_classes != NOWHERE) memcpy(&classes, c->args.bytes + family->total_classes, sizeof classes);
  if (classes == 0) memcpy(&classes, c->args.bytes + family->classes, sizeof classes);
  return classes;
}

size_t call_state_words(const struct call *c) {
  if (c->function->family->top == NOWHERE) return sizeof(vloss_row_state) / 8;
  return vloss_log_probs_state_bytes(call_classes(c), c->args.log_probs.ids_per_row, c->args.log_probs.top) / 8;
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
    if (role == SIZE && family->fields[i].offset == family->total_classes && !c->given[i])
      return call_refuse(c, i, "has to be given");
    if (role == REDUCTION && !c->given[i] && !bind_reduction(c, i, NULL)) return false;
    if (c->given[i] && !bind_option(c, i, c->given[i])) return false;
  }
  if (!bind_geometry(c)) return false;
  for (int next = 1; next <= family->count; next++) { /* the first is last: ids say how long states are */
    const int i = next < family->count ? next : 0;
    const enum role role = family->fields[i].role;
    if (role < FIRST_INPUT || role >= FIRST_OUTPUT || !c->given[i]) continue;
    if (!bind_input(c, i, c->given[i])) return false;
  }
  if (family->top != NOWHERE) {
    if (c->args.log_probs.top > call_classes(c))
      return fail(function->name, "top", NULL, -1, "%zu is more than the %zu classes", c->args.log_probs.top,
                  call_classes(c));
    c->top = c->rows;
    c->top.length[c->top.dimensions++] = (Py_ssize_t)c->args.log_probs.top;
  }
  for (int i = 0; i < family->count; i++)
    if (family->fields[i].role >= FIRST_OUTPUT && !bind_output(c, i, c->given[i])) return false;
  return true;
}
