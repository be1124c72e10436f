"""vloss.h in ctypes, as far as the scripts beside this one need it."""
import ctypes
import itertools

size_t, pointer, u32, c_int = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int
MEAN, SUM, NONE, BATCH_MEAN = range(4)
PER_ELEMENT, PER_COLUMN, PER_ROW, PER_CALL = range(4)
GRAD_TARGET, GRAD_OTHER = 256, 512
LOGITS = 2
F32, F64, F16, BF16 = range(4)
REDUCTIONS = {"mean": MEAN, "sum": SUM, "none": NONE, "batchmean": BATCH_MEAN}


def struct(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": list(fields)})


LossArgs = struct(
    "vloss_loss_args",
    ("kind", c_int), ("rows", size_t), ("columns", size_t), ("inner", size_t),
    ("prediction", pointer), ("prediction_stride", size_t), ("target", pointer), ("target_stride", size_t),
    ("other", pointer), ("other_stride", size_t), ("other_spread", c_int), ("type", c_int),
    ("labels", pointer), ("label_type", c_int),
    ("weights", pointer), ("weights_stride", size_t), ("weights_spread", c_int),
    ("parameters", ctypes.POINTER(ctypes.c_double)), ("parameter_count", size_t),
    ("reduction", c_int), ("flags", u32), ("upstream", pointer),
    ("loss", pointer), ("grad", pointer), ("grad_stride", size_t), ("grad_target", pointer),
    ("grad_target_stride", size_t), ("grad_other", pointer), ("grad_other_stride", size_t), ("bad_index", pointer))  # fmt: skip

CrossEntropyArgs = struct(
    "vloss_cross_entropy_args",
    ("rows", size_t), ("classes", size_t), ("inner", size_t), ("logits", pointer), ("logits_stride", size_t),
    ("type", c_int), ("labels", pointer), ("label_type", c_int), ("ignore", c_int), ("ignore_index", ctypes.c_int64),
    ("targets", pointer), ("targets_stride", size_t), ("weights", pointer), ("label_smoothing", ctypes.c_double),
    ("reduction", c_int), ("flags", u32), ("upstream", pointer), ("loss", pointer), ("grad", pointer),
    ("grad_stride", size_t), ("lse", pointer), ("predicted", pointer), ("bad_row", pointer))  # fmt: skip

LogProbsArgs = struct(
    "vloss_log_probs_args",
    ("rows", size_t), ("classes", size_t), ("inner", size_t), ("logits", pointer), ("logits_stride", size_t),
    ("type", c_int), ("scale", ctypes.c_double), ("softcap", ctypes.c_double), ("ids", pointer), ("ids_per_row", size_t),
    ("label_type", c_int), ("ignore", c_int), ("ignore_index", ctypes.c_int64), ("flags", u32), ("logprob", pointer),
    ("rank", pointer), ("top", size_t), ("top_id", pointer), ("top_logprob", pointer), ("max", pointer),
    ("log_sum", pointer), ("lse", pointer), ("entropy", pointer), ("upstream", pointer), ("entropy_upstream", pointer),
    ("lse_upstream", pointer), ("grad", pointer), ("grad_stride", size_t), ("bad_row", pointer))  # fmt: skip

FORWARD_KL, REVERSE_KL, JSD, TOTAL_VARIATION = range(4)
DivergenceArgs = struct(
    "vloss_divergence_args",
    ("kind", c_int), ("rows", size_t), ("classes", size_t), ("inner", size_t), ("student", pointer),
    ("student_stride", size_t), ("student_type", c_int), ("teacher", pointer), ("teacher_stride", size_t),
    ("teacher_type", c_int), ("scale", ctypes.c_double), ("beta", ctypes.c_double), ("labels", pointer),
    ("label_type", c_int), ("ignore", c_int), ("ignore_index", ctypes.c_int64), ("reduction", c_int), ("flags", u32),
    ("upstream", pointer), ("loss", pointer), ("same_top", pointer), ("grad", pointer), ("grad_stride", size_t))  # fmt: skip

LossInfo = struct(
    "vloss_loss_info",
    ("kind", c_int), ("family", c_int), ("name", ctypes.c_char_p), ("operands", u32), ("other", ctypes.c_char_p),
    ("parameters", pointer), ("parameter_count", size_t), ("apis", ctypes.POINTER(ctypes.c_char_p)))  # fmt: skip


def load(path):
    library = ctypes.CDLL(path)
    library.vloss_loss_info_at.restype = ctypes.POINTER(LossInfo)
    library.vloss_loss_info_at.argtypes = [size_t]
    library.vloss_status_name.restype = ctypes.c_char_p
    return library


def registry(library):
    for index in itertools.count():
        info = library.vloss_loss_info_at(index)
        if not info:
            return
        yield info.contents


def apis(info):
    return list(map(bytes.decode, itertools.takewhile(lambda api: api is not None, info.apis)))


class Mismatch(Exception):
    """What differs; or the status of a call that answered another one than VLOSS_OK."""


class TypeRefused(Exception):
    """The status of a call whose element type is not computed."""


def address(tensor):
    return None if tensor is None else tensor.data_ptr()


def call(library, function, args):
    status = getattr(library, function)(ctypes.byref(args), size_t(ctypes.sizeof(args)))
    if status:
        name = library.vloss_status_name(status).decode()
        refusals = ("VLOSS_ERROR_TYPE", "VLOSS_ERROR_NO_SLEEF", "VLOSS_ERROR_NO_FMA")
        raise (TypeRefused if name in refusals else Mismatch)(name)
