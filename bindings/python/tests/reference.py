"""PyTorch's losses in float64, and those that it does not have, as the tests compare with them."""
import numpy as np
import torch
import torch.nn.functional as F

EPS = {torch.float32: float(np.float32(1e-7)), torch.float64: 1e-7}
TYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
# What a result may be off, relative to it and to the largest one: the rounding of the type and what sums lose.
STEP = {"float32": 2e-6, "float64": 1e-13, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def rows_mean(loss):
    return loss.mean(-1) if loss.dim() else loss


def clip(p, low, high):
    return p.clamp(low, high)


def bce(t, p, eps):
    v = clip(p, eps, 1 - eps)
    return -(t * torch.log(v + eps) + (1 - t) * torch.log(1 - v + eps))


def focal(t, p, eps, alpha, gamma):
    q = t * (1 - p) + (1 - t) * p
    a = 1 if alpha < 0 else alpha * t + (1 - alpha) * (1 - t)
    return a * bce(t, p, eps) * q**gamma


def smooth(t, a):
    return t * (1 - a) + a / 2


def hinge(t, p, power):
    signs = 2 * t - 1 if ((t == 0) | (t == 1)).all() else t
    return (1 - signs * p).clamp(min=0) ** power


def cosine(t, p):
    return -(t * p).sum(-1) / torch.sqrt((t**2).sum(-1).clamp(min=1e-12) * (p**2).sum(-1).clamp(min=1e-12))


def sparse(y, p, eps):
    v = clip(p, eps, 1 - eps)
    return v.sum(-1).log() - v.gather(-1, y[..., None])[..., 0].log()


def categorical(t, p, eps, a):
    t = t * (1 - a) + a / p.shape[-1]
    return -(t * clip(p / p.sum(-1, keepdim=True), eps, 1 - eps).log()).sum(-1)


# A function of Keras: (operands, options) -> one value a row. kinds: what y_true and y_pred hold.
KERAS = {
    "binary_crossentropy": ("probability", "probability", lambda t, p, e, label_smoothing=0.0, from_logits=False: rows_mean(
        F.binary_cross_entropy_with_logits(p, smooth(t, label_smoothing), reduction="none") if from_logits
        else bce(smooth(t, label_smoothing), p, e))),
    "binary_focal_crossentropy": ("probability", "probability", lambda t, p, e, alpha=-1.0, gamma=2.0, label_smoothing=0.0: rows_mean(
        focal(smooth(t, label_smoothing), p, e, alpha, gamma))),
    "categorical_crossentropy": ("probability", "probability", lambda t, p, e, label_smoothing=0.0: categorical(t, p, e, label_smoothing)),
    "sparse_categorical_crossentropy": ("label", "probability", lambda t, p, e: sparse(t, p, e)),
    "kl_divergence": ("probability", "probability", lambda t, p, e: (clip(t, e, 1) * (clip(t, e, 1) / clip(p, e, 1)).log()).sum(-1)),
    "mean_absolute_error": ("real", "real", lambda t, p, e: rows_mean((p - t).abs())),
    "mean_squared_error": ("real", "real", lambda t, p, e: rows_mean((p - t) ** 2)),
    "mean_absolute_percentage_error": ("real", "real", lambda t, p, e: rows_mean(100 * (p - t).abs() / t.abs().clamp(min=e))),
    "mean_squared_logarithmic_error": ("probability", "probability", lambda t, p, e: rows_mean(
        (torch.log1p(p.clamp(min=e)) - torch.log1p(t.clamp(min=e))) ** 2)),
    "log_cosh": ("real", "real", lambda t, p, e: rows_mean(torch.log(torch.cosh(p - t)))),
    "huber": ("real", "real", lambda t, p, e, delta=1.0: rows_mean(F.huber_loss(p, t, delta=delta, reduction="none"))),
    "poisson": ("count", "probability", lambda t, p, e: rows_mean(p - t * torch.log(p + e))),
    "hinge": ("bit", "real", lambda t, p, e: rows_mean(hinge(t, p, 1))),
    "squared_hinge": ("sign", "real", lambda t, p, e: rows_mean(hinge(t, p, 2))),
    "categorical_hinge": ("bit", "real", lambda t, p, e: (((1 - t) * p).max(-1).values - (t * p).sum(-1) + 1).clamp(min=0)),
    "cosine_similarity": ("real", "real", lambda t, p, e: cosine(t, p)),
}  # fmt: skip


def sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2.0, reduction="none"):
    p = torch.sigmoid(inputs)
    q = 1 - (p * targets + (1 - p) * (1 - targets))
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none") * q**gamma
    loss = loss * (alpha * targets + (1 - alpha) * (1 - targets)) if alpha >= 0 else loss
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[reduction]


