"""Rows whose classes are spread over calls: merged in any order, the bits of one call on the whole rows."""
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import TYPES
from test_losses import array
from test_logits import logits

import vloss

BLOCK = 4096
CLASSES = 3 * BLOCK + 100
BORDERS = [[0, CLASSES], [0, BLOCK, CLASSES], [0, BLOCK, 2 * BLOCK, 3 * BLOCK, CLASSES], [0, 3 * BLOCK, 3 * BLOCK, CLASSES]]


def same(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def merged(merge, states, order):
    ordered = [states[i % len(states)] for i in order if i < len(states)]
    into = np.zeros_like(ordered[0])  # a state of nothing
    assert merge(into, *ordered) is into
    return into


@given(st.sampled_from(sorted(TYPES)), st.integers(0, 99), st.sampled_from(["none", "mean", "sum"]), st.sampled_from(BORDERS),
       st.permutations(range(4)), st.sampled_from([(3,), (2, 3), ()]), st.booleans())  # fmt: skip
def test_cross_entropy(dtype, seed, reduction, borders, order, rows, many):
    random = np.random.default_rng(seed)
    x = array(logits(random, (*rows, CLASSES), dtype))
    labels = random.integers(0, CLASSES, rows).astype(random.choice(["i4", "i8"]))
    own = np.float64 if dtype == "float64" else np.float32
    options = {"bfloat16": dtype == "bfloat16"}
    alike, of_rows = {}, {"reduction": reduction}
    if many:
        alike = dict(weight=random.uniform(0.5, 2, CLASSES).astype(own), label_smoothing=0.1, scale=0.5, softcap=20.0,
                     ignore_index=int(labels.flat[0]))  # fmt: skip
        of_rows |= dict(row_weights=random.uniform(0.5, 2, rows).astype(own), z_loss=1e-3)
    upstream = random.normal(0, 1, rows if reduction == "none" else ()).astype(own)
    results = dict(lse=True, predicted=True, correct=True, z_loss_part=True)
    whole = vloss.cross_entropy(x, labels, axis=-1, **alike, **of_rows, **options, **results, upstream=upstream, return_grad=True)
    alike["total_classes"] = CLASSES
    parts = list(zip(borders, borders[1:]))
    states = [vloss.cross_entropy_partial(x[..., a:b], labels, class_offset=a, **alike, **options) for a, b in parts]
    assert states[0].dtype == np.int64 and states[0].shape == (*rows, 16)
    into = merged(vloss.cross_entropy_merge, states, order)
    ours = vloss.cross_entropy_finish(into, labels, **alike, **of_rows, **results, float64=dtype == "float64")
    for mine, theirs in zip(ours, (whole[0], *whole[2:])):
        same(mine, theirs)
    grads = [vloss.cross_entropy_partial_gradient(x[..., a:b], labels, into, class_offset=a, **alike, **of_rows, **options,
                                                  upstream=upstream) for a, b in parts]  # fmt: skip
    same(np.concatenate(grads, -1), whole[1])


@given(st.sampled_from(sorted(TYPES)), st.integers(0, 99), st.sampled_from(BORDERS), st.permutations(range(4)),
       st.sampled_from([0, 1, 3]), st.sampled_from([0, 5]))  # fmt: skip
def test_log_probs(dtype, seed, borders, order, per_row, top):
    random = np.random.default_rng(seed)
    x = array(logits(random, (2, 3, CLASSES), dtype))
    ids = random.integers(0, CLASSES, (2, 3, per_row)[: 2 + (per_row > 1)]) if per_row else None
    options = {"bfloat16": dtype == "bfloat16"}
    alike, results = dict(top=top, scale=0.7), dict(max=True, log_sum=True, lse=True, entropy=True)
    whole = vloss.log_probs(x, ids, **alike, **options, **results)
    alike["total_classes"] = CLASSES
    states = [vloss.log_probs_partial(x[..., a:b], ids, class_offset=a, **alike, **options) for a, b in zip(borders, borders[1:])]
    into = merged(vloss.log_probs_merge, states, order)
    ours = vloss.log_probs_finish(into, ids, **alike, **results, float64=dtype == "float64")
    assert len(ours) == len(whole)
    for mine, theirs in zip(ours, whole):
        same(mine, theirs)


def test_tensors_and_given_arrays():
    x, labels = torch.randn(3, 2 * BLOCK), torch.tensor([1, BLOCK, 7])
    expected, grad = vloss.cross_entropy(x, labels, return_grad=True)
    states = torch.zeros(2, 3, 16, dtype=torch.int64)
    for i in range(2):
        part = x[:, i * BLOCK : (i + 1) * BLOCK]
        made = vloss.cross_entropy_partial(part, labels, class_offset=i * BLOCK, total_classes=2 * BLOCK, out=states[i])
        assert torch.is_tensor(made)
    assert vloss.cross_entropy_merge(states[0], states[1]) is not None
    assert vloss.cross_entropy_finish(states[0], labels, total_classes=2 * BLOCK, threads=2) == expected
    for i in range(2):  # over the logits
        part = x[:, i * BLOCK : (i + 1) * BLOCK]
        vloss.cross_entropy_partial_gradient(part, labels, states[0], class_offset=i * BLOCK, total_classes=2 * BLOCK, grad_out=part)
    assert torch.equal(x, grad)


X, T = np.zeros((2, BLOCK), "f"), np.array([1, 2])
WHOLE = dict(total_classes=2 * BLOCK)
STATES = vloss.cross_entropy_partial(X, T, **WHOLE)
READ_ONLY = STATES.copy()
READ_ONLY.flags.writeable = False
REFUSED = {
    "a part off the borders": ("class_offset", lambda: vloss.cross_entropy_partial(X, T, class_offset=5, **WHOLE)),
    "no number of classes": ("total_classes", lambda: vloss.cross_entropy_partial(X, T)),
    "a label that is none": ("labels: row 1 is 9000, which is none of the 8192", lambda: vloss.cross_entropy_partial(X, T + [0, 8998], **WHOLE)),
    "probabilities": ("labels", lambda: vloss.cross_entropy_partial(X, X, **WHOLE)),
    "weights of a part": ("weight: shape", lambda: vloss.cross_entropy_partial(X, T, weight=np.ones(BLOCK, "f"), **WHOLE)),
    "the same classes twice": ("states", lambda: vloss.cross_entropy_merge(STATES.copy(), STATES)),
    "other rows": ("states: shape", lambda: vloss.cross_entropy_merge(STATES[:1].copy(), STATES)),
    "floats in place of states": ("states: .*int64", lambda: vloss.cross_entropy_merge(STATES.copy(), STATES.astype("d"))),
    "states that cannot be written": ("into: .*(read-only|written)", lambda: vloss.cross_entropy_merge(READ_ONLY, STATES)),
    "states with gaps": ("into: is not contiguous", lambda: vloss.cross_entropy_merge(np.zeros((2, 32), int)[:, ::2], STATES)),
    "states of another length": ("states", lambda: vloss.cross_entropy_merge(STATES[:, :8].copy(), STATES[:, :8].copy())),
    "no axis of states": ("into: has no axis", lambda: vloss.cross_entropy_merge(np.array(1), STATES)),
    "incomplete states": ("states", lambda: vloss.cross_entropy_finish(STATES, T, **WHOLE)),
    "incomplete states, gradient": ("states", lambda: vloss.cross_entropy_partial_gradient(X, T, STATES, **WHOLE)),
    "a word too few": ("states: states of 15", lambda: vloss.cross_entropy_finish(STATES[:, :15].copy(), T, **WHOLE)),
    "states of log_probs": ("states: states of", lambda: vloss.cross_entropy_finish(vloss.log_probs_partial(X, T, **WHOLE), T, **WHOLE)),
    "labels of other rows": ("labels: shape", lambda: vloss.cross_entropy_finish(STATES, T[:1], **WHOLE)),
    "more than all classes": ("top: 9000", lambda: vloss.log_probs_partial(X, top=9000, **WHOLE)),
    "other ids": ("states: states of", lambda: vloss.log_probs_finish(vloss.log_probs_partial(X, T, **WHOLE), **WHOLE)),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    message, call = REFUSED[what]
    before = STATES.copy()
    with pytest.raises(vloss.Error, match=message):
        call()
    assert (STATES == before).all()
