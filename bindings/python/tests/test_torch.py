"""vloss.torch: modules and functions in place of torch's."""
import inspect
import io
import pathlib
import re
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from reference import TORCH, near, operand

import vloss
import vloss.torch as V

LOSSES = [name for name in TORCH if name in V.LOSSES]
SHAPES = {"multi_margin_loss": (4, 5), "multilabel_margin_loss": (4, 5), "multilabel_soft_margin_loss": (4, 5),
          "cosine_embedding_loss": (4, 5), "triplet_margin_loss": (4, 5)}  # fmt: skip


def operands_of(name, dtype, seed=1):
    random = np.random.default_rng(seed)
    return [operand(random, kind, SHAPES.get(name, (3, 4)), dtype) for kind in TORCH[name][0]]


def differentiable(name, operands):
    wanted = []
    for x, keyword in zip(operands, V.LOSSES[name][1].values()):
        if keyword:
            x.requires_grad_()
            wanted.append(x)
    return wanted


@pytest.mark.parametrize("name", V.LOSSES)
def test_names_and_signatures_are_torchs(name):
    assert inspect.signature(getattr(V, name)) == inspect.signature(getattr(F, name))
    theirs, ours = getattr(torch.nn, V.LOSSES[name][0]), getattr(V, V.LOSSES[name][0])
    assert inspect.signature(ours) == inspect.signature(theirs) and issubclass(ours, theirs) and ours.__name__ == theirs.__name__
    assert "vloss" in ours.__doc__ and "vloss" in getattr(V, name).__doc__


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name, reduction):
    for option in TORCH[name][1]:
        if any(isinstance(v, str) for v in option.values()):
            continue
        operands = operands_of(name, torch.float64)
        if option.get("log_input") is False:
            operands[0] = operands[0].abs() + 0.1
        if option.get("log_target"):
            operands[1] = operands[1].log()
        if option.get("full") and name == "poisson_nll_loss":
            operands[1] = operands[1] + 0.25  # what it adds begins above 1, with a step
        if name == "binary_cross_entropy":
            operands[0] = operands[0].clamp(0.1, 0.9)
        wanted = differentiable(name, operands)
        function = lambda *ignored: 1.7 * getattr(V, name)(*operands, **{**option, "reduction": reduction})
        assert torch.autograd.gradcheck(function, wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_upstream_factors(name, reduction, dtype):
    operands = operands_of(name, dtype)
    wide = [x.double().detach().clone() if x.is_floating_point() else x for x in operands]
    wanted, exact = differentiable(name, operands), differentiable(name, wide)
    loss, expected = getattr(V, name)(*operands, reduction=reduction), getattr(F, name)(*wide, reduction=reduction)
    factor = torch.linspace(0.5, 3, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    grads = torch.autograd.grad(loss, wanted, factor.to(loss.dtype), retain_graph=True)
    again = torch.autograd.grad(loss, wanted, 2 * factor.to(loss.dtype))
    right = torch.autograd.grad(expected, exact, factor)
    kind = str(dtype)[6:]
    near(loss, expected, "float32" if kind == "bfloat16" else kind)
    for grad, twice, theirs in zip(grads, again, right):
        assert grad.dtype == dtype
        near(grad, theirs, kind, scale=2)
        near(twice, 2 * theirs, kind, scale=2)


@given(st.integers(0, 99), st.sampled_from(["none", "mean", "sum"]), st.booleans(), st.sampled_from([0.0, 0.2]), st.booleans(),
       st.sampled_from([(4, 5), (5,), (2, 3, 4), (2, 3, 4, 2)]))  # fmt: skip
def test_cross_entropy(seed, reduction, weighed, smoothing, probabilities, shape):
    random = np.random.default_rng(seed)
    x = torch.tensor(random.normal(size=shape), requires_grad=True)
    classes = shape[1] if len(shape) > 1 else shape[0]
    weight = torch.tensor(random.uniform(0.5, 2, classes)) if weighed else None
    if probabilities:
        t = torch.tensor(random.uniform(size=shape), requires_grad=True)
    else:
        t = torch.tensor(random.integers(0, classes, shape[:1] * (len(shape) > 1) + shape[2:]))
    function = lambda f: f(x, t, weight, reduction=reduction, label_smoothing=smoothing)
    wanted = [x, t] if probabilities else [x]
    ours, theirs = function(V.cross_entropy), function(F.cross_entropy)
    near(ours, theirs, "float64", scale=4)
    factor = torch.rand(theirs.shape, dtype=torch.double)
    for a, b in zip(torch.autograd.grad(ours, wanted, factor), torch.autograd.grad(theirs, wanted, factor)):
        near(a, b, "float64", scale=4)
    assert torch.autograd.gradcheck(lambda *_: function(V.cross_entropy), wanted)


def test_gradients_of_16_bits_are_rounded_once():
    x = torch.full((1, 4), 3.0, dtype=torch.float16)
    x[0, 0] = 20
    x.requires_grad_()
    loss = V.cross_entropy(x, torch.tensor([0]))  # the gradient is about 4e-8, less than half of float16's smallest
    (grad,) = torch.autograd.grad(loss, x, torch.tensor(65536.0))
    assert grad[0, 1] == pytest.approx(65536 * np.exp(-17), rel=1e-3) and loss.dtype == torch.float32


def test_second_derivatives_are_refused():
    x, t = torch.randn(3, 4, dtype=torch.double, requires_grad=True), torch.tensor([1, 0, 3])
    for f in (lambda x: V.cross_entropy(x, t), lambda x: V.softmax(x).sum(), lambda x: V.log_probs(x, t)[0]):
        with pytest.raises(vloss.Error, match="first derivatives only"):
            torch.autograd.gradgradcheck(f, x)
    with pytest.raises(vloss.Error, match="create_graph=True is not possible"):
        V.mse_loss(x, x.detach() + 1).backward(create_graph=True)


@pytest.mark.parametrize("name", [row[0] for row in V.LOSSES.values()])
def test_state_dict(name):
    options = {"weight": torch.rand(5)} if "weight" in inspect.signature(getattr(torch.nn, name)).parameters else {}
    if name == "BCEWithLogitsLoss":
        options["pos_weight"] = torch.rand(5)
    theirs, ours = getattr(torch.nn, name)(**options), getattr(V, name)(**{k: torch.zeros(5) for k in options})
    assert repr(theirs) == repr(ours) and list(theirs.state_dict()) == list(ours.state_dict())
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    file.seek(0)
    ours.load_state_dict(torch.load(file))
    for key, value in options.items():
        assert (getattr(ours, key) == value).all()
    file = io.BytesIO()
    torch.save(ours, file)  # by name: vloss.torch.<name>
    file.seek(0)
    assert type(torch.load(file)) is type(ours)


def test_modules_use_their_options():
    x, t = torch.randn(6, 5), torch.tensor([1, 0, 3, -1, 2, 2])
    options = dict(weight=torch.rand(5), ignore_index=-1, label_smoothing=0.1, reduction="sum")
    near(V.CrossEntropyLoss(**options)(x, t), torch.nn.CrossEntropyLoss(**options)(x, t), "float32")
    near(V.HuberLoss(delta=0.3)(x, 2 * x), torch.nn.HuberLoss(delta=0.3)(x, 2 * x), "float32")
    near(V.KLDivLoss(reduction="batchmean", log_target=True)(x, x - 1), torch.nn.KLDivLoss(reduction="batchmean", log_target=True)(x, x - 1), "float32")
    anchors = torch.randn(3, 4, 5)
    near(V.TripletMarginLoss(margin=2, p=1, swap=True)(*anchors), torch.nn.TripletMarginLoss(margin=2, p=1, swap=True)(*anchors), "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near(V.MSELoss(size_average=False)(x, 0 * x), (x**2).sum(), "float32")
        near(V.mse_loss(x, 0 * x, reduce=False), x**2, "float32")
    near(V.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))(x, 0 * x + 1), torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))(x, 0 * x + 1), "float32")
    var = torch.rand(6, requires_grad=True)
    ours, theirs = V.GaussianNLLLoss(full=True)(x, 0 * x, var), torch.nn.GaussianNLLLoss(full=True)(x, 0 * x, var)
    near(ours, theirs, "float32")
    near(torch.autograd.grad(ours, var)[0], torch.autograd.grad(theirs, var)[0], "float32")


