"""Bad input: an exception that names the argument, and nothing written."""
import ctypes

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vloss

X, T = np.random.default_rng(1).normal(size=(4, 5)).astype("f"), np.array([1, 2, 0, 4])
X.flags.writeable = T.flags.writeable = False
READ_ONLY = np.zeros(4, "f")
READ_ONLY.flags.writeable = False
APART = np.zeros((4, 10), "f")
SHARED = np.zeros((5, 5), "f")
HUGE = np.broadcast_to(np.float32(0), (2**40, 2**20))
WIDE = np.broadcast_to(np.float32(0), (1, 2**33))

CASES = {
    "a list": (TypeError, "labels", lambda: vloss.cross_entropy(X, [1, 2, 0, 4])),
    "no array": (TypeError, "logits", lambda: vloss.cross_entropy(object(), T)),
    "None": (TypeError, "logits", lambda: vloss.cross_entropy(None, T)),
    "an argument too few": (TypeError, "labels", lambda: vloss.cross_entropy(X)),
    "an argument too many": (TypeError, "positional", lambda: vloss.cross_entropy(X, T, None)),
    "an unknown keyword": (TypeError, "wieght", lambda: vloss.cross_entropy(X, T, wieght=1)),
    "a keyword twice": (TypeError, "logits", lambda: vloss.cross_entropy(X, T, logits=X)),
    "integer logits": (vloss.Error, "logits: dtype int64", lambda: vloss.cross_entropy(X.astype(int), T)),
    "complex logits": (vloss.Error, "logits: dtype complex64", lambda: vloss.cross_entropy(X.astype("F"), T)),
    "big-endian logits": (vloss.Error, "logits: dtype >f4", lambda: vloss.cross_entropy(X.astype(">f4"), T)),
    "strings": (vloss.Error, "logits", lambda: vloss.cross_entropy(np.array([["a"]]), T)),
    "objects": (vloss.Error, "logits", lambda: vloss.cross_entropy(X.astype(object), T)),
    "dates": (vloss.Error, "logits", lambda: vloss.cross_entropy(np.zeros((4, 5), "M8[s]"), T)),
    "uint16 logits": (vloss.Error, "bfloat16=True", lambda: vloss.cross_entropy(X.astype(np.uint16), T)),
    "labels of another dtype": (vloss.Error, "labels: dtype int8", lambda: vloss.cross_entropy(X, T.astype(np.int8))),
    "uint64 labels": (vloss.Error, "labels: dtype uint64", lambda: vloss.cross_entropy(X, T.astype(np.uint64))),
    "probabilities of another dtype": (vloss.Error, "labels: dtype float64", lambda: vloss.cross_entropy(X, X.astype("d"))),
    "float64 weights": (vloss.Error, "weight: dtype float64", lambda: vloss.cross_entropy(X, T, weight=np.ones(5))),
    "a float64 target": (vloss.Error, "target: dtype float64", lambda: vloss.mse_loss(X, X.astype("d"))),
    "tensors of another dtype": (vloss.Error, "target: dtype torch.float64", lambda: vloss.mse_loss(torch.tensor(X), torch.tensor(X).double())),
    "labels of another shape": (vloss.Error, r"labels: shape \(3,\) where \(4,\)", lambda: vloss.cross_entropy(X, T[:3])),
    "a column of labels": (vloss.Error, "labels: shape", lambda: vloss.cross_entropy(X, T[:, None])),
    "weights of another shape": (vloss.Error, "weight: shape", lambda: vloss.cross_entropy(X, T, weight=np.ones(4, "f"))),
    "row weights of another shape": (vloss.Error, "row_weights: shape", lambda: vloss.cross_entropy(X, T, row_weights=np.ones(5, "f"))),
    "a target of another shape": (vloss.Error, "target: shape", lambda: vloss.mse_loss(X, X[:1])),
    "another shape of out": (vloss.Error, "out: shape", lambda: vloss.cross_entropy(X, T, reduction="none", out=np.zeros(5, "f"))),
    "another dtype of out": (vloss.Error, "out: dtype float64", lambda: vloss.cross_entropy(X, T, reduction="none", out=np.zeros(4))),
    "out that is not contiguous": (vloss.Error, "out: is not contiguous", lambda: vloss.cross_entropy(X, T, reduction="none", out=np.zeros(8, "f")[::2])),
    "grad_out that is not contiguous": (vloss.Error, "grad_out: is not contiguous", lambda: vloss.cross_entropy(X, T, grad_out=APART[:, ::2])),
    "grad_out that is transposed": (vloss.Error, "grad_out: is not contiguous", lambda: vloss.cross_entropy(X, T, grad_out=np.zeros((5, 4), "f").T)),
    "grad_out of another dtype": (vloss.Error, "grad_out: dtype float16", lambda: vloss.cross_entropy(X, T, grad_out=np.zeros((4, 5), "e"))),
    "read-only out": (vloss.Error, "out: cannot be written", lambda: vloss.cross_entropy(X, T, reduction="none", out=READ_ONLY)),
    "read-only bytes": (vloss.Error, "out: cannot be written", lambda: vloss.cross_entropy(X, T, out=bytes(4))),
    "overlapping outputs": (vloss.Error, "grad_out: |log_sum|max", lambda: vloss.cross_entropy(X, T, max=SHARED[0, :4], log_sum=SHARED[0, :4])),
    "grad_out over half of the logits": (vloss.Error, "grad_out", lambda: vloss.cross_entropy(SHARED[:4], T, grad_out=SHARED[1:])),
    "out over the logits": (vloss.Error, "out", lambda: vloss.cross_entropy(SHARED[:4], T, reduction="none", out=SHARED[0, :4])),
    "a label out of range": (vloss.Error, "labels: row 2 is 5, which is none of the 5 classes", lambda: vloss.cross_entropy(X, np.array([0, 1, 5, 9]))),
    "a negative label": (vloss.Error, "labels: row 1 is -1", lambda: vloss.cross_entropy(X, np.array([0, -1, 5, 9], np.int32))),
    "a shifted label": (vloss.Error, "labels: row 1 is 7", lambda: vloss.cross_entropy(X, np.array([9, 1, 7, 1]), shift=1)),
    "an id out of range": (vloss.Error, "ids: row 3", lambda: vloss.log_probs(X, np.array([[0, 1], [2, 3], [0, 0], [1, 9]]))),
    "a list of labels out of range": (vloss.Error, "target: row 0", lambda: vloss.multilabel_margin_loss(X, np.full((4, 5), 7))),
    "a loss's label out of range": (vloss.Error, "target: row 3 is 5", lambda: vloss.multi_margin_loss(X, T + 1)),
    "an empty row": (vloss.Error, "logits", lambda: vloss.cross_entropy(X[:, :0], T)),
    "0-dimensional logits": (vloss.Error, "logits: .*0-dimensional", lambda: vloss.cross_entropy(np.float32(1), T)),
    "0-dimensional softmax": (vloss.Error, "input: .*0-dimensional", lambda: vloss.softmax(np.float32(1))),
    "0-dimensional labels": (vloss.Error, "labels: shape", lambda: vloss.cross_entropy(X, np.int64(1))),
    "an axis that is none": (vloss.Error, "axis: 2 is no axis of 2", lambda: vloss.softmax(X, axis=2)),
    "a huge array": ((vloss.Error, MemoryError), "", lambda: vloss.cross_entropy(HUGE, T)),
    "a huge elementwise array": ((vloss.Error, MemoryError), "", lambda: vloss.mse_loss(HUGE, HUGE)),
    "too many classes": (vloss.Error, "2\\^31 - 1 classes", lambda: vloss.cross_entropy(WIDE, T[:1])),
    "a result that no memory holds": (MemoryError, "", lambda: vloss.softmax(np.broadcast_to(np.float32(0), (2**40, 5)))),
    "17 dimensions": (vloss.Error, "17 dimensions", lambda: vloss.mse_loss(np.zeros((1,) * 17, "f"), X)),
    "another device": (vloss.Error, "logits", lambda: vloss.cross_entropy(torch.zeros(4, 5, device="meta"), T)),
    "a tensor that requires grad": (vloss.Error, "logits: .*requires? grad", lambda: vloss.cross_entropy(torch.zeros(4, 5, requires_grad=True), T)),
    "a sparse tensor": (vloss.Error, "logits", lambda: vloss.cross_entropy(torch.zeros(4, 5).to_sparse(), T)),
    "boolean tensors": (vloss.Error, "target", lambda: vloss.mse_loss(torch.zeros(4), torch.zeros(4, dtype=torch.bool))),
    "smoothing": (vloss.Error, "label_smoothing", lambda: vloss.cross_entropy(X, T, label_smoothing=1.5)),
    "smoothing that is no number": (vloss.Error, "label_smoothing: 'a'", lambda: vloss.cross_entropy(X, T, label_smoothing="a")),
    "a reduction": (vloss.Error, "reduction: 'avg' is none of", lambda: vloss.cross_entropy(X, T, reduction="avg")),
    "batchmean of mse": (vloss.Error, "reduction", lambda: vloss.mse_loss(X, X, reduction="batchmean")),
    "mean of a Keras function": (vloss.Error, "sum_over_batch_size", lambda: vloss.mean_squared_error(X, X, reduction="mean")),
    "a kind": (vloss.Error, "kind: 'kl' is none", lambda: vloss.divergence(X, X, kind="kl")),
    "beta of a KL": (vloss.Error, "beta", lambda: vloss.divergence(X, X, beta=0.5)),
    "beta 0": (vloss.Error, "beta: is 0", lambda: vloss.divergence(X, X, kind="jsd", beta=0)),
    "a parameter": (vloss.Error, "delta: 0.0 is no number above 0.0", lambda: vloss.huber_loss(X, X, delta=0)),
    "half a norm": (vloss.Error, "p: 1.5 is no whole number", lambda: vloss.multi_margin_loss(X, T, p=1.5)),
    "scale 0": (vloss.Error, "scale: is 0", lambda: vloss.cross_entropy(X, T, scale=0)),
    "a negative softcap": (vloss.Error, "softcap", lambda: vloss.cross_entropy(X, T, softcap=-1)),
    "an ignore_index that is too large": (vloss.Error, "ignore_index", lambda: vloss.cross_entropy(X, T, ignore_index=2**64)),
    "an ignore_index of probabilities": (vloss.Error, "ignore_index", lambda: vloss.cross_entropy(X, X, ignore_index=3)),
    "threads": (vloss.Error, "threads: is negative", lambda: vloss.cross_entropy(X, T, threads=-1)),
    "half a thread": (vloss.Error, "threads", lambda: vloss.cross_entropy(X, T, threads=1.5)),
    "top": (vloss.Error, "top: 6 is more than the 5 classes", lambda: vloss.log_probs(X, top=6)),
    "an upstream without ids": (vloss.Error, "upstream: needs ids", lambda: vloss.log_probs(X, upstream=np.ones(4, "f"), return_grad=True)),
    "nothing wanted": (vloss.Error, "output", lambda: vloss.cross_entropy(X, T, out=False)),
    "no output of log_probs": (vloss.Error, "output", lambda: vloss.log_probs(X)),
    "shift of probabilities": (vloss.Error, "exclude", lambda: vloss.cross_entropy(X, X, shift=1)),
    "correct of probabilities": (vloss.Error, "exclude", lambda: vloss.cross_entropy(X, X, correct=True)),
    "a probability": (vloss.Error, "input: element 7 is no number from 0 to 1", lambda: vloss.binary_cross_entropy(np.where(np.arange(20).reshape(4, 5) == 7, 2, 0.5).astype("f"), X)),
    "a variance": (vloss.Error, "var: element 0 is below 0", lambda: vloss.gaussian_nll_loss(X, X, np.full((4, 5), -1, "f"))),
    "a rate": (vloss.Error, "input: element 3 is below 0", lambda: vloss.poisson_nll_loss(np.array([0, 1, 2, -1], "f"), X[0, :4], log_input=False)),
    "float64 with float32": (vloss.Error, "student|exclude", lambda: vloss.divergence(X, X.astype("d"))),
    "an upstream of another shape": (vloss.Error, "upstream: shape", lambda: vloss.cross_entropy(X, T, upstream=np.ones(4, "f"), return_grad=True)),
    "grad_target of a loss without": (TypeError, "grad_target", lambda: vloss.soft_margin_loss(X, X, grad_target=True)),
    "another ISA": (vloss.Error, "mmx", lambda: vloss.force_isa("mmx")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_is_refused(case):
    error, match, call = CASES[case]
    try:
        with pytest.raises(error, match=match) as raised:
            call()
    finally:
        vloss.force_isa(None)
    if isinstance(raised.value, vloss.Error):
        assert isinstance(raised.value, ValueError)


def test_the_error_tells_what():
    with pytest.raises(vloss.Error) as raised:
        vloss.cross_entropy(X, np.array([0, 1, 5, 9]))
    error = raised.value
    assert (error.argument, error.status, error.index) == ("labels", "VLOSS_ERROR_LABEL", 2)
    with pytest.raises(vloss.Error) as raised:
        vloss.hinge(X, X, reduction="x")
    assert raised.value.argument == "reduction"


@given(st.integers(0, 3), st.sampled_from([5, -1, 2**31, -(2**40)]))
def test_nothing_is_written(row, label):
    labels = T.copy()
    labels[row] = label
    loss, grad, lse = np.full(4, 7, "f"), np.full((4, 5), 7, "f"), np.full(4, 7, "f")
    with pytest.raises(vloss.Error, match=f"row {row} is {label}"):
        vloss.cross_entropy(X, labels, reduction="none", out=loss, grad_out=grad, lse=lse)
    assert (loss == 7).all() and (grad == 7).all() and (lse == 7).all()
    with pytest.raises(vloss.Error, match="lse: dtype"):
        vloss.cross_entropy(X, T, reduction="none", out=loss, grad_out=grad, lse=lse.astype("d"))
    assert (loss == 7).all() and (grad == 7).all()
    unchecked, grad = vloss.cross_entropy(X, labels, reduction="none", unchecked=True, return_grad=True)
    assert np.isnan(unchecked[row]) and np.isnan(grad[row]).all() and np.isfinite(np.delete(unchecked, row)).all()


def test_nothing_at_all():
    none, labels = X[:0], T[:0]
    assert np.isnan(vloss.cross_entropy(none, labels)) and vloss.cross_entropy(none, labels, reduction="sum") == 0
    assert vloss.cross_entropy(none, labels, reduction="none").shape == (0,)
    assert vloss.cross_entropy(none, labels, return_grad=True, reduction="sum")[1].shape == (0, 5)
    assert vloss.cross_entropy(np.zeros((2, 5, 0), "f"), np.zeros((2, 0), int), reduction="none").shape == (2, 0)
    assert np.isnan(vloss.mse_loss(X[:, :0], X[:, :0])) and vloss.mse_loss(none, none, empty_mean_zero=True) == 0
    assert vloss.softmax(none).shape == (0, 5) and vloss.logsumexp(none).shape == (0,)
    assert vloss.mean_squared_error(none, none, reduction="sum_over_batch_size") == 0
    assert vloss.log_probs(none, labels, entropy=True)[1].shape == (0,)
    tensor, tensors = torch.empty(0, 5), torch.empty(0, dtype=torch.int64)
    assert vloss.cross_entropy(tensor, tensors, reduction="none").shape == (0,)
    assert vloss.cross_entropy(tensor, tensors, return_grad=True, reduction="sum")[1].shape == (0, 5)
    assert vloss.softmax(tensor).shape == (0, 5) and vloss.logsumexp(tensor).shape == (0,)
    assert vloss.mse_loss(tensor, tensor, reduction="none").shape == (0, 5)


def test_arrays_of_ctypes():
    rows, labels, out = (ctypes.c_float * 5 * len(X))(), (ctypes.c_int64 * len(T))(*T), (ctypes.c_float * len(T))()
    for row, x in zip(rows, X):
        row[:] = x.tolist()
    vloss.cross_entropy(rows, labels, reduction="none", out=out)
    assert np.array_equal(np.frombuffer(out, "f"), vloss.cross_entropy(X, T, reduction="none"))


def test_a_loss_in_an_array_of_one():
    for out in (np.zeros((), "f"), np.zeros(1, "f"), torch.zeros(())):
        assert vloss.cross_entropy(X, T, out=out) is out
        assert float(out) == vloss.cross_entropy(X, T)
