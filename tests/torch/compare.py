#!/usr/bin/env python3
"""compare.py LIBVLOSS: holds every loss of the registry that serves an API of PyTorch against PyTorch itself, in each
type of elements: f32, bf16, f16 and f64.

PyTorch computes in float64 from the same inputs, numbers of the type, values and gradients of every operand, over shapes,
reductions, parameters and weights; so operations that it does not have in 16 bits on a CPU are compared, too. Left out
are the cells in which vloss departs on purpose (docs/semantics.md): targets of 0 in kl_div, d = 0 with beta = 0,
infinities. Exit status 77 means that there is no PyTorch here.
"""
import ctypes
import itertools
import math
import sys
import warnings

try:
    import torch
    import torch.nn.functional as F
except ImportError as reason:
    print(f"SKIP: nothing was compared with PyTorch: {reason} (package python3-torch)")
    sys.exit(77)

from vloss import (BF16, F16, F32, F64, FORWARD_KL, JSD, NONE, REVERSE_KL, TOTAL_VARIATION, DivergenceArgs, GRAD_OTHER, GRAD_TARGET, LOGITS, LogProbsArgs, PER_CALL, PER_COLUMN, PER_ELEMENT, PER_ROW,
                   REDUCTIONS, CrossEntropyArgs, LossArgs, Mismatch, TypeRefused, address, apis, call, load, registry)  # fmt: skip

# ---- Types -----------------------------------------------------------------------------------------------------------


class Type:
    """dtype: of matrices; rows: of what has one value a class, a row or a call. precision: of what is computed, 1 for
    floats. Of 16 bits step is half of the unit in the last place of 1, relative to it; least is half of the smallest
    number; and what rounds to no finite number is from `beyond` on. own_error: PyTorch's, of operands of size 1."""

    def __init__(self, name, number, dtype, rows, precision=1, step=0, least=0, beyond=float("inf"), own_error=0):
        self.name, self.number, self.dtype, self.rows, self.precision = name, number, dtype, rows, precision
        self.step, self.least, self.beyond, self.own_error = step, least, beyond, own_error


TYPES = [
    Type("f32", F32, torch.float32, torch.float32),
    Type("bf16", BF16, torch.bfloat16, torch.float32, step=0.51 * 2.0**-7),
    Type("f16", F16, torch.float16, torch.float32, step=0.51 * 2.0**-10, least=0.51 * 2.0**-24, beyond=65520),
    Type("f64", F64, torch.float64, torch.float64, precision=2.0**-27, own_error=2.0**-46),
]
now = TYPES[0]  # the type that is compared now


def use(kind):
    global now
    now = kind
    torch.set_default_dtype(kind.rows)


def rounded(x):
    """To numbers of the type."""
    return x.to(now.dtype).to(now.rows)


def laid_out(x, like):
    """As the library gets it: what has a value for every row and column in the type itself."""
    return x.to(now.dtype) if x is not None and x.shape == like.shape else x


# ---- One case --------------------------------------------------------------------------------------------------------


def check(what, ours, theirs, size, unit=0.0):
    """PyTorch rounds nothing to float32, so what differs is vloss's own error, relative to the terms that it adds: the
    largest result, or what a single term of a gradient may be (unit); and the rounding to 16 bits. Where it computes in
    the type itself, f64, its error is in it, too, relative to the sum of the operands' sizes (size)."""
    theirs = theirs.detach().reshape(ours.shape)
    largest = theirs[theirs.isfinite()].abs().max() if theirs.isfinite().any() else 0.0
    allowed = now.precision * (2e-6 * theirs.abs() + 4e-7 * largest + 2e-7 * unit) + (now.own_error + 2.0**-50) * (1 + size)
    if ours.dtype in (torch.bfloat16, torch.float16):
        allowed = allowed + (now.step * theirs.abs()).clamp(min=now.least)
        theirs = torch.where(theirs.abs() >= now.beyond, theirs * float("inf"), theirs)
    wrong = ~((ours.double() == theirs) | ((ours.double() - theirs).abs() <= allowed))
    if wrong.any():
        i = int(wrong.flatten().nonzero()[0])
        raise Mismatch(f"{what}[{i}] is {ours.flatten()[i].double():.17g}, PyTorch says {theirs.flatten()[i]:.17g}")


