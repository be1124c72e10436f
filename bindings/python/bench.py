#!/usr/bin/env python3
"""bench.py [LIBVLOSS]: what calls from Python cost, beside PyTorch and SciPy where they are installed, as a Markdown table.

All run on one thread, in one process, interleaved; each number is the best of the runs, the C call's by ctypes on the same arrays of
the same process (LIBVLOSS is a build's shared library; needs the sources' tests/torch). Freed memory stays in the process, which favours
those that allocate results: by default the C library would give it back to the system after every large call.
"""
import ctypes
import importlib.util
import pathlib
import sys
import time

import numpy as np

import vloss

KEEP = ctypes.CDLL(None)
KEEP.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
KEEP.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD


def measure(calls, rounds):
    """The best time of each of the calls, in seconds, taken in turns."""
    times = {name: [] for name in calls}
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(2e-3 / max(time.perf_counter() - start, 1e-7)))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {name: min(values) for name, values in times.items()}


def c_call(path, x, labels, grad):
    """vloss_cross_entropy of these arrays, with the gradient."""
    file = pathlib.Path(__file__).resolve().parents[2] / "tests" / "torch" / "vloss.py"
    header = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("header", file))
    spec.loader.exec_module(header)
    library, loss = header.load(path), np.zeros(1, np.float32)
    args = header.CrossEntropyArgs(rows=x.shape[0], classes=x.shape[1], logits=x.ctypes.data, labels=labels.ctypes.data, loss=loss.ctypes.data,
                            grad=grad.ctypes.data)  # fmt: skip
    size, reference, function = ctypes.c_size_t(ctypes.sizeof(args)), ctypes.byref(args), library.vloss_cross_entropy_sized

    def call():
        if function(reference, size):
            raise RuntimeError("refused")

    call.keeps = x, labels, grad, loss
    return call


def cpu():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown CPU"


COLUMNS = ("vloss", "of tensors", "C", "vloss.torch", "PyTorch", "SciPy")


def told(seconds):
    return f"{seconds * 1e6:.3g} us" if seconds < 9.995e-4 else f"{seconds * 1e3:.3g} ms"


def say(title, times):
    print(f"| {title} | {' | '.join(told(times[column]) if column in times else '' for column in COLUMNS)} |", flush=True)


def main():
    if len(sys.argv) > 2 or "-h" in sys.argv or "--help" in sys.argv:
        sys.exit(__doc__)
    try:
        import torch
        import torch.nn.functional as F

        import vloss.torch

        torch.set_num_threads(1)
    except ImportError:
        torch = None
    try:
        from scipy.special import logsumexp
    except ImportError:
        logsumexp = None
    print(f"{cpu()}, {vloss.isa}, Python {sys.version.split()[0]}, NumPy {np.__version__}" + (f", PyTorch {torch.__version__}" if torch else ""))
    print(f"\n| | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    random = np.random.default_rng(1)

    for rows, classes, rounds in ((1, 10, 60), (64, 1000, 40), (512, 50257, 15)):
        x, t = random.normal(0, 3, (rows, classes)).astype(np.float32), random.integers(0, classes, rows)
        grad, shape = np.empty_like(x), f"{rows} x {classes:,}"
        calls = {"vloss": lambda: vloss.cross_entropy(x, t)}
        if torch:
            X, T = torch.from_numpy(x), torch.from_numpy(t)
            calls |= {"PyTorch": lambda: F.cross_entropy(X, T), "of tensors": lambda: vloss.cross_entropy(X, T),
                      "vloss.torch": lambda: vloss.torch.cross_entropy(X, T)}  # fmt: skip
        say(f"cross-entropy, {shape}", measure(calls, rounds))

        calls = {"vloss": lambda: vloss.cross_entropy(x, t, grad_out=grad)}
        if len(sys.argv) > 1:
            calls["C"] = c_call(sys.argv[1], x, t, grad)
        if torch:
            leaf, G = X.clone().requires_grad_(), torch.from_numpy(grad)
            calls["of tensors"] = lambda: vloss.cross_entropy(X, T, grad_out=G)
            calls["PyTorch"] = lambda: torch.autograd.grad(F.cross_entropy(leaf, T), leaf)
            calls["vloss.torch"] = lambda: torch.autograd.grad(vloss.torch.cross_entropy(leaf, T), leaf)
        say(f"with gradient, {shape}", measure(calls, rounds))

        calls = {"vloss": lambda: vloss.logsumexp(x)}
        if logsumexp:
            calls["SciPy"] = lambda: logsumexp(x, axis=1)
        if torch:
            calls["PyTorch"] = lambda: torch.logsumexp(X, 1)
        say(f"logsumexp, {shape}", measure(calls, rounds))

    n = 1_000_000
    x, t = random.normal(size=n).astype(np.float32), random.uniform(size=n).astype(np.float32)
    for name in ("mse_loss", "huber_loss", "binary_cross_entropy_with_logits"):
        calls = {"vloss": lambda: vars(vloss)[name](x, t)}
        if torch:
            X, T = torch.from_numpy(x), torch.from_numpy(t)
            calls["PyTorch"] = lambda: getattr(F, name)(X, T)
        say(f"{name}, {n:,}", measure(calls, 20))


main()
