"""What the extension asks of Python: new arrays of the caller's kind, and the memory of ml_dtypes' bfloat16."""
import sys


class Error(ValueError):
    """A call that vloss refused; nothing was written.

    argument: the name of the argument that is wrong, or None. status: that of the C library, such as
    "VLOSS_ERROR_LABEL", or None if the binding refused. index: the first bad row (of labels) or element
    (row * columns + column, of probabilities, variances and rates), or None.
    """

    argument = status = index = None


def empty(like, shape, dtype):
    """An array for results: a tensor if `like` is one, else NumPy's; bfloat16 is ml_dtypes' if `like` is, else uint16."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(like, torch.Tensor):
        return torch.empty(shape, dtype=getattr(torch, dtype))
    try:
        import numpy
    except ImportError:
        raise Error("NumPy is needed to make an array of results; or pass one to write to") from None
    if dtype == "bfloat16":
        given = getattr(like, "dtype", None)
        dtype = given if getattr(given, "name", None) == "bfloat16" else "uint16"
    return numpy.empty(shape, dtype)


def bits(array):
    """An array of ml_dtypes' bfloat16, which has no buffer, as uint16 of the same memory; None for any other."""
    if getattr(getattr(array, "dtype", None), "name", None) == "bfloat16" and hasattr(array, "view"):
        return array.view("uint16")
    return None