def upstream_for(loss):
    return torch.empty_like(loss).uniform_(0.5, 2).to(now.rows) if loss.dim() else torch.tensor(1.5)


def spread(weight, shape):
    """How a weight covers a [rows, columns] operand."""
    if weight is None or weight.shape == shape:
        return PER_ELEMENT
    return (PER_CALL, PER_COLUMN, PER_ROW)[weight.dim()]


def compare_loss(library, info, p, theirs, target=None, other=None, labels=None, weight=None, parameters=(),
                 reduction="mean"):  # fmt: skip
    """theirs(p, target, other, weight) is PyTorch's loss of float64 tensors."""
    wide = [None if x is None else x.double() for x in (p, target, other, weight)]
    leaves = [x is not None and wanted for x, wanted in zip(wide, (True, info.operands & GRAD_TARGET,
                                                                  info.operands & GRAD_OTHER and other is not None and other.shape == p.shape, False))]  # fmt: skip
    for x, leaf in zip(wide, leaves):
        if leaf:
            x.requires_grad_()
    expected = theirs(*wide)
    upstream = upstream_for(expected)
    expected.backward(upstream.double())
    grads = [torch.empty_like(x, dtype=now.dtype) if leaf else None for x, leaf in zip(wide, leaves)]
    loss = torch.empty(expected.shape)
    given = [laid_out(x, p) for x in (p, target, other, weight)]  # as long as the call takes
    rows, columns = p.shape
    args = LossArgs(
        kind=info.kind, type=now.number, rows=rows, columns=columns, prediction=address(given[0]),
        target=address(given[1]), other=address(given[2]),
        other_spread=spread(other, p.shape), labels=address(labels),
        weights=address(given[3]), weights_spread=spread(weight, p.shape),
        parameters=(ctypes.c_double * len(parameters))(*parameters) if parameters else None,
        parameter_count=len(parameters), reduction=REDUCTIONS[reduction], upstream=address(upstream),
        loss=address(loss), grad=address(grads[0]), grad_target=address(grads[1]), grad_other=address(grads[2]))  # fmt: skip
    call(library, "vloss_loss_sized", args)
    size = float(p.detach().abs().max()) * columns  # PyTorch adds one column after the other
    check("loss", loss, expected, size)
    for name, ours, x in zip(("grad", "grad_target", "grad_other"), grads, wide):
        if ours is not None:
            unit = float(upstream.abs().max()) / (p.numel() if reduction == "mean" else 1)
            check(name, ours, x.grad, size, unit)


# ---- Cases of each loss: generators of keyword arguments for compare_loss --------------------------------------------

SHAPES = [(1, 1), (1, 7), (2, 16), (5, 33), (16, 10), (3, 129), (1, 1025), (40, 64)]
REDUCED = ("none", "mean", "sum")


def normal(shape, scale=3):
    return rounded(torch.randn(shape) * scale)


def uniform(shape, low=0.001, high=0.99):  # no 1 in 16 bits, either
    return rounded(torch.empty(shape).uniform_(low, high))


def bits(shape):
    return torch.randint(0, 2, shape).to(now.rows)


def sign(shape):
    return bits(shape) * 2 - 1


def beside(target, p):
    """The target, nowhere equal to the prediction."""
    return torch.where(target == p, rounded(target + 1), target)


