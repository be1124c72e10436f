/* Arrays that have __dlpack__: tensors of PyTorch and of others (arrays.h). */
#include "dlpack.h"

#include <string.h>

#include "arrays.h"

static enum element element_of_dlpack(DLDataType type) {
  if (type.lanes != 1) return OTHER;
  switch (type.code << 8 | type.bits) {
    case DLPACK_FLOAT << 8 | 32:
      return F32;
    case DLPACK_FLOAT << 8 | 64:
      return F64;
    case DLPACK_FLOAT << 8 | 16:
      return F16;
    case DLPACK_BFLOAT << 8 | 16:
      return BF16;
    case DLPACK_INT << 8 | 64:
      return I64;
    case DLPACK_INT << 8 | 32:
      return I32;
    case DLPACK_UINT << 8 | 16:
      return U16;
    default:
      return OTHER;
  }
}

/* PyTorch, if that is what this tensor is of: vloss does not import it. */
static void find_torch(const PyObject *object) {
  if (strcmp(Py_TYPE(object)->tp_name, "Tensor") != 0) return;
  PyObject *name = PyUnicode_FromString("torch.utils.dlpack");
  PyObject *module = name ? PyImport_GetModule(name) : NULL;
  PyObject *tensor = module ? PyObject_GetAttrString(module, "torch") : NULL;
  if (tensor) Py_SETREF(tensor, PyObject_GetAttrString(tensor, "Tensor"));
  PyObject *to_dlpack = tensor ? PyObject_GetAttrString(module, "to_dlpack") : NULL;
  Py_XDECREF(module);
  Py_XDECREF(name);
  if (to_dlpack && tensor == (PyObject *)Py_TYPE(object)) {
    lent.tensor = tensor;
    lent.to_dlpack = to_dlpack;
  } else {
    PyErr_Clear();
    Py_XDECREF(tensor);
    Py_XDECREF(to_dlpack);
  }
}

/* object.__dlpack__(), which of a tensor that requires no gradient is a function of PyTorch's around another one. */
static PyObject *dlpack_of(PyObject *object) {
  static PyObject *dlpack, *requires_grad;
  if (!dlpack && !(dlpack = PyUnicode_InternFromString("__dlpack__"))) return NULL;
  if (!requires_grad && !(requires_grad = PyUnicode_InternFromString("requires_grad"))) return NULL;
  if (!lent.tensor) find_torch(object);
  if (lent.tensor && (PyObject *)Py_TYPE(object) == lent.tensor) {
    PyObject *required = PyObject_GetAttr(object, requires_grad);
    if (!required) return NULL;
    Py_DECREF(required);
    if (required == Py_False) return PyObject_CallOneArg(lent.to_dlpack, object);
  }
  return PyObject_CallMethodNoArgs(object, dlpack);
}

bool array_take_dlpack(struct array *a, PyObject *object) {
  PyObject *capsule = dlpack_of(object);
  if (!capsule) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) && !PyObject_HasAttrString(object, "__dlpack__")) {
      PyErr_Format(PyExc_TypeError, "%s: %s: %s is no array: it has neither a buffer nor __dlpack__", a->function,
                   a->name, Py_TYPE(object)->tp_name);
      return false;
    }
    return array_fail_with_cause(a, "cannot be had");
  }
  const DLTensor *tensor = PyCapsule_GetPointer(capsule, "dltensor");
  if (!tensor) {
    Py_DECREF(capsule);
    return array_fail_with_cause(a, "__dlpack__ gave something else");
  }
  a->capsule = capsule;
  const int device = tensor->device.device_type;
  if (device != DLPACK_CPU && device != DLPACK_CUDA_HOST && device != DLPACK_ROCM_HOST)
    return fail(a->function, a->name, NULL, -1, "is on a device (DLPack type %d), not in the memory of the CPU",
                device);
  a->data = tensor->data ? (char *)tensor->data + tensor->byte_offset : NULL;
  a->writable = true;
  a->element = element_of_dlpack(tensor->dtype);
  a->shape.dimensions = tensor->ndim;
  Py_ssize_t dense = tensor->dtype.bits / 8;
  for (int i = tensor->ndim; i-- > 0 && tensor->ndim <= MAX_DIMENSIONS;) {
    a->shape.length[i] = (Py_ssize_t)tensor->shape[i];
    a->stride[i] = tensor->strides ? (Py_ssize_t)tensor->strides[i] * (tensor->dtype.bits / 8) : dense;
    dense *= a->shape.length[i];
  }
  return true;
}
