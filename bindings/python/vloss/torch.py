"""vloss.torch: the losses of torch.nn and torch.nn.functional, computed by vloss, on the CPU.

    from vloss.torch import CrossEntropyLoss  # instead of torch.nn

Names, signatures, buffers and state_dicts are torch's: the modules are subclasses of its own. Where an input requires a gradient, loss
and gradient are computed together, in the forward pass; backward multiplies by the gradient of what follows, or, of 16-bit inputs,
computes the gradient again with that as a factor, so that it is rounded once. Losses of 16-bit inputs are float32. There are first
derivatives only, and no forward-mode ones. What vloss computes otherwise than torch, docs/semantics.md says.
"""
import inspect
import warnings

import torch
from torch import nn
from torch.nn import _reduction
from torch.nn import functional as F

import vloss
from vloss import Error


# A function of torch.nn.functional: its operands, those whose gradients vloss has, with the keyword that asks for each,
# and the module.
LOSSES = {
    "cross_entropy": ("CrossEntropyLoss", {"input": "return_grad", "target": "grad_targets"}),
    "nll_loss": ("NLLLoss", {"input": "return_grad", "target": None}),
    "l1_loss": ("L1Loss", {"input": "return_grad", "target": "grad_target"}),
    "mse_loss": ("MSELoss", {"input": "return_grad", "target": "grad_target"}),
    "smooth_l1_loss": ("SmoothL1Loss", {"input": "return_grad", "target": "grad_target"}),
    "huber_loss": ("HuberLoss", {"input": "return_grad", "target": "grad_target"}),
    "binary_cross_entropy": ("BCELoss", {"input": "return_grad", "target": "grad_target"}),
    "binary_cross_entropy_with_logits": ("BCEWithLogitsLoss", {"input": "return_grad", "target": "grad_target"}),
    "kl_div": ("KLDivLoss", {"input": "return_grad", "target": "grad_target"}),
    "poisson_nll_loss": ("PoissonNLLLoss", {"input": "return_grad", "target": "grad_target"}),
    "gaussian_nll_loss": ("GaussianNLLLoss", {"input": "return_grad", "target": "grad_target", "var": "grad_var"}),
    "hinge_embedding_loss": ("HingeEmbeddingLoss", {"input": "return_grad", "target": None}),
    "soft_margin_loss": ("SoftMarginLoss", {"input": "return_grad", "target": None}),
    "margin_ranking_loss": ("MarginRankingLoss", {"input1": "return_grad", "input2": "grad_input2", "target": None}),
    "multi_margin_loss": ("MultiMarginLoss", {"input": "return_grad", "target": None}),
    "multilabel_margin_loss": ("MultiLabelMarginLoss", {"input": "return_grad", "target": None}),
    "multilabel_soft_margin_loss": ("MultiLabelSoftMarginLoss", {"input": "return_grad", "target": None}),
    "cosine_embedding_loss": ("CosineEmbeddingLoss", {"input1": "return_grad", "input2": "grad_input2", "target": None}),
    "triplet_margin_loss": ("TripletMarginLoss", {"anchor": "return_grad", "positive": "grad_positive", "negative": "grad_negative"}),
}  # fmt: skip
BROADCAST = {"l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "hinge_embedding_loss",
             "soft_margin_loss", "margin_ranking_loss"}  # fmt: skip
OF_LABELS = {"cross_entropy", "nll_loss", "multi_margin_loss", "multilabel_margin_loss"}
ROW_LOSSES = {"multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "cosine_embedding_loss",
              "triplet_margin_loss"}  # fmt: skip
WEIGHTS = {"weight", "pos_weight"}
HALVES = (torch.float16, torch.bfloat16)


def _values(dtype):
    """The type of what has one value a class, a row or a call."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _once(name):
    """Backward with create_graph=True: what it gives would count as constant, and second derivatives as 0."""
    if torch.is_grad_enabled():
        raise Error(f"vloss.torch: {name} has first derivatives only: backward with create_graph=True is not possible; "
                    "take torch.nn.functional's where you need second ones")  # fmt: skip


class _Loss(torch.autograd.Function):
    """of: the function's name, the axis that the loss lacks of its operands (None: it has all), the keywords of their gradients, options."""

    @staticmethod
    def forward(ctx, of, *operands):
        name, _, gradients, options = of
        ctx.of, ctx.wanted = of, [keyword for keyword, needed in zip(gradients, ctx.needs_input_grad[1:]) if needed]
        loss, *grads = _compute(name, operands, options, ctx.wanted)
        if operands[0].dtype in HALVES:
            ctx.save_for_backward(*grads, *operands)
        else:
            ctx.save_for_backward(*grads)
        return loss

    @staticmethod
    def backward(ctx, upstream):
        name, axis, gradients, options = ctx.of
        _once(name)
        grads = ctx.saved_tensors
        if upstream.dim() > 0 or upstream.item() != 1:
            operands = grads[len(ctx.wanted) :]
            if operands:
                grads = _compute(name, operands, {**options, "upstream": upstream.contiguous()}, ctx.wanted)[1:]
            else:
                factor = upstream if axis is None or upstream.dim() == 0 else upstream.unsqueeze(axis)
                grads = [grad * factor for grad in grads]
        grads = iter(grads)
        return None, *(next(grads) if needed else None for needed in ctx.needs_input_grad[1:])