def regression(function, name=None, values=(None,)):
    def cases():
        for shape, reduction, value in itertools.product(SHAPES, REDUCED, values):
            options = {} if value is None else {name: value}
            p = normal(shape)
            yield dict(p=p, target=beside(normal(shape), p), reduction=reduction,
                       parameters=[] if value is None else [value],
                       theirs=lambda p, t, o, w, r=reduction, k=options: function(p, t, reduction=r, **k))  # fmt: skip

    return cases


def weight_shapes(rows, columns):
    return (None, (), (columns,), (rows, 1), (rows, columns))


def bce():
    for shape, reduction in itertools.product(SHAPES, REDUCED):
        for weight in weight_shapes(*shape):
            yield dict(p=uniform(shape), target=uniform(shape, -0.5, 1.5).clamp(0, 1), reduction=reduction,
                       weight=None if weight is None else uniform(weight, -1, 3),
                       theirs=lambda p, t, o, w, r=reduction: F.binary_cross_entropy(p, t, w, reduction=r))  # fmt: skip


def bce_with_logits():
    for shape, reduction in itertools.product(SHAPES, REDUCED):
        for weight, positive in itertools.product(weight_shapes(*shape), weight_shapes(*shape)):
            yield dict(p=normal(shape, 8), target=uniform(shape, -0.5, 1.5).clamp(0, 1), reduction=reduction,
                       weight=None if weight is None else uniform(weight, -1, 3),
                       other=None if positive is None else uniform(positive, 0.1, 5),
                       theirs=lambda p, t, o, w, r=reduction: F.binary_cross_entropy_with_logits(
                           p, t, w, pos_weight=o, reduction=r))  # fmt: skip


def kl_div():
    for shape, reduction, log_target in itertools.product(SHAPES, REDUCED + ("batchmean",), (0, 1)):
        target = -uniform(shape, 0.01, 9) if log_target else uniform(shape)
        yield dict(p=-uniform(shape, 0.01, 9), target=target, reduction=reduction, parameters=[log_target],
                   theirs=lambda p, t, o, w, r=reduction, log=log_target: F.kl_div(
                       p, t, reduction=r, log_target=bool(log)))  # fmt: skip


def poisson_nll():
    for shape, reduction, log_input, full in itertools.product(SHAPES, REDUCED, (1, 0), (0, 1)):
        yield dict(p=normal(shape, 2) if log_input else uniform(shape, 0.1, 9), target=uniform(shape, 0.25, 9),
                   reduction=reduction, parameters=[log_input, full, 1e-8],
                   theirs=lambda p, t, o, w, r=reduction, i=log_input, f=full: F.poisson_nll_loss(
                       p, t, log_input=bool(i), full=bool(f), eps=1e-8, reduction=r))  # fmt: skip


def gaussian_nll():
    for shape, reduction, full, eps in itertools.product(SHAPES, REDUCED, (0, 1), (1e-6, 0.5)):
        for variance in (shape, (shape[0], 1)):
            yield dict(p=normal(shape), target=normal(shape), other=uniform(variance, 0, 4), reduction=reduction,
                       parameters=[full, eps],
                       theirs=lambda p, t, o, w, r=reduction, f=full, e=eps: F.gaussian_nll_loss(
                           p, t, o, full=bool(f), eps=e, reduction=r))  # fmt: skip


def hinge_embedding():
    for shape, reduction, margin in itertools.product(SHAPES, REDUCED, (1, 0.3, -2)):
        yield dict(p=normal(shape), target=sign(shape), reduction=reduction, parameters=[margin],
                   theirs=lambda p, t, o, w, r=reduction, m=margin: F.hinge_embedding_loss(p, t, m, reduction=r))  # fmt: skip


def soft_margin():
    for shape, reduction in itertools.product(SHAPES, REDUCED):
        yield dict(p=normal(shape), target=sign(shape), reduction=reduction,
                   theirs=lambda p, t, o, w, r=reduction: F.soft_margin_loss(p, t, reduction=r))  # fmt: skip


