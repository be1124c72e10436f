/* The module vloss._core: makes functions from tables (families.h) with names, documentation and defaults of Python. */
#include <string.h>

#include "function.h"

/* ---- Calling: positions and keywords to fields ---- */

static int position_of(const struct function *f, PyObject *keyword) {
  for (int i = 0; i < f->arguments; i++)
    if (f->keyword[i] == keyword) return i;
  for (int i = 0; i < f->arguments; i++) /* a string that nobody interned */
    if (PyUnicode_Compare(f->keyword[i], keyword) == 0) return i;
  return -1;
}

/* None counts as not given, but where it means something. return_grad and grad_out fill one field: an array wins. */
static void give(const struct function *f, PyObject **given, int position, PyObject *object) {
  const int field = f->field[position];
  if (object == Py_None && f->family->fields[field].role != IGNORE) return;
  if (given[field] && PyBool_Check(object)) return;
  given[field] = object;
}

static PyObject *call(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
  const struct function *f = PyModule_GetState(self);
  PyObject *given[MAX_FIELDS] = {NULL};
  if (!f) return NULL;
  if (nargs > f->positional)
    return PyErr_Format(PyExc_TypeError, "%s takes %d positional arguments, not %zd", f->name, f->positional, nargs);
  for (int i = 0; i < nargs; i++) give(f, given, i, args[i]);
  for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
    PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
    const int position = position_of(f, keyword);
    if (position < 0) return PyErr_Format(PyExc_TypeError, "%s has no argument %R", f->name, keyword);
    if (position < nargs) return PyErr_Format(PyExc_TypeError, "%s was given %R twice", f->name, keyword);
    give(f, given, position, args[nargs + i]);
  }
  for (int i = 0; i < f->required; i++)
    if (!given[f->field[i]]) return PyErr_Format(PyExc_TypeError, "%s needs the argument %R", f->name, f->keyword[i]);
  return function_call(f, given);
}

/* ---- Making functions ---- */

/* A builtin function is pickled by its name if what it is bound to is a module. So the struct function of each is the
 * state of a module of its own, which nobody sees. */
static void function_free(void *module) {
  struct function *f = PyModule_GetState(module);
  for (int i = 0; i < f->arguments; i++) Py_XDECREF(f->keyword[i]);
  PyMem_Free((char *)f->name);
  PyMem_Free((char *)f->definition.ml_doc);
}

static struct PyModuleDef holder = {PyModuleDef_HEAD_INIT, .m_name = "vloss", .m_size = sizeof(struct function),
                                    .m_free = function_free};

static char *copy_of(const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = PyMem_Malloc(size);
  return copy ? memcpy(copy, text, size) : NULL;
}

static int field_named(const struct family *family, const char *name) {
  for (int i = 0; i < family->count; i++)
    if (strcmp(family->fields[i].name, name) == 0) return i;
  return -1;
}

/* The argument `keyword` fills the field of that name. */
static bool add_argument(struct function *f, const char *keyword, const char *field) {
  const int index = field_named(f->family, field);
  if (index < 0 || f->arguments == (int)(sizeof f->field / sizeof *f->field)) {
    PyErr_Format(PyExc_ValueError, "%s has no field %s", f->family->name, field);
    return false;
  }
  PyObject *interned = PyUnicode_InternFromString(keyword);
  if (!interned) return false;
  f->keyword[f->arguments] = interned; /* lives as long as f */
  f->field[f->arguments++] = index;
  f->name_of[index] = PyUnicode_AsUTF8(interned);
  return true;
}

/* function(family, name, documentation, arguments, positional, required, *, kind, logits_kind, keras, reduction, axis)
 * -> a builtin function. arguments: (keyword, field) pairs, those that may be positional first. */
static PyObject *make_function(PyObject *module, PyObject *args, PyObject *keywords) {
  static char *names[] = {"family", "name",        "documentation", "arguments", "positional", "required",
                          "kind",   "logits_kind", "keras",         "reduction", "axis",       NULL};
  const char *family, *name, *documentation;
  PyObject *arguments;
  (void)module;
  int positional, required, kind = 0, logits_kind = 0, keras = 0, reduction = VLOSS_MEAN, axis = -1;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "sssOii|$iipii", names, &family, &name, &documentation, &arguments,
                                   &positional, &required, &kind, &logits_kind, &keras, &reduction, &axis))
    return NULL;
  PyObject *self = PyModule_Create(&holder);
  if (!self) return NULL;
  struct function *f = PyModule_GetState(self);
  f->family = family_named(family);
  f->loss = kind ? vloss_loss_info_of((vloss_loss_kind)kind) : NULL;
  f->kind = kind;
  f->logits_kind = logits_kind;
  f->keras = keras;
  f->reduction = (vloss_reduction)reduction;
  f->axis = axis;
  f->positional = positional;
  f->required = required;
  f->name = copy_of(name);
  f->definition =
      (PyMethodDef){f->name, (PyCFunction)(void (*)(void))call, METH_FASTCALL | METH_KEYWORDS, copy_of(documentation)};
  PyObject *function = NULL, *pairs = NULL;
  if (!f->name || !f->definition.ml_doc) {
    PyErr_NoMemory();
    goto done;
  }
  if (!f->family || (strcmp(family, "loss") == 0) != (f->loss != NULL)) {
    PyErr_Format(PyExc_ValueError, "no family %s with a loss of kind %d", family, kind);
    goto done;
  }
  if (!(pairs = PySequence_Fast(arguments, "arguments is no sequence"))) goto done;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(pairs); i++) {
    const char *keyword, *field;
    if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(pairs, i), "ss", &keyword, &field) ||
        !add_argument(f, keyword, field))
      goto done;
  }
  PyObject *module_name = PyUnicode_FromString("vloss");
  function = PyCFunction_NewEx(&f->definition, self, module_name);
  Py_XDECREF(module_name);
