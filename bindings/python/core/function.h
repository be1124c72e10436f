/* A function of the package: a family of calls, or one loss, with the names that its arguments have in Python. */
#ifndef VLOSS_PYTHON_FUNCTION_H
#define VLOSS_PYTHON_FUNCTION_H

#include "arrays.h"
#include "families.h"

struct function {
  const char *name;
  const struct family *family;
  const vloss_loss_info *loss; /* of the family loss, else null */
  int kind, logits_kind;       /* of it; logits_kind 0: there is none */
  bool keras;                  /* reductions and weights of Keras: one a row */
  vloss_reduction reduction;   /* the default */
  int axis;                    /* the default; that of PyTorch's cross-entropy where it is NO_AXIS */
  int arguments, positional, required;
  PyObject *keyword[MAX_FIELDS + 2]; /* interned */
  int field[MAX_FIELDS + 2];         /* what each keyword fills: two may fill the same output */
  const char *name_of[MAX_FIELDS];   /* of each field, for messages */
  PyMethodDef definition;
};

enum { NO_AXIS = 1000 };

/* One call. given: a borrowed object for each field of the family, or null. */
PyObject *function_call(const struct function *function, PyObject *const *given);

PyObject *merge_states(PyObject *module, PyObject *args); /* merge.c */

/* An executor of `threads` POSIX threads, started for every run. */
vloss_executor threads_executor(size_t threads);
size_t threads_available(void);

#endif