def margin_ranking():
    for shape, reduction, margin in itertools.product(SHAPES, REDUCED, (0, 1, -0.5)):
        yield dict(p=normal(shape), target=sign(shape), other=normal(shape), reduction=reduction, parameters=[margin],
                   theirs=lambda p, t, o, w, r=reduction, m=margin: F.margin_ranking_loss(p, o, t, m, reduction=r))  # fmt: skip


def cosine_embedding():
    for shape, reduction, margin in itertools.product(SHAPES, REDUCED, (0, 0.5, -1)):
        # Not near 0: of one column the gradient is a difference of numbers of the size 1 / |p|.
        p, other = (rounded(x + x.sign()) for x in (normal(shape), normal(shape)))
        yield dict(p=p, target=sign(shape[:1]), other=other, reduction=reduction, parameters=[margin],
                   theirs=lambda p, t, o, w, r=reduction, m=margin: F.cosine_embedding_loss(p, o, t, m, reduction=r))  # fmt: skip


def multi_margin():
    for shape, reduction, norm, margin, weighed in itertools.product(SHAPES, REDUCED, (1, 2), (1, 0.3), (False, True)):
        labels = torch.randint(0, shape[1], shape[:1])
        yield dict(p=normal(shape), labels=labels, reduction=reduction, parameters=[norm, margin],
                   weight=uniform(shape[1:], 0.1, 3) if weighed else None,
                   theirs=lambda p, t, o, w, r=reduction, n=norm, m=margin, y=labels: F.multi_margin_loss(
                       p, y, n, m, w, reduction=r))  # fmt: skip


def multilabel_margin():
    for shape, reduction, repeat in itertools.product(SHAPES, REDUCED, range(3)):
        labels = torch.randint(-1 if repeat else 0, shape[1], shape)
        yield dict(p=normal(shape, 1), labels=labels, reduction=reduction,
                   theirs=lambda p, t, o, w, r=reduction, y=labels: F.multilabel_margin_loss(p, y, reduction=r))  # fmt: skip


def multilabel_soft_margin():
    for shape, reduction, weighed in itertools.product(SHAPES, REDUCED, (False, True)):
        yield dict(p=normal(shape), target=bits(shape), reduction=reduction,
                   weight=uniform(shape[1:], 0.1, 3) if weighed else None,
                   theirs=lambda p, t, o, w, r=reduction: F.multilabel_soft_margin_loss(p, t, w, reduction=r))  # fmt: skip


def triplet_margin():
    for shape, reduction, norm, margin, swap in itertools.product(SHAPES, REDUCED, (2, 1, 3.5), (1, 6), (0, 1)):
        yield dict(p=normal(shape), target=normal(shape), other=normal(shape), reduction=reduction,
                   parameters=[margin, norm, 1e-6, swap],
                   theirs=lambda p, t, o, w, r=reduction, n=norm, m=margin, s=swap: F.triplet_margin_loss(
                       p, t, o, m, n, 1e-6, bool(s), reduction=r))  # fmt: skip


LOSSES = {
    "l1": regression(F.l1_loss),
    "mse": regression(F.mse_loss),
    "smooth_l1": regression(F.smooth_l1_loss, "beta", (1.0, 0.3, 4.0, 0.0)),
    "huber": regression(F.huber_loss, "delta", (1.0, 0.3, 4.0)),
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "kl_div": kl_div,
    "poisson_nll": poisson_nll,
    "gaussian_nll": gaussian_nll,
    "hinge_embedding": hinge_embedding,
    "soft_margin": soft_margin,
    "margin_ranking": margin_ranking,
    "cosine_embedding": cosine_embedding,
    "multi_margin": multi_margin,
    "multilabel_margin": multilabel_margin,
    "multilabel_soft_margin": multilabel_soft_margin,
    "triplet_margin": triplet_margin,
}

# ---- Cross-entropy and NLL: classes on axis 1 ------------------------------------------------------------------------