def _compute(name, operands, options, wanted):
    """(loss, the gradients that are wanted), as tensors."""
    operands = [x.detach() if x.requires_grad else x for x in operands]
    function, asked = getattr(vloss, name), dict.fromkeys(wanted, True)
    if options["reduction"] != "none":
        asked["out"] = torch.empty((), dtype=_values(operands[0].dtype))
    try:
        result = function(*operands, **options, **asked)
    except Error as error:
        raise _in_torchs_words(name, error) from None
    if not wanted:
        result = (result,)
    if isinstance(result[0], float):  # of one element
        result = (torch.tensor(result[0], dtype=_values(operands[0].dtype)), *result[1:])
    return result


# What torch calls the operands of cross_entropy.
TORCHS_WORDS = {"logits": "input", "labels": "target"}


def _in_torchs_words(name, error):
    theirs = TORCHS_WORDS.get(error.argument) if name == "cross_entropy" else None
    if theirs is None:
        return error
    renamed = Error(str(error).replace(f"{name}: {error.argument}:", f"{name}: {theirs}:", 1))
    renamed.argument, renamed.status, renamed.index = theirs, error.status, error.index
    return renamed


def _error(name, argument, what):
    error = Error(f"{name}: {argument}: {what}")
    error.argument = argument
    return error


def _on_cpu(name, tensors):
    for argument, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name}: {argument}: {type(tensor).__name__} is no tensor")
        if not tensor.is_cpu:
            raise _error(name, argument, f"is on the device {tensor.device}; vloss computes on the CPU")


def _wants_gradient(tensor):
    return tensor.requires_grad and torch.is_grad_enabled()


def _shaped(name, operands):
    """Broadcast as torch does, with its warning."""
    first, second = list(operands.values())[:2]
    if first.shape != second.shape and name in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"):
        warnings.warn(f"Using a target size ({second.shape}) that is different to the input size ({first.shape}). This will likely lead "
                      "to incorrect results due to broadcasting. Please ensure they have the same size.", stacklevel=4)  # fmt: skip
    try:
        return dict(zip(operands, torch.broadcast_tensors(*operands.values())))
    except RuntimeError:
        return operands  # vloss says which shape is wrong


def _operands(name, operands):
    """As torch takes them, other shapes and dtypes included, to as vloss does."""
    if name == "multi_margin_loss" and operands["input"].dim() == 1 and operands["target"].shape == (1,):
        operands["input"] = operands["input"].unsqueeze(0)
    if name in BROADCAST:
        operands = _shaped(name, operands)
    dtype = next(iter(operands.values())).dtype
    for key, operand in operands.items():
        if key == "target" and name in OF_LABELS and not operand.is_floating_point():
            operands[key] = operand if operand.dtype in (torch.int64, torch.int32) else operand.long()
        elif key == "target" and name == "cosine_embedding_loss":
            operands[key] = operand.to(_values(dtype))
        elif operand.dtype != dtype:
            operands[key] = operand.to(dtype)
    return _gaussian(**operands) if name == "gaussian_nll_loss" else operands


def _weight(name, key, weight, first):
    _on_cpu(name, {key: weight})
    if _wants_gradient(weight):
        raise _error(name, key, "vloss has no gradient with respect to it")
    whole = weight.dim() > 0 and weight.shape == first.shape and name.startswith("binary")
    return weight.detach().to(first.dtype if whole else _values(first.dtype))


def _call(name, gradients, given):
    """given: what torch's function takes, by name."""
    operands = {key: given.pop(key) for key in gradients}
    _on_cpu(name, operands)
    size_average, reduce = given.pop("size_average", None), given.pop("reduce", None)
    if size_average is not None or reduce is not None:
        given["reduction"] = _reduction.legacy_get_string(size_average, reduce)
    operands = _operands(name, operands)
    first = next(iter(operands.values()))
    options = {key: _weight(name, key, value, first) if key in WEIGHTS else value for key, value in given.items() if value is not None}
    needed = [key for key, operand in operands.items() if _wants_gradient(operand)]
    if not needed:
        return _compute(name, operands.values(), options, ())[0]
    for key in needed:
        if not gradients[key]:
            raise _error(name, key, "vloss has no gradient with respect to it")
    axis = (1 if first.dim() > 1 else 0) if name in ("cross_entropy", "nll_loss") else -1 if name in ROW_LOSSES else None
    return _Loss.apply((name, axis, gradients.values(), options), *operands.values())


def _gaussian(input, target, var):
    """torch's shapes of var: the input's, that without its last axis, or with a last axis of 1. Its gradient is of full size."""
    if var.shape == input.shape[:-1] and var.shape != input.shape:
        var = var.unsqueeze(-1)
    if input.shape != target.shape:
        input, target = torch.broadcast_tensors(input, target)
    if var.requires_grad and var.shape != input.shape:
        var = var.expand_as(input)
    return {"input": input, "target": target, "var": var}


