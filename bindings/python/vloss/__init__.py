"""vloss: losses on the CPU, with gradients and the same bits on every ISA.

    loss = vloss.cross_entropy(logits, labels)
    loss, grad = vloss.cross_entropy(logits, labels, return_grad=True)

Arrays are anything with a buffer or __dlpack__ on the CPU (NumPy, torch, array.array, ...), of float32, float64, float16 or bfloat16;
results are NumPy arrays, or tensors where the first argument is one, and a float where there is one number. Arrays are read where they
are, if their rows are dense, and copied otherwise. Losses of 16-bit arrays are float32. help(vloss.cross_entropy) says what a function
takes; vloss.torch has the modules of torch.nn.
"""
from . import _core
from ._arrays import Error, bits as _bits, empty as _empty
from ._functions import specs as _specs

_core.lend(Error, _empty, _bits)
__version__ = _core.version()
force_isa = _core.force_isa


def info():
    """What runs here: version, ISA, why other ISAs cannot run, CPU features, and the losses with their parameters."""
    return {"version": _core.version(), "isa": _core.isa(), "unsupported": {k: v for k, v in _core.isas().items() if v},
            "cpu_features": _core.cpu_features().split(), "losses": _core.losses()}  # fmt: skip


def _merge(name, of_log_probs):
    def merge(into, *states):
        for others in states:
            _core.merge(name, of_log_probs, into, others)
        return into

    merge.__name__ = merge.__qualname__ = name
    merge.__doc__ = f"""Adds states to `into`, those of other classes of the same rows, and returns it: in any order, the same bits.

    vloss.Error: states of other calls or options, or of the same classes twice; what is in `into` stays as it was then."""
    return merge


cross_entropy_merge = _merge("cross_entropy_merge", False)
log_probs_merge = _merge("log_probs_merge", True)


def __getattr__(name):
    if name == "isa":  # the one in use, which may change
        return _core.isa()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_made = {spec.name: spec.make() for spec in _specs()}
globals().update(_made)
log_sum_exp = _made["logsumexp"]
__all__ = ["Error", "force_isa", "info", "log_sum_exp", "cross_entropy_merge", "log_probs_merge", *_made]