LOGIT_SHAPES = [(1, 2), (5, 10), (16, 33), (3, 300), (2, 7, 5), (3, 40, 4, 2)]


def compare_logits(library, function, x, theirs, labels=None, targets=None, weight=None, smoothing=0.0, ignore_index=-100,
                   reduction="mean"):  # fmt: skip
    wide = x.double().requires_grad_()
    expected = theirs(wide, targets.double() if targets is not None else labels,
                      None if weight is None else weight.double())  # fmt: skip
    upstream = upstream_for(expected)
    expected.backward(upstream.double())
    loss, grad = torch.empty(expected.shape), torch.empty_like(x, dtype=now.dtype)
    given = [laid_out(y, x) for y in (x, targets)]
    args = CrossEntropyArgs(
        rows=x.shape[0], classes=x.shape[1], inner=x[0, 0].numel(), logits=address(given[0]), type=now.number,
        labels=address(labels), ignore_index=0 if ignore_index == -100 else ignore_index, targets=address(given[1]),
        weights=address(weight),
        label_smoothing=smoothing, reduction=REDUCTIONS[reduction], upstream=address(upstream), loss=address(loss),
        grad=address(grad))  # fmt: skip
    call(library, function, args)
    size = float(x.detach().abs().max())
    check("loss", loss, expected, size)
    check("grad", grad, wide.grad, size, float(upstream.abs().max()) * (1.0 if weight is None else float(weight.max())))


def label_case(shape, ignore_index):
    labels = torch.randint(0, shape[1], shape[:1] + shape[2:])
    labels[torch.rand(labels.shape) < 0.2] = ignore_index
    labels.flatten()[0] = 0  # one row that counts, at least; ignore_index is never 0
    return labels


def nll():
    for shape, reduction, weighed, ignore in itertools.product(LOGIT_SHAPES, REDUCED, (False, True), (-100, 1)):
        yield dict(x=rounded(F.log_softmax(normal(shape), 1)), labels=label_case(shape, ignore), reduction=reduction,
                   ignore_index=ignore, weight=uniform(shape[1:2], 0.1, 3) if weighed else None,
                   theirs=lambda x, t, w, r=reduction, i=ignore: F.nll_loss(x, t, w, ignore_index=i, reduction=r))  # fmt: skip


def cross_entropy():
    for shape, reduction, weighed, e in itertools.product(LOGIT_SHAPES, REDUCED, (False, True), (0.0, 0.1, 1.0)):
        weight = uniform(shape[1:2], 0.1, 3) if weighed else None
        for ignore in (-100, 1):
            yield dict(x=normal(shape, 5), labels=label_case(shape, ignore), reduction=reduction, ignore_index=ignore,
                       weight=weight, smoothing=e,
                       theirs=lambda x, t, w, r=reduction, i=ignore, s=e: F.cross_entropy(
                           x, t, w, ignore_index=i, reduction=r, label_smoothing=s))  # fmt: skip
        yield dict(x=normal(shape, 5), targets=uniform(shape), reduction=reduction, weight=weight, smoothing=e,
                   theirs=lambda x, t, w, r=reduction, s=e: F.cross_entropy(x, t, w, reduction=r, label_smoothing=s))  # fmt: skip


# ---- Log-probabilities: log_softmax, gather, topk and their gradients ------------------------------------------------