def _function(name, gradients):
    theirs = getattr(F, name)
    signature = inspect.signature(theirs)
    names = list(signature.parameters)
    defaults = {key: parameter.default for key, parameter in signature.parameters.items() if parameter.default is not parameter.empty}

    def function(*args, **kwargs):
        given = {**defaults, **dict(zip(names, args)), **kwargs}
        if len(given) != len(names) or len(args) > len(names) or not kwargs.keys().isdisjoint(names[: len(args)]):
            signature.bind(*args, **kwargs)  # says what is wrong
        return _call(name, gradients, given)

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature
    function.__doc__ = f"torch.nn.functional.{name}, by vloss.\n\n" + getattr(vloss, name).__doc__.split("\n\n")[0]
    return function


def _module(name, function, gradients):
    """torch's module, whose arguments have the names of its attributes and of the function's arguments."""
    base = getattr(nn, name)
    attributes = [key for key in inspect.signature(base).parameters if key not in ("size_average", "reduce")]

    def forward(self, *operands, **named):
        given = {key: getattr(self, key) for key in attributes}
        if named or len(operands) != len(gradients):
            return function(*operands, **named, **given)
        given.update(zip(gradients, operands))
        return _call(function.__name__, gradients, given)

    documentation = f"torch.nn.{name}, by vloss: the same arguments, buffers and state_dict. See vloss.torch.{function.__name__}."
    return type(name, (base,), {"forward": forward, "__doc__": documentation, "__module__": __name__})


# ---- What comes before losses, and what takes their place ------------------------------------------------------------


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, name, input, axis):
        output = getattr(vloss, name)(input.detach(), axis=axis)
        ctx.name, ctx.axis = name, axis
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, upstream):
        _once(ctx.name)
        (output,) = ctx.saved_tensors
        return None, getattr(vloss, f"{ctx.name}_backward")(output.detach(), upstream.detach(), axis=ctx.axis), None


class _Rows(torch.autograd.Function):
    """log_probs of ids, and entropy and log-sum-exp of their rows, with the gradient of all three in one call."""

    @staticmethod
    def forward(ctx, logits, ids, options):
        outputs = vloss.log_probs(logits.detach(), ids, lse=True, entropy=True, **options)
        ctx.options = options
        ctx.save_for_backward(logits, ids)
        return (outputs[0], outputs[2], outputs[1])

    @staticmethod
    def backward(ctx, upstream, entropy_upstream, lse_upstream):
        _once("log_probs")
        logits, ids = ctx.saved_tensors
        grad = vloss.log_probs(logits.detach(), ids, upstream=upstream, entropy_upstream=entropy_upstream,
                               lse_upstream=lse_upstream, logprob=False, return_grad=True, **ctx.options)  # fmt: skip
        return grad, None, None


def _soft(name, input, dim, dtype):
    _on_cpu(name, {"input": input})
    if dim is None:
        raise _error(name, "dim", "is None: vloss does not guess the axis, as torch does")
    input = input if dtype is None else input.to(dtype)
    return _Softmax.apply(name, input, dim)


def softmax(input, dim=-1, dtype=None):
    """torch.softmax, by vloss."""
    return _soft("softmax", input, dim, dtype)


def log_softmax(input, dim=-1, dtype=None):
    """torch.log_softmax, by vloss."""
    return _soft("log_softmax", input, dim, dtype)


def log_probs(logits, ids, *, scale=1.0, softcap=0.0, ignore_index=-100):
    """(log-probabilities of ids, entropies, log-sum-exps) of rows of logits [..., C]; differentiable, without an array of
    log-probabilities. ids: [...] or [..., K]."""
    _on_cpu("log_probs", {"logits": logits, "ids": ids})
    return _Rows.apply(logits, ids, dict(scale=scale, softcap=softcap, ignore_index=ignore_index))


def divergence(student, teacher, *, kind="forward_kl", scale=1.0, beta=None, labels=None, ignore_index=-100, reduction="mean"):
    """vloss.divergence, differentiable with respect to the student."""
    operands = {"student": student, "teacher": teacher}
    _on_cpu("divergence", operands if labels is None else {**operands, "labels": labels})
    if _wants_gradient(teacher):
        raise _error("divergence", "teacher", "vloss has no gradient with respect to it; detach it")
    options = dict(kind=kind, scale=scale, beta=beta, labels=labels, ignore_index=ignore_index, reduction=reduction)
    return _Loss.apply(("divergence", -1, ("return_grad", None), options), student, teacher)


__all__ = ["softmax", "log_softmax", "log_probs", "divergence"]
for _name, (_class, _gradients) in LOSSES.items():
    globals()[_name] = _function(_name, _gradients)
    globals()[_class] = _module(_class, globals()[_name], _gradients)
    __all__ += [_name, _class]
