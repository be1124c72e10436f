/* States of rows whose classes are spread over calls (docs/python.md), put together. */
#include "function.h"

/* Words of 8 bytes, one state behind the other. */
static bool take_states(struct array *a, const char *function, const char *name, PyObject *object, bool writable) {
  size_t stride;
  if (!array_take(a, function, name, object, writable, false)) return false;
  if (!array_expect_element(a, I64)) return false;
  if (a->shape.dimensions == 0) return fail(function, name, NULL, -1, "has no axis of the words of a state");
  if (writable && !a->writable) return fail(function, name, NULL, -1, "is read-only");
  if (array_fits(a, 0, &stride)) return true;
  return writable ? fail(function, name, NULL, -1, "is not contiguous") : array_make_dense(a, NULL);
}

static vloss_status merged(struct array *into, const struct array *from, bool of_log_probs) {
  const int last = into->shape.dimensions - 1;
  const size_t words = (size_t)into->shape.length[last];
  size_t count = 1;
  for (int i = 0; i < last; i++) count *= (size_t)into->shape.length[i];
  if (of_log_probs) return vloss_log_probs_merge(into->data, from->data, count, 8 * words);
  if (8 * words != sizeof(vloss_row_state)) return VLOSS_ERROR_STATE;
  return vloss_cross_entropy_merge((vloss_row_state *)into->data, (const vloss_row_state *)from->data, count);
}

/* merge(name, of_log_probs, into, states) -> into */
PyObject *merge_states(PyObject *module, PyObject *args) {
  const char *name;
  int of_log_probs;
  PyObject *into, *states;
  (void)module;
  if (!PyArg_ParseTuple(args, "spOO", &name, &of_log_probs, &into, &states)) return NULL;
  struct array to = {0}, from = {0};
  bool done = take_states(&to, name, "into", into, true) && take_states(&from, name, "states", states, false) &&
              array_expect_shape(&from, &to.shape);
  if (done) {
    const vloss_status status = merged(&to, &from, of_log_probs);
    done =
        status == VLOSS_OK || fail(name, "states", vloss_status_name(status), -1, "%s", vloss_status_message(status));
  }
  array_release(&to);
  array_release(&from);
  return done ? Py_NewRef(into) : NULL;
}