def test_operands_by_name():
    x, t = torch.randn(6, 5), torch.tensor([1, 0, 3, 1, 2, 2])
    assert V.CrossEntropyLoss()(input=x, target=t) == V.CrossEntropyLoss()(x, target=t) == V.cross_entropy(target=t, input=x)
    for call in (lambda: V.CrossEntropyLoss()(x), lambda: V.CrossEntropyLoss()(x, t, t, t), lambda: V.cross_entropy(x, t, input=x)):
        with pytest.raises(TypeError):
            call()


def test_broadcasting_is_torchs():
    x, t = torch.randn(4, 5, requires_grad=True), torch.randn(5, requires_grad=True)
    with pytest.warns(UserWarning, match="different to the input size"):
        ours = V.mse_loss(x, t)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = F.mse_loss(x, t)
    near(ours, theirs, "float32")
    for a, b in zip(torch.autograd.grad(ours, (x, t)), torch.autograd.grad(theirs, (x, t))):
        near(a, b, "float32")


def test_what_is_refused():
    x, t = torch.randn(3, 4, requires_grad=True), torch.tensor([1, 0, 3])
    with pytest.raises(vloss.Error, match="input: is on the device meta"):
        V.cross_entropy(torch.zeros(3, 4, device="meta"), t)
    with pytest.raises(vloss.Error, match="weight: is on the device meta"):
        V.CrossEntropyLoss(weight=torch.zeros(4, device="meta"))(x, t)
    with pytest.raises(vloss.Error, match="row 1 is 9"):
        V.cross_entropy(x, torch.tensor([1, 9, 3]))
    with pytest.raises(vloss.Error, match="weight: vloss has no gradient"):
        V.binary_cross_entropy(torch.rand(3), torch.rand(3), torch.rand(3, requires_grad=True))
    with pytest.raises(vloss.Error, match="target: vloss has no gradient"):
        V.soft_margin_loss(x, x)
    with pytest.raises(vloss.Error, match="teacher: vloss has no gradient"):
        V.divergence(x, x)
    with pytest.raises(TypeError, match="target"):
        V.cross_entropy(x)
    with pytest.raises(TypeError, match="input: ndarray is no tensor"):
        V.cross_entropy(np.zeros((3, 4)), t)