done:
  Py_XDECREF(pairs);
  Py_DECREF(self);
  return function;
}

/* ---- What the library says of itself ---- */

static PyObject *losses(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  PyObject *all = PyList_New(0);
  const vloss_loss_info *info;
  for (size_t i = 0; all && (info = vloss_loss_info_at(i)); i++) {
    PyObject *parameters = PyList_New(0), *apis = PyList_New(0), *loss = NULL;
    for (size_t k = 0; parameters && k < info->parameter_count; k++) {
      const vloss_parameter_info *p = &info->parameters[k];
      PyObject *row = Py_BuildValue("(sdddOO)", p->name, p->default_value, p->minimum, p->maximum,
                                    p->above_minimum ? Py_True : Py_False, p->whole ? Py_True : Py_False);
      if (!row || PyList_Append(parameters, row) != 0) Py_CLEAR(parameters);
      Py_XDECREF(row);
    }
    for (const char *const *api = info->apis; apis && *api; api++) {
      PyObject *text = PyUnicode_FromString(*api);
      if (!text || PyList_Append(apis, text) != 0) Py_CLEAR(apis);
      Py_XDECREF(text);
    }
    if (parameters && apis)
      loss = Py_BuildValue("{sssisisIszsOsO}", "name", info->name, "kind", (int)info->kind, "family", (int)info->family,
                           "operands", info->operands, "other", info->other, "parameters", parameters, "apis", apis);
    Py_XDECREF(parameters);
    Py_XDECREF(apis);
    if (!loss || PyList_Append(all, loss) != 0) Py_CLEAR(all);
    Py_XDECREF(loss);
  }
  return all;
}

static PyObject *status_result(vloss_status status, PyObject *result) {
  if (status == VLOSS_OK) return result;
  Py_XDECREF(result);
  fail("vloss", "isa", vloss_status_name(status), -1, "%s", vloss_status_message(status));
  return NULL;
}

static PyObject *isa(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  const char *name = NULL;
  const vloss_status status = vloss_isa_current(&name);
  return status_result(status, status == VLOSS_OK ? PyUnicode_FromString(name) : NULL);
}

static PyObject *force_isa(PyObject *module, PyObject *name) {
  (void)module;
  const char *text = name == Py_None ? NULL : PyUnicode_AsUTF8(name);
  if (!text && name != Py_None) return NULL;
  return status_result(vloss_isa_force(text), Py_NewRef(Py_None));
}

static PyObject *isas(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  PyObject *all = PyDict_New();
  for (size_t i = 0; all && i < vloss_isa_count(); i++) {
    const char *name = vloss_isa_name(i);
    PyObject *reason = Py_BuildValue("z", vloss_isa_unsupported_reason(name));
    if (!reason || PyDict_SetItemString(all, name, reason) != 0) Py_CLEAR(all);
    Py_XDECREF(reason);
  }
  return all;
}

static PyObject *version(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return PyUnicode_FromString(vloss_version());
}

static PyObject *cpu_features(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return PyUnicode_FromString(vloss_cpu_features());
}

static PyObject *lend(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *error, *empty, *bits;
  if (!PyArg_ParseTuple(args, "OOO", &error, &empty, &bits)) return NULL;
  lent = (struct lent){Py_NewRef(error), Py_NewRef(empty), Py_NewRef(bits), NULL, NULL};
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"function", (PyCFunction)(void (*)(void))make_function, METH_VARARGS | METH_KEYWORDS, NULL},
    {"lend", lend, METH_VARARGS, NULL},
    {"merge", merge_states, METH_VARARGS, NULL},
    {"losses", losses, METH_NOARGS, NULL},
    {"isa", isa, METH_NOARGS, NULL},
    {"force_isa", force_isa, METH_O,
     "force_isa(name)\n--\n\nSelects an ISA for the whole process; None: the best, or what VLOSS_ISA says."},
    {"isas", isas, METH_NOARGS, NULL},
    {"version", version, METH_NOARGS, NULL},
    {"cpu_features", cpu_features, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "vloss._core", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC PyInit__core(void) {
  PyObject *module = PyModule_Create(&definition);
  if (module && PyModule_AddIntConstant(module, "NO_AXIS", NO_AXIS) != 0) Py_CLEAR(module);
  return module;
}
