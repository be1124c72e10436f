"""Every function, with every array of it wrong in every way: an exception, and no output is touched."""
import inspect

import numpy as np
import pytest
import torch
from reference import KERAS, TORCH, operand

import vloss

UNTOUCHED = 77
RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.normal(size=(4, 5)).astype("f"), np.array([1, 2, 0, 4])


def operands_of_loss(name):
    kinds = TORCH[name][0] if name in TORCH else KERAS[name][:2]
    return [operand(RANDOM, kind, (4, 5), torch.float32).numpy() for kind in kinds]


# Operands, and what a call needs beside them.
CALLS = {
    "cross_entropy": ([X, LABELS], {}),
    "nll_loss": ([X, LABELS], {}),
    "log_probs": ([X, LABELS], {"top": 2, "upstream": np.ones(4, "f")}),
    "divergence": ([X, X.copy()], {}),
    "softmax": ([X], {}),
    "log_softmax": ([X], {}),
    "logsumexp": ([X], {}),
    "softmax_backward": ([X, X.copy()], {}),
    "log_softmax_backward": ([X, X.copy()], {}),
    "cross_entropy_partial": ([X, LABELS], {"total_classes": 5}),
    "log_probs_partial": ([X, LABELS], {"total_classes": 5}),
} | {name: (operands_of_loss(name), {}) for name in [*TORCH, *KERAS]}
# In the order of their results.
OUTPUTS = ("out", "logprob", "rank", "top_id", "top_logprob", "grad_out", "grad_target", "grad_var", "grad_input2", "grad_positive",
           "grad_negative", "lse", "predicted", "correct", "z_loss_part", "max", "log_sum", "entropy", "same_top")  # fmt: skip


def call_of(name):
    """The function, its operands, options, and the shapes of the outputs that it has."""
    function, (operands, options) = getattr(vloss, name), CALLS[name]
    known = inspect.signature(function).parameters
    if "reduction" in known:
        options = options | {"reduction": "none"}
    shapes = {}
    for output in OUTPUTS:
        if output not in known:
            continue
        asked = {"return_grad": True} if output == "grad_out" else {output: True} if output != "out" else {}
        try:
            results = function(*operands, **options, **asked)
        except vloss.Error:  # an output that these operands do not give, such as a gradient of full size
            continue
        results = results if isinstance(results, tuple) else (results,)
        for result in results:
            probe = np.full(result.shape, UNTOUCHED, result.dtype)
            try:
                function(*operands, **options, **{output: probe})
            except vloss.Error:
                continue
            shapes[output] = probe
    return function, operands, options, shapes


def wrong_operands(operands):
    for index, array in enumerate(operands):
        wrong = {
            "int8": array.astype(np.int8),
            "complex": array.astype("F"),
            "twice as long": np.concatenate([array, array]),
            "0-dimensional": array.reshape(-1)[0],
            "a list": array.tolist(),
            "another device": torch.zeros(array.shape, device="meta"),
            "huge": np.broadcast_to(array.reshape(-1)[0], (2**38, 2**20)),
        }
        if array.dtype == np.int64:
            wrong["out of range"] = np.full_like(array, 99)
        for what, value in wrong.items():
            yield f"operand {index}, {what}", operands[:index] + [value] + operands[index + 1 :]


def wrong_outputs(array):
    yield "not contiguous", np.full((*array.shape, 2), UNTOUCHED, array.dtype)[..., 0]
    read_only = array.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    yield "of another shape", np.full((array.shape[0] + 1, *array.shape[1:]), UNTOUCHED, array.dtype)
    yield "of another dtype", array.astype("f" if array.dtype == np.float64 else "d")
    yield "on another device", torch.zeros(array.shape, device="meta")


def refused(function, operands, options, outputs, what):
    before = {name: np.array(array) for name, array in outputs.items() if isinstance(array, np.ndarray)}
    with pytest.raises((vloss.Error, TypeError, MemoryError)):
        function(*operands, **options, **outputs)
        pytest.fail(f"{what}: was not refused")
    for name, array in before.items():
        assert np.array_equal(array, outputs[name]), f"{what}: {name} was written"


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_written(name):
    function, operands, options, shapes = call_of(name)
    assert shapes, "no outputs were found"

    def outputs():
        return {output: np.full(array.shape, UNTOUCHED, array.dtype) for output, array in shapes.items()}

    written = outputs()
    function(*operands, **options, **written)
    assert not any((array == UNTOUCHED).all() for array in written.values())
    for what, wrong in wrong_operands(operands):
        refused(function, wrong, options, outputs(), f"{name}, {what}")
    for output, array in shapes.items():
        for what, wrong in wrong_outputs(np.full(array.shape, UNTOUCHED, array.dtype)):
            refused(function, operands, options, outputs() | {output: wrong}, f"{name}, {output} {what}")


@pytest.mark.parametrize("name", [name for name in CALLS if CALLS[name][0][0].dtype == np.float32])
def test_outputs_over_inputs(name):
    function, operands, options, shapes = call_of(name)
    for output, array in shapes.items():
        if array.dtype != np.float32 or array.shape != operands[0].shape:
            continue
        memory = np.zeros((5, 5), "f")
        memory[:4] = operands[0]
        with pytest.raises(vloss.Error):
            function(memory[:4], *operands[1:], **options, **{output: memory[1:]})
        assert np.array_equal(memory[:4], operands[0]), f"{name}, {output}: the operand was written"
