"""Every loss against PyTorch's, or its formula, in float64: values and gradients, in every type and reduction."""
import numpy as np
import pytest
import reference
import torch
import torch.nn.functional as F
from reference import KERAS, TORCH, TYPES, near, operand

import vloss


def array(tensor):
    """As NumPy has it; bfloat16 as uint16."""
    return tensor.view(torch.int16).numpy().view(np.uint16) if tensor.dtype == torch.bfloat16 else tensor.numpy()


def leaf(tensor):
    return tensor.detach().double().clone().requires_grad_()


def wide(tensor):
    return leaf(tensor) if tensor.is_floating_point() else tensor


def value(array, dtype):
    return torch.tensor(np.asarray(array).view(np.int16)).view(torch.bfloat16) if dtype == "bfloat16" else torch.as_tensor(array)


def loss_value(loss):
    return torch.as_tensor(loss, dtype=torch.float64) if isinstance(loss, float) else torch.as_tensor(loss)


def gradients_of(name, operands):
    signature = vloss.__dict__[name].__text_signature__
    return [key for key in (f"grad_{o}" for o in operands) if f"{key}=" in signature]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", TORCH)
def test_torch(name, dtype):
    kinds, options, shapes = TORCH[name]
    theirs = getattr(F, name, None) or getattr(reference, name)
    for seed, shape in enumerate(shapes):
        for option in options:
            for reduction in [option["reduction"]] if "reduction" in option else ["none", "mean", "sum"]:
                random = np.random.default_rng(seed)
                given = [operand(random, kind, shape, TYPES[dtype]) for kind in kinds]
                if name == "poisson_nll_loss" and not option.get("log_input", True):
                    given[0] = given[0].abs()
                if option.get("log_target"):
                    given[1] = given[1].double().log().to(given[1].dtype)
                chosen = dict(option, reduction=reduction)
                for key in ("weight", "pos_weight"):
                    if key in chosen:
                        size, own = (shape, TYPES[dtype]) if chosen[key] == "like" else (shape[-1:], torch.float64 if dtype == "float64" else torch.float32)
                        if size == shape:
                            own = TYPES[dtype]
                        chosen[key] = torch.tensor(random.uniform(0.5, 2, size)).to(own)
                exact = [wide(x) if "sign" not in kind else x.double() for kind, x in zip(kinds, given)]
                expected = theirs(*exact, **{k: v.double() if torch.is_tensor(v) else v for k, v in chosen.items()})
                upstream = torch.tensor(random.uniform(0.5, 2, expected.shape))
                upstream = upstream.to(torch.float64 if dtype == "float64" else torch.float32)
                expected.backward(upstream.double())
                ours = {k: array(v) if torch.is_tensor(v) else v for k, v in chosen.items()}
                loss, grad = vloss.__dict__[name](*map(array, given), **ours, return_grad=True, bfloat16=True,
                                                  upstream=float(upstream) if upstream.dim() == 0 else upstream.numpy())  # fmt: skip
                what = f"{name} {shape} {chosen}"
                near(loss_value(loss), expected, "float64" if dtype == "float64" else "float32", what=what)
                near(value(grad, dtype), exact[0].grad, dtype, what=what)
                assert isinstance(loss, float) == (reduction != "none" or shape == ()), what


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TORCH)
def test_gradients_of_the_other_operands(name, dtype):
    kinds, options, shapes = TORCH[name]
    signature = vloss.__dict__[name].__text_signature__
    operands = signature[1:].split(", *")[0].split(", ")
    keys = [f"grad_{o}" for o in operands if f"grad_{o}=" in signature]
    if not keys:
        return
    random = np.random.default_rng(3)
    given = [operand(random, kind, shapes[-1], TYPES[dtype]) for kind in kinds]
    exact = [wide(x) for x in given]
    theirs = getattr(F, name, None) or getattr(reference, name)
    theirs(*exact).backward()
    result = vloss.__dict__[name](*given, **dict.fromkeys(keys, True), out=False)
    for key, grad in zip(keys, result if len(keys) > 1 else [result]):
        near(grad, exact[operands.index(key[5:])].grad, dtype, what=key)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", KERAS)
def test_keras(name, dtype):
    true, pred, formula = KERAS[name]
    options = {"binary_crossentropy": [{}, {"label_smoothing": 0.2}, {"from_logits": True}], "huber": [{}, {"delta": 0.3}],
               "binary_focal_crossentropy": [{}, {"alpha": 0.25, "gamma": 1.5, "label_smoothing": 0.1}],
               "categorical_crossentropy": [{}, {"label_smoothing": 0.2}]}.get(name, [{}])  # fmt: skip
    for seed, shape in enumerate([(1, 3), (6, 10), (2, 3, 40)]):
        for option in options:
            random = np.random.default_rng(seed)
            t, p = (operand(random, kind, shape, TYPES[dtype]) for kind in (true, pred))
            weight = random.uniform(0.5, 2, shape[:-1]).astype("float64" if dtype == "float64" else "float32")
            exact = leaf(p)
            eps = 1e-7 if dtype == "float64" else float(np.float32(1e-7))
            rows = formula(t.double() if t.is_floating_point() else t, exact, eps, **option) * torch.tensor(weight).double()
            for reduction, expected in (("none", rows), ("sum", rows.sum()), ("sum_over_batch_size", rows.sum() / rows.numel())):
                exact.grad = None
                expected.sum().backward(retain_graph=True)
                loss, grad = vloss.__dict__[name](array(t), array(p), sample_weight=weight, reduction=reduction, return_grad=True,
                                                  bfloat16=True, **option)  # fmt: skip
                what = f"{name} {shape} {option} {reduction}"
                step = "float64" if dtype == "float64" else "float32"
                near(loss_value(loss), expected, step, scale=4, what=what)
                near(value(grad, dtype), exact.grad, dtype, what=what)


def test_spreads_of_weights():
    x, t = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("f")
    element = np.abs(vloss.mse_loss(x, t, reduction="none"))
    for weight in (2.0, np.float32(2), np.full(3, 2, "f"), np.full((4, 1), 2, "f"), np.full((1, 3), 2, "f"), np.full((4, 3), 2, "f")):
        np.testing.assert_array_equal(vloss.mse_loss(x, t, weight=weight, reduction="none"), 2 * element)
    rows = np.arange(1, 5, dtype="f")[:, None]
    np.testing.assert_array_equal(vloss.mse_loss(x, t, weight=rows, reduction="none"), rows * element)
    cube = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("f")
    middle = np.arange(1, 5, dtype="f")[:, None]
    np.testing.assert_allclose(vloss.mse_loss(cube, 0 * cube, weight=middle, reduction="none"), middle * cube**2, rtol=1e-6)
    variance = np.arange(1, 5, dtype="f")
    np.testing.assert_array_equal(vloss.gaussian_nll_loss(x, t, variance), vloss.gaussian_nll_loss(x, t, variance[:, None]))
    with pytest.raises(vloss.Error, match="mse_loss: weight: shape"):
        vloss.mse_loss(x, t, weight=np.ones(2, "f"))


def test_every_loss_of_the_registry_has_a_function():
    from vloss import _functions

    used = {row.split("|")[1].strip() for table in (_functions.TORCH, _functions.KERAS) for row in table.strip().splitlines()}
    used |= {"cross_entropy", "nll"}
    assert used == {loss["name"] for loss in vloss.info()["losses"]}
    tested = set(TORCH) | set(KERAS)
    assert tested == {spec.name for spec in _functions.specs() if spec.family == "loss"}