def log_probs(library):
    """How many cases were compared."""
    cases = itertools.product(((1, 2), (5, 10), (16, 33), (3, 300), (2, 5000)), (1, 3), ((0.0, 0.0), (0.7, 0.0), (1.5, 5.0)))
    for count, (shape, ids_per_row, (scale, cap)) in enumerate(cases):
        x, (rows, classes) = normal(shape, 5), shape
        ids, top = torch.randint(0, classes, (rows, ids_per_row)), min(classes, 7)
        wide = x.double().requires_grad_()
        y = wide * (scale or 1.0)
        if cap:
            y = cap * torch.tanh(y / cap)
        lp = y.log_softmax(1)
        own, entropy, lse = lp.gather(1, ids), -(lp.exp() * lp).sum(1), y.logsumexp(1)
        u, v, w = (torch.empty_like(z, dtype=now.rows).uniform_(-1, 1) for z in (own, entropy, lse))
        ((own * u).sum() + (entropy * v).sum() + (lse * w).sum()).backward()
        logprob, top_logprob, of_entropy, of_lse = (torch.empty(n) for n in (own.shape, (rows, top), rows, rows))
        rank, top_id = torch.empty(own.shape, dtype=torch.int64), torch.empty((rows, top), dtype=torch.int64)
        given, grad = laid_out(x, x), torch.empty_like(x, dtype=now.dtype)
        args = LogProbsArgs(
            rows=rows, classes=classes, logits=address(given), type=now.number, scale=scale, softcap=cap,
            ids=address(ids), ids_per_row=ids_per_row, logprob=address(logprob), rank=address(rank), top=top,
            top_id=address(top_id), top_logprob=address(top_logprob), lse=address(of_lse), entropy=address(of_entropy),
            upstream=address(u), entropy_upstream=address(v), lse_upstream=address(w), grad=address(grad))  # fmt: skip
        call(library, "vloss_log_probs_sized", args)
        size = 16 * float(x.abs().max())  # y is rounded to float: relative to the largest
        check("logprob", logprob, own, size, size)
        check("top_logprob", top_logprob, lp.topk(top, 1).values, size, size)
        check("entropy", of_entropy, entropy, size, size)
        check("lse", of_lse, lse, size, size)
        check("grad", grad, wide.grad, size, size)
        if cap == 0 and scale == 0:  # no two logits alike that were not before
            above = (x.unsqueeze(1) > x.gather(1, ids).unsqueeze(2)).sum(2)
            equal = ((x.unsqueeze(1) == x.gather(1, ids).unsqueeze(2)) & (torch.arange(classes) < ids.unsqueeze(2))).sum(2)
            if not torch.equal(rank, above + equal):
                raise Mismatch(f"ranks {rank.flatten().tolist()}, by counting {(above + equal).flatten().tolist()}")
        if not torch.equal(top_logprob, top_logprob.sort(1, descending=True).values):
            raise Mismatch("the top is not sorted")
    return count + 1


# ---- Two rows compared: kl_div of log_softmax, and what is composed of it --------------------------------------------


def kl(lp, lq):
    return F.kl_div(lq, lp, reduction="none", log_target=True).sum(1)


def jsd(beta):
    def of(lp, lq):
        mixed = torch.logaddexp(lp + math.log(beta), lq + math.log(1 - beta))
        return beta * kl(lp, mixed) + (1 - beta) * kl(lq, mixed)

    return of


DIVERGENCES = ((FORWARD_KL, 0.0, kl), (REVERSE_KL, 0.0, lambda lp, lq: kl(lq, lp)), (JSD, 0.5, jsd(0.5)), (JSD, 0.1, jsd(0.1)),
               (TOTAL_VARIATION, 0.0, lambda lp, lq: (lp.exp() - lq.exp()).abs().sum(1) / 2))  # fmt: skip


