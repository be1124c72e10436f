"""The functions of logits against PyTorch in float64: any shape, strides, type and option."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from reference import TYPES, near
from test_losses import array, leaf, loss_value, value

import vloss

SHAPES = [(1, 1), (1, 10), (5, 3), (3, 4100), (10,), (2, 5, 3), (2, 3, 2, 4)]
dtypes, seeds, reductions = st.sampled_from(sorted(TYPES)), st.integers(0, 99), st.sampled_from(["none", "mean", "sum"])


def logits(random, shape, dtype):
    return torch.tensor(random.normal(0, 3, shape)).to(TYPES[dtype])


def rows_of(shape, axis=1):
    return shape[:0] if len(shape) == 1 else shape[:axis] + shape[axis + 1 :]


def floats(dtype):
    return torch.float64 if dtype == "float64" else torch.float32


def step(dtype):
    return "float64" if dtype == "float64" else "float32"


@given(st.sampled_from(SHAPES), dtypes, seeds, reductions, st.booleans(), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([-100, 1]),
       st.booleans(), st.booleans())  # fmt: skip
def test_cross_entropy(shape, dtype, seed, reduction, weighed, smoothing, ignore, narrow, probabilities):
    random = np.random.default_rng(seed)
    x = logits(random, shape, dtype)
    classes = shape[1] if len(shape) > 1 else shape[0]
    weight = torch.tensor(random.uniform(0.1, 2, classes)).to(floats(dtype)) if weighed else None
    if probabilities:
        t = torch.tensor(random.uniform(0, 1, shape)).to(TYPES[dtype])
        ignore = -100
    else:
        t = torch.tensor(random.integers(0, classes, rows_of(shape)))
        t[torch.tensor(random.uniform(size=t.shape)) < 0.3] = ignore
        t.reshape(-1)[0] = 0
    exact = leaf(x)
    expected = F.cross_entropy(exact, t.double() if probabilities else t, None if weight is None else weight.double(),
                               ignore_index=ignore, reduction=reduction, label_smoothing=smoothing)  # fmt: skip
    expected.sum().backward()
    labels = array(t.int() if narrow and not probabilities else t)
    options = dict(weight=None if weight is None else weight.numpy(), label_smoothing=smoothing, reduction=reduction)
    if not probabilities:
        options["ignore_index"] = ignore
    loss, grad = vloss.cross_entropy(array(x), labels, **options, return_grad=True, bfloat16=True)
    near(loss_value(loss), expected, step(dtype), scale=4)
    near(value(grad, dtype), exact.grad, dtype)
    assert vloss.cross_entropy(x, t, **options, out=torch.empty(expected.shape, dtype=floats(dtype))).dtype == floats(dtype)


@given(dtypes, seeds, reductions)
def test_cross_entropy_beyond_torch(dtype, seed, reduction):
    random = np.random.default_rng(seed)
    x = logits(random, (6, 11), dtype)
    t, r = torch.tensor(random.integers(0, 11, 6)), torch.tensor(random.uniform(0.5, 2, 6)).to(floats(dtype))
    exact = leaf(x)
    y = 5 * torch.tanh(0.7 * exact / 5)
    lse = y.logsumexp(1)
    part = r.double() * 0.01 * lse**2
    rows = r.double() * F.cross_entropy(y, t, reduction="none") + part
    expected = {"none": rows, "mean": rows.mean(), "sum": rows.sum()}[reduction]
    expected.sum().backward()
    options = dict(scale=0.7, softcap=5.0, z_loss=0.01, row_weights=r.numpy(), reduction=reduction)
    loss, grad, ours, predicted, correct, z, most, log_sum = vloss.cross_entropy(
        array(x), t.numpy(), **options, return_grad=True, lse=True, predicted=True, correct=True, z_loss_part=True, max=True,
        log_sum=True, bfloat16=True)  # fmt: skip
    near(loss_value(loss), expected, step(dtype), scale=4)
    near(value(grad, dtype), exact.grad, dtype, scale=2)
    near(ours, lse, step(dtype))
    near(loss_value(z), {"none": part, "mean": part.mean(), "sum": part.sum()}[reduction], step(dtype))
    near(most, y.max(1).values, step(dtype))
    near(log_sum, lse - y.max(1).values, step(dtype), scale=4)
    assert (predicted == x.argmax(1).numpy()).all() and (correct == (x.argmax(1) == t).numpy()).all()


def test_cross_entropy_of_a_language_model():
    x = np.random.default_rng(1).normal(size=(2, 6, 50)).astype("f")
    t = np.random.default_rng(2).integers(0, 50, (2, 6))
    shifted = vloss.cross_entropy(x, t, axis=-1, shift=1, sequence=6)
    by_hand = F.cross_entropy(torch.tensor(x[:, :-1].reshape(-1, 50)), torch.tensor(t[:, 1:].reshape(-1)))
    near(shifted, by_hand, "float32")
    p = np.random.default_rng(3).uniform(size=x.shape).astype("f")
    exact = torch.tensor(p).double().requires_grad_()
    F.cross_entropy(torch.tensor(x).double().transpose(1, 2), exact.transpose(1, 2)).backward()
    loss, grad = vloss.cross_entropy(x, p, axis=-1, grad_targets=True)
    near(grad, exact.grad, "float32")
    assert vloss.cross_entropy(x, np.full((2, 6), 3), axis=-1, ignore_index=3, empty_mean_zero=True) == 0
    assert vloss.cross_entropy(x, np.full((2, 6), -100), axis=-1, reduction="sum") == 0
    with pytest.raises(vloss.Error, match="row 0 is -100"):
        vloss.cross_entropy(x, np.full((2, 6), -100), axis=-1, ignore_index=None)


@given(st.sampled_from(SHAPES), dtypes, seeds, reductions, st.booleans())
def test_nll_loss(shape, dtype, seed, reduction, weighed):
    random = np.random.default_rng(seed)
    x = logits(random, shape, dtype)
    classes = shape[1] if len(shape) > 1 else shape[0]
    weight = torch.tensor(random.uniform(0.1, 2, classes)).to(floats(dtype)) if weighed else None
    t = torch.tensor(random.integers(0, classes, rows_of(shape)))
    exact = leaf(x)
    expected = F.nll_loss(exact, t, None if weight is None else weight.double(), reduction=reduction)
    expected.sum().backward()
    loss, grad = vloss.nll_loss(array(x), t.numpy(), weight=None if weight is None else weight.numpy(), reduction=reduction,
                                return_grad=True, bfloat16=True)  # fmt: skip
    near(loss_value(loss), expected, step(dtype))
    near(value(grad, dtype), exact.grad, dtype)


@given(st.sampled_from(SHAPES), dtypes, seeds, st.integers(-1, 2))
def test_softmax_family(shape, dtype, seed, axis):
    axis = min(axis, len(shape) - 1)
    random = np.random.default_rng(seed)
    x, h = logits(random, shape, dtype), logits(random, shape, dtype)
    for name in ("softmax", "log_softmax"):
        out = vloss.__dict__[name](array(x), axis=axis, bfloat16=True)
        near(value(out, dtype), getattr(torch, name)(x.double(), axis), dtype)
        y = value(out, dtype).double()
        sums = (h.double() * (y if name == "softmax" else 1)).sum(axis, keepdim=True)
        expected = y * (h.double() - sums) if name == "softmax" else h.double() - y.exp() * sums
        back = vloss.__dict__[f"{name}_backward"](out, array(h), axis=axis, bfloat16=True)
        near(value(back, dtype), expected, dtype, scale=4)
    near(vloss.logsumexp(array(x), axis=axis, bfloat16=True), torch.logsumexp(x.double(), axis), step(dtype), scale=4)
    tensor = vloss.softmax(x, axis=axis)
    assert torch.is_tensor(tensor) and tensor.dtype == x.dtype


@given(dtypes, seeds, st.sampled_from([(6, 9), (2, 3, 300), (7,)]), st.integers(0, 3))
def test_log_probs(dtype, seed, shape, per_row):
    random = np.random.default_rng(seed)
    x = logits(random, shape, dtype)
    ids = torch.tensor(random.integers(0, shape[-1], shape[:-1] + ((per_row,) if per_row else ())))
    exact = leaf(x)
    lp = (0.5 * exact).log_softmax(-1)
    own = lp.gather(-1, ids if per_row else ids[..., None])
    own = own if per_row else own[..., 0]
    entropy, lse = -(lp.exp() * lp).sum(-1), (0.5 * exact).logsumexp(-1)
    u, v, w = (torch.tensor(random.uniform(-1, 1, z.shape)).to(floats(dtype)) for z in (own, entropy, lse))
    ((own * u).sum() + (entropy * v).sum() + (lse * w).sum()).backward()
    logprob, rank, top_id, top_logprob, ours, of_entropy, grad = vloss.log_probs(
        array(x), ids.numpy(), scale=0.5, rank=True, top=3, lse=True, entropy=True, upstream=u.numpy(), entropy_upstream=v.numpy(),
        lse_upstream=w.numpy(), return_grad=True, bfloat16=True)  # fmt: skip
    near(logprob, own, step(dtype), scale=4)
    near(top_logprob, lp.topk(3).values, step(dtype), scale=4)
    near(ours, lse, step(dtype), scale=4)
    near(of_entropy, entropy, step(dtype), scale=4)
    near(value(grad, dtype), exact.grad, dtype, scale=4)
    assert top_id.shape == shape[:-1] + (3,) and rank.shape == logprob.shape == ids.shape
    order = np.argsort(-np.asarray(x.double()), -1, kind="stable")
    assert (order[..., :3] == top_id).all()
    assert (np.take_along_axis(order, rank if per_row else rank[..., None], -1) == (ids if per_row else ids[..., None]).numpy()).all()
    assert (vloss.log_probs(array(x), lse=True, bfloat16=True) > -100).all()
    with pytest.raises(vloss.Error, match="needs ids"):
        vloss.log_probs(array(x), rank=True, bfloat16=True)


@given(dtypes, seeds, reductions, st.sampled_from(["forward_kl", "reverse_kl", "jsd", "total_variation"]))
def test_divergence(dtype, seed, reduction, kind):
    random = np.random.default_rng(seed)
    x, z = logits(random, (4, 30), dtype), logits(random, (4, 30), dtype)
    exact = leaf(x)
    lq, lp = (0.5 * exact).log_softmax(1), (0.5 * z.double()).log_softmax(1)
    kl = lambda a, b: (a.exp() * (a - b)).sum(1)
    mixed = torch.logaddexp(lp + np.log(0.3), lq + np.log(0.7))
    rows = {"forward_kl": kl(lp, lq), "reverse_kl": kl(lq, lp), "jsd": 0.3 * kl(lp, mixed) + 0.7 * kl(lq, mixed),
            "total_variation": (lp.exp() - lq.exp()).abs().sum(1) / 2}[kind]  # fmt: skip
    expected = {"none": rows, "mean": rows.mean(), "sum": rows.sum()}[reduction]
    expected.sum().backward()
    beta = {"beta": 0.3} if kind == "jsd" else {}
    loss, grad, same = vloss.divergence(array(x), array(z), kind=kind, scale=0.5, reduction=reduction, same_top=True,
                                        return_grad=True, bfloat16=True, **beta)  # fmt: skip
    near(loss_value(loss), expected, step(dtype), scale=4)
    near(value(grad, dtype), exact.grad, dtype, scale=4)
    assert (same == (x.argmax(1) == z.argmax(1)).numpy()).all()
    half = vloss.divergence(x.float(), z.bfloat16(), kind=kind)
    assert np.isfinite(half)
    counted = vloss.divergence(array(x), array(z), kind=kind, labels=np.array([0, -100, -100, 0]), bfloat16=True)
    near(counted, vloss.divergence(array(x)[::3], array(z)[::3], kind=kind, bfloat16=True), step(dtype))


# ---- Where arrays come from, and how they lie in memory --------------------------------------------------------------


@given(seeds, st.sampled_from(["dense", "rows apart", "backwards", "columns apart", "transposed", "moved axes", "unaligned"]))
def test_strides(seed, layout):
    random = np.random.default_rng(seed)
    x, t = random.normal(size=(6, 8)).astype("f"), random.integers(0, 8, 6)
    expected = vloss.cross_entropy(x, t, reduction="none", return_grad=True)
    if layout == "rows apart":
        apart = np.full((6, 13), np.nan, "f")
        apart[:, 2:10] = x
        laid = apart[:, 2:10]
    elif layout == "backwards":
        laid, t = x[::-1].copy()[::-1], t[::-1].copy()[::-1]
    elif layout == "columns apart":
        laid = np.repeat(x, 2, 1)[:, ::2]
    elif layout == "transposed":
        laid = np.asfortranarray(x)
    elif layout == "moved axes":
        laid = np.moveaxis(np.ascontiguousarray(np.moveaxis(x.reshape(2, 3, 8), 2, 1)), 1, 2).reshape(6, 8)
    elif layout == "unaligned":
        laid = np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view("f").reshape(6, 8)
    else:
        laid = x
    np.testing.assert_array_equal(laid, x)
    loss, grad = vloss.cross_entropy(laid, t, reduction="none", return_grad=True)
    np.testing.assert_array_equal(loss, expected[0])
    np.testing.assert_array_equal(grad, expected[1])


@st.composite
def views(draw, shape, dtype="f"):
    """An array of that shape that is a slice of a larger one, its axes in any order in memory, each forwards or backwards."""
    order = draw(st.permutations(range(len(shape))))
    steps, offsets = (draw(st.tuples(*[st.sampled_from(choice)] * len(shape))) for choice in ((1, 1, 2, -1), (0, 0, 3)))
    base = np.full([offsets[k] + abs(steps[k]) * shape[k] for k in order], np.nan if dtype == "f" else -1, dtype)
    view = base.transpose(np.argsort(order))
    view = view[tuple(slice(o, None, abs(s)) for o, s in zip(offsets, steps))]
    view = view[tuple(slice(None, None, -1 if s < 0 else 1) for s in steps)]
    assert view.shape == shape
    return view


@given(st.data(), seeds)
def test_views(data, seed):
    random = np.random.default_rng(seed)
    shape = (3, 4, 5)
    x, p, w, t, r = (data.draw(views(s, d)) for s, d in ((shape, "f"), (shape, "f"), ((4,), "f"), ((3, 5), "q"), ((3, 5), "f")))
    for array in (x, p, w, r):
        array[...] = random.uniform(0.1, 0.9, array.shape)
    t[...] = random.integers(0, 4, t.shape)
    X, P, W, T, R = (np.ascontiguousarray(array) for array in (x, p, w, t, r))
    for labels, dense in ((t, T), (p, P)):
        ours = vloss.cross_entropy(x, labels, weight=w, row_weights=r, reduction="none", return_grad=True, upstream=r)
        right = vloss.cross_entropy(X, dense, weight=W, row_weights=R, reduction="none", return_grad=True, upstream=R)
        np.testing.assert_array_equal(ours[0], right[0])
        np.testing.assert_array_equal(ours[1], right[1])
    np.testing.assert_array_equal(vloss.binary_cross_entropy(x, p, weight=p, reduction="none"), vloss.binary_cross_entropy(X, P, weight=P, reduction="none"))
    for axis in range(3):
        np.testing.assert_array_equal(vloss.log_softmax(x, axis=axis), vloss.log_softmax(X, axis=axis))
    out = data.draw(views(shape))
    try:
        vloss.softmax(x, axis=1, out=out)
    except vloss.Error as error:
        assert error.argument == "out" and np.isnan(out).all()
    else:
        np.testing.assert_array_equal(out, vloss.softmax(X, axis=1))
    base = out if out.base is None else out.base
    assert np.isnan(base).sum() == base.size - np.isfinite(out).sum()  # nothing is written between the rows


def test_rows_apart_are_not_copied():
    big = np.zeros((4, 100), "f")
    grad = np.full((4, 50), 7, "f")
    assert vloss.cross_entropy(big[:, :10], np.zeros(4, int), grad_out=grad[:, 5:15])[1].base is grad
    assert (grad[:, :5] == 7).all() and (grad[:, 15:] == 7).all() and (grad[:, 5:15] != 7).all()
    three = np.zeros((3, 4, 5, 2), "f")  # [N, C, d1, d2]
    loss = vloss.cross_entropy(three[:, :3], np.zeros((3, 5, 2), int), reduction="none")
    assert loss.shape == (3, 5, 2) and np.allclose(loss, np.log(3))


def test_arrays_of_other_kinds():
    from array import array as plain

    x, t = np.random.default_rng(1).normal(size=(3, 4)).astype("f"), np.array([1, 2, 0])
    right = vloss.cross_entropy(x, t)
    assert vloss.cross_entropy(torch.tensor(x), torch.tensor(t)) == right
    assert vloss.cross_entropy(memoryview(x), memoryview(t)) == right
    assert vloss.cross_entropy(plain("f", x[0]), np.int64(1)) == vloss.cross_entropy(x[:1], t[:1])

    class Lends:  # nothing but DLPack
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, stream=None):
            return self.array.__dlpack__()

    assert vloss.cross_entropy(Lends(x), Lends(torch.tensor(t))) == right
    loss, grad = vloss.cross_entropy(torch.tensor(x), torch.tensor(t), reduction="none", return_grad=True)
    assert torch.is_tensor(loss) and torch.is_tensor(grad)
    half = torch.tensor(x).bfloat16()
    assert vloss.softmax(half).dtype == torch.bfloat16

    class MlDtypes(np.ndarray):  # as ml_dtypes' arrays of bfloat16, which have no buffer: of datetime64, which has none, too
        dtype = type("dtype", (), {"name": "bfloat16"})
        view = lambda self, dtype: self.bits.view(dtype)

    ml = np.ndarray.view(np.zeros((3, 4), "M8[s]"), MlDtypes)
    ml.bits = array(half)
    assert vloss.cross_entropy(ml, t) == vloss.cross_entropy(half, t)


def test_in_place():
    x, t = np.random.default_rng(1).normal(size=(3, 4)).astype("f"), np.array([1, 2, 0])
    grad = vloss.cross_entropy(x, t, return_grad=True)[1]
    y = x.copy()
    assert vloss.cross_entropy(y, t, grad_out=y)[1] is y
    np.testing.assert_array_equal(y, grad)
    for told in (True, False, None):  # an array wins
        assert vloss.cross_entropy(x, t, grad_out=y, return_grad=told)[1] is y
        assert vloss.cross_entropy(x, t, return_grad=told, grad_out=y)[1] is y
    y = x.copy()
    np.testing.assert_array_equal(vloss.softmax(y, out=y), vloss.softmax(x))