def test_errors_are_in_torchs_words():
    with pytest.raises(vloss.Error, match=r"^cross_entropy: target: row 3 is 5") as raised:
        V.cross_entropy(torch.zeros(4, 5), torch.tensor([0, 1, 2, 5]))
    assert (raised.value.argument, raised.value.status, raised.value.index) == ("target", "VLOSS_ERROR_LABEL", 3)
    with pytest.raises(vloss.Error, match="input: ") as raised:
        V.cross_entropy(torch.zeros(4, 5).to_sparse(), torch.tensor([0, 1, 2, 3]))
    assert raised.value.argument == "input"
    with pytest.raises(vloss.Error, match="dim: is None"):
        V.softmax(torch.zeros(2, 3), None)


def test_inputs_are_left_alone():
    x, t = torch.randn(3, 4, requires_grad=True), torch.tensor([1, 0, 3])
    before = x.detach().clone()
    V.cross_entropy(x, t).backward()
    first = x.grad.clone()
    V.cross_entropy(x, t).backward()
    near(x.grad, 2 * first, "float32")
    assert (x == before).all()
    loss = V.cross_entropy(x, t, reduction="sum")
    x.grad = None
    with torch.no_grad():
        assert not V.cross_entropy(x, t).requires_grad
        x += 1  # the gradient is there already
    loss.backward()
    near(x.grad, 3 * first, "float32")
    half = x.detach().bfloat16().requires_grad_()
    loss = V.cross_entropy(half, t)
    with torch.no_grad():
        half += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        (2 * loss).backward()


@given(st.integers(0, 99), st.integers(-1, 1))
def test_functions_of_logits(seed, dim):
    random = np.random.default_rng(seed)
    x = torch.tensor(random.normal(size=(3, 5)), requires_grad=True)
    for ours, theirs in ((V.softmax, torch.softmax), (V.log_softmax, torch.log_softmax)):
        near(ours(x, dim), theirs(x, dim), "float64")
        assert torch.autograd.gradcheck(lambda y: ours(y, dim), x)
    ids = torch.tensor(random.integers(0, 5, (3, 2)))
    own, entropy, lse = V.log_probs(x, ids, scale=0.5)
    lp = (0.5 * x).log_softmax(1)
    near(own, lp.gather(1, ids), "float64", scale=4)
    near(entropy, -(lp.exp() * lp).sum(1), "float64", scale=4)
    near(lse, (0.5 * x).logsumexp(1), "float64", scale=4)
    assert torch.autograd.gradcheck(lambda y: V.log_probs(y, ids, scale=0.5, softcap=3.0), x)
    teacher = torch.tensor(random.normal(size=(3, 5)))
    for kind in ("forward_kl", "reverse_kl", "jsd"):
        assert torch.autograd.gradcheck(lambda y: V.divergence(y, teacher, kind=kind, reduction="none"), x)


def test_training_gives_the_same_weights():
    torch.manual_seed(1)
    images, labels = torch.randn(64, 20), torch.randint(0, 5, (64,))
    trained = []
    for criterion in (torch.nn.CrossEntropyLoss(), V.CrossEntropyLoss()):
        torch.manual_seed(2)
        model = torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.ReLU(), torch.nn.Linear(16, 5))
        optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for _ in range(30):
            optimiser.zero_grad()
            criterion(model(images), labels).backward()
            optimiser.step()
        trained.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*trained, rtol=1e-4, atol=1e-5)


def test_hints_name_everything():
    hints = pathlib.Path(V.__file__).with_suffix(".pyi").read_text()
    assert sorted(re.findall(r" as (\w+)$|^def (\w+)", hints, re.M)) == sorted(
        ("", name) if name in ("softmax", "log_softmax", "log_probs", "divergence") else (name, "") for name in V.__all__ + ["_dtype"])  # fmt: skip