def divergence(library):
    """How many cases were compared."""
    cases = itertools.product(((1, 2), (5, 10), (16, 33), (3, 300), (2, 5000)), (0.0, 0.5), DIVERGENCES)
    for count, (shape, scale, (kind, beta, theirs)) in enumerate(cases):
        x, z, (rows, classes) = normal(shape, 3), normal(shape, 3), shape
        wide = x.double().requires_grad_()
        lq, lp = ((y * (scale or 1.0)).log_softmax(1) for y in (wide, z.double()))
        u = torch.empty(rows, dtype=now.rows).uniform_(-1, 1)
        expected = theirs(lp, lq)
        (expected * u).sum().backward()
        loss, same_top, grad = torch.empty(rows), torch.empty(rows, dtype=torch.int32), torch.empty_like(x, dtype=now.dtype)
        given = laid_out(x, x), laid_out(z, z)
        args = DivergenceArgs(
            kind=kind, beta=beta, rows=rows, classes=classes, student=address(given[0]), student_type=now.number,
            teacher=address(given[1]), teacher_type=now.number, scale=scale, reduction=NONE, upstream=address(u),
            loss=address(loss), same_top=address(same_top), grad=address(grad))  # fmt: skip
        call(library, "vloss_divergence_sized", args)
        check("loss", loss, expected, 4, 4)
        check("grad", grad, wide.grad, 16, 16)
        if not torch.equal(same_top, (x.argmax(1) == z.argmax(1)).int()):
            raise Mismatch(f"same tops {same_top.tolist()}")
    return count + 1


LOGIT_LOSSES = {"cross_entropy": cross_entropy, "nll": nll}


def compare_case(library, info, case):
    if info.family == LOGITS:
        compare_logits(library, f"vloss_{info.name.decode()}_sized", **case)
    else:
        compare_loss(library, info, **case)


def told(case):
    x = case.get("p", case.get("x"))
    options = {k: list(v.shape) if torch.is_tensor(v) else v for k, v in case.items()
               if k not in ("p", "x", "theirs") and v is not None}  # fmt: skip
    return f"{list(x.shape)} {options}"


class Counts:
    def __init__(self):
        self.compared = self.failures = 0
        self.refusals = {}


def compare_function(library, info, cases, counts):
    """Returns how many cases were compared. After a refusal of the type the others would be refused, too."""
    name = info.name.decode()
    before = counts.compared
    for case in cases():
        try:
            compare_case(library, info, case)
        except TypeRefused as status:
            counts.refusals.setdefault(str(status), []).append(name)
            break
        except Mismatch as what:
            counts.failures += 1
            if counts.failures <= 20:
                print(f"FAIL {name} in {now.name} {told(case)}: {what}")
        counts.compared += 1
    return counts.compared - before


def compare_type(library):
    counts = Counts()
    for info in registry(library):
        name = info.name.decode()
        served = [api for api in apis(info) if api.startswith("torch.nn.")]
        if not served:
            continue
        cases = LOGIT_LOSSES.get(name) if info.family == LOGITS else LOSSES.get(name)
        if not cases:
            print(f"FAIL {name}: nothing compares it with {', '.join(served)}")
            counts.failures += 1
            continue
        count = compare_function(library, info, cases, counts)
        if count:
            print(f"{now.name:4} {name:24} {count:5} cases with {', '.join(served)}")
    for of_logits, what in ((log_probs, "log_softmax, gather, topk, logsumexp"), (divergence, "kl_div of log_softmax")):
        name = of_logits.__name__
        try:
            count = of_logits(library)
            counts.compared += count
            print(f"{now.name:4} {name:24} {count:5} cases with {what}")
        except TypeRefused as status:
            counts.refusals.setdefault(str(status), []).append(name)
        except Mismatch as what:
            counts.failures += 1
            print(f"FAIL {name} in {now.name}: {what}")
    for status, names in counts.refusals.items():
        print(f"NOT COMPARED in {now.name}: {len(names)} losses answer {status}: {', '.join(names)}")
    print(f"{now.name:4} {counts.compared} cases compared with PyTorch {torch.__version__}, {counts.failures} failures")
    return counts


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # about reductions that PyTorch means to change
    library = load(sys.argv[1])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    failed = False
    for kind in TYPES:
        use(kind)
        counts = compare_type(library)
        failed |= counts.failures > 0 or (kind.number == F32 and not counts.compared)
    sys.exit(1 if failed else 0)


main()