# A function of PyTorch: what its operands hold, and options to try. shapes: those of its first operand.
FLAT, ROWS = [(), (1,), (7,), (4, 5), (3, 2, 33)], [(1, 1), (5, 3), (4, 100)]
TORCH = {
    "l1_loss": (("real", "real"), [{}], FLAT),
    "mse_loss": (("real", "real"), [{}], FLAT),
    "smooth_l1_loss": (("real", "real"), [{}, {"beta": 0.5}], FLAT),
    "huber_loss": (("real", "real"), [{}, {"delta": 0.5}], FLAT),
    "binary_cross_entropy": (("probability", "probability"), [{}, {"weight": "like"}, {"weight": "last"}], FLAT[1:]),
    "binary_cross_entropy_with_logits": (("real", "probability"), [{}, {"weight": "like"}, {"pos_weight": "last"}], FLAT[1:]),
    "kl_div": (("real", "probability"), [{}, {"log_target": True}, {"reduction": "batchmean"}], FLAT[1:]),
    "poisson_nll_loss": (("real", "count"), [{}, {"full": True}, {"log_input": False, "eps": 1e-3}], FLAT),
    "gaussian_nll_loss": (("real", "real", "probability"), [{}, {"full": True, "eps": 1e-3}], FLAT[1:]),
    "hinge_embedding_loss": (("real", "sign"), [{}, {"margin": 0.5}], FLAT),
    "soft_margin_loss": (("real", "sign"), [{}], FLAT),
    "margin_ranking_loss": (("real", "real", "sign"), [{}, {"margin": 0.5}], FLAT[1:]),
    "multi_margin_loss": (("real", "label"), [{}, {"p": 2, "margin": 0.5}, {"weight": "last"}], ROWS),
    "multilabel_margin_loss": (("real", "list"), [{}], ROWS),
    "multilabel_soft_margin_loss": (("real", "bit"), [{}, {"weight": "last"}], ROWS),
    "cosine_embedding_loss": (("real", "real", "row sign"), [{}, {"margin": 0.2}], ROWS),
    "triplet_margin_loss": (("real", "real", "real"), [{}, {"p": 1.0, "margin": 0.3}, {"swap": True}], ROWS),
    "sigmoid_focal_loss": (("real", "bit"), [{}, {"alpha": -1.0, "gamma": 1.5}], FLAT),
}  # fmt: skip


def operand(random, kind, shape, dtype):
    """A tensor of numbers of that type."""
    rows = shape[:-1]
    if kind == "label":
        return torch.tensor(random.integers(0, shape[-1], rows))
    if kind == "list":
        lists = np.full(shape, -1)
        for row in lists.reshape(-1, shape[-1]):
            count = random.integers(0, shape[-1] + 1)
            row[:count] = random.permutation(shape[-1])[:count]
        return torch.tensor(lists)
    if kind == "row sign":
        return torch.tensor(random.integers(0, 2, rows) * 2.0 - 1).to(torch.float64 if dtype == torch.float64 else torch.float32)
    values = {
        "real": lambda: random.normal(0, 2, shape), "probability": lambda: random.uniform(0.02, 0.95, shape),
        "count": lambda: random.integers(0, 9, shape), "sign": lambda: random.integers(0, 2, shape) * 2.0 - 1,
        "bit": lambda: random.integers(0, 2, shape)}[kind]()  # fmt: skip
    return torch.tensor(np.asarray(values, np.float64)).to(dtype)


def near(ours, theirs, dtype, scale=1.0, what=""):
    """Both are arrays or numbers; theirs of float64."""
    ours = np.asarray(torch.as_tensor(ours).detach().double())
    theirs = np.asarray(torch.as_tensor(theirs).detach().double()).reshape(ours.shape)
    finite = np.abs(theirs[np.isfinite(theirs)])
    allowed = STEP[dtype] * (np.abs(theirs) + scale * (finite.max() if finite.size else 0)) + {"float64": 1e-15, "float16": 1e-7}.get(dtype, 1e-8)
    ok = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)) | (np.abs(ours - theirs) <= allowed)
    assert ok.all(), f"{what}: {ours[~ok][:3]} where {theirs[~ok][:3]} is right"
