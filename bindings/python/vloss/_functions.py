"""The functions of the package, from tables, which make this file long: one row a loss. `python -m vloss._functions`
prints the hints (__init__.pyi).

An argument is written "keyword" or "keyword=field", where field is the name of the C library's argument struct
(vloss.h); a loss's parameters have the names of the registry.
"""
from . import _core

MEAN, NONE, KERAS_NONE = 0, 2, 4  # vloss_reduction
TAKES_LABELS, LABEL_LISTS, OTHER_OPTIONAL, WEIGHTS_A_CLASS, GRAD_TARGET, GRAD_OTHER = 4, 8, 32, 128, 256, 512

# What arguments are: hint, default, documentation. {rows} is what the function calls the shape without the class axis.
ARGUMENTS = {
    "axis": ("int | None", "-1", "the axis of classes{axis_told}"),
    "weights": ("Array | float | None", "None", "{weights}"),
    "ignore_index": ("int | None", "-100", "the label that means \"does not count\"; None: no label does"),
    "label_smoothing": ("float", "0.0", "from 0 to 1"),
    "reduction": ("str", "{reduction}", "{reductions}"),
    "row_weights": ("Array | None", "None", "one a row, multiplies its loss and gradient; not in the mean's denominator"),
    "scale": ("float", "1.0", "multiplies the logits: 1 / temperature; above 0"),
    "softcap": ("float", "0.0", "logits become softcap * tanh(scale * logits / softcap); 0: none"),
    "z_loss": ("float", "0.0", "this times lse**2 is added to each row's loss"),
    "shift": ("int", "0", "row i of a sequence is scored against the label of row i + shift; 1: the next token"),
    "sequence": ("int", "0", "rows of a sequence; 0: all rows are one"),
    "upstream": ("Array | float | None", "None", "gradient of what follows, of the shape of the {result}: scales gradients"),
    "entropy_upstream": ("Array | None", "None", "the same for the entropy, one a row"),
    "lse_upstream": ("Array | None", "None", "the same for lse, one a row"),
    "unchecked": ("bool", "False", "look for no bad values: their rows become NaN instead of an error"),
    "empty_mean_zero": ("bool", "False", "the mean of nothing is 0, not NaN"),
    "beta": ("float | None", "None", "of 'jsd', between 0 and 1; None: 0.5"),
    "kind": ("str", "'forward_kl'", "'forward_kl', 'reverse_kl', 'jsd' or 'total_variation'"),
    "labels": ("Array | None", "None", "int64 or int32, one a row: rows of ignore_index do not count, others are not looked at"),
    "top": ("int", "0", "how many of the likeliest classes to tell"),
    "class_offset": ("int", "0", "the first class of this part: a multiple of 4,096"),
    "total_classes": ("int", None, "classes of the whole rows"),
    "states": ("Array", "None", "what *_partial made, merged until all classes are in it"),
    "float64": ("bool", "False", "the logits were float64: so are the results"),
    "from_logits": ("bool", "False", "y_pred are logits, not probabilities"),
    "bfloat16": ("bool", "False", "arrays of uint16 hold bfloat16"),
    "threads": ("int", "1", "how many the call may use; 0: one a CPU. They change no bit of any result"),
    "return_grad": ("bool", "False", "whether to give the gradient with respect to {first} as well"),
    "grad_out": ("Array | None", "None", "an array for that gradient, of the shape and dtype of {first}{in_place}"),
    "out": ("Array | bool | None", "None", "an array to write the {result} to{unwanted}"),
}  # fmt: skip
OUTPUTS = {
    "grad_targets": "gradient with respect to probability targets",
    "lse": "log-sum-exp of each row",
    "predicted": "class of each row's maximum, -1 if it is ignored",
    "correct": "int32 a row: 1 where that is the label",
    "z_loss_part": "what z_loss adds to the loss",
    "max": "maximum of each row",
    "log_sum": "lse - max of each row",
    "logprob": "log-probability of each id (made if there are ids)",
    "rank": "place of each id among the classes, 0 for the likeliest",
    "top_id": "the likeliest classes of each row (made if top is not 0)",
    "top_logprob": "their log-probabilities (the same)",
    "entropy": "entropy of each row, in nats",
    "states": "what is known of each row, int64 words",
    "same_top": "int32 a row: 1 if both have their first maximum at the same class",
}
UNWANTED = "; False: it is not wanted"
IN_PLACE = "; it may be {first} itself"
GRAD = ("return_grad=grad", "grad_out=grad")
COMMON = ("bfloat16", "threads")
TORCH_REDUCTIONS = "'mean', 'sum' (a float each) or 'none' ({each})"
KERAS_REDUCTIONS = "'none' (one a row), 'sum' or 'sum_over_batch_size' (a float each)"
ERRORS = "Raises vloss.Error, a ValueError that names the argument and the first bad row; nothing is written then."

# ---- The losses: name, loss of the registry, operands, weight, other names of parameters, formula --------------------

TORCH = """
l1_loss                 | l1                     | input=prediction target              | weight | | abs(input - target)
mse_loss                | mse                    | input=prediction target              | weight | | (input - target)**2
smooth_l1_loss          | smooth_l1              | input=prediction target              | weight | | d**2 / (2 beta) where abs(d) < beta, else abs(d) - beta / 2; d = input - target
huber_loss              | huber                  | input=prediction target              | weight | | d**2 / 2 where abs(d) <= delta, else delta (abs(d) - delta / 2); d = input - target
binary_cross_entropy    | bce                    | input=prediction target              | weight | | -(target log(input) + (1 - target) log(1 - input)), logarithms from -100 up; input from 0 to 1; in nats
binary_cross_entropy_with_logits | bce_with_logits | input=prediction target             | weight | pos_weight=other label_smoothing | binary cross-entropy of sigmoid(input); pos_weight multiplies the term of target; in nats
kl_div                  | kl_div                 | input=prediction target              | | | target (log(target) - input): input is a log-probability; with log_target exp(target) (target - input); in nats
poisson_nll_loss        | poisson_nll            | input=prediction target              | weight | | exp(input) - target input; without log_input input - target log(input + eps); in nats
gaussian_nll_loss       | gaussian_nll           | input=prediction target var=other    | weight | | (log(var) + (input - target)**2 / var) / 2, var from eps up; var also one a row; in nats
hinge_embedding_loss    | hinge_embedding        | input=prediction target              | weight | | input where target is 1, max(0, margin - input) where it is -1
soft_margin_loss        | soft_margin            | input=prediction target              | weight | | log(1 + exp(-target input)), target -1 or 1; in nats
margin_ranking_loss     | margin_ranking         | input1=prediction input2=other target | weight | | max(0, -target (input1 - input2) + margin), target -1 or 1
multi_margin_loss       | multi_margin           | input=prediction target=labels       | weight | p=norm | sum over c != target of max(0, margin - input[target] + input[c])**p, divided by the classes
multilabel_margin_loss  | multilabel_margin      | input=prediction target=labels       | | | sum over labels j and others i of max(0, 1 - (input[j] - input[i])), divided by the classes; target: lists that end with -1
multilabel_soft_margin_loss | multilabel_soft_margin | input=prediction target          | weight | | mean over the classes of binary cross-entropy of sigmoid(input); in nats
cosine_embedding_loss   | cosine_embedding       | input1=prediction input2=other target | | | 1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1; target one a row
triplet_margin_loss     | triplet_margin         | anchor=prediction positive=target negative=other | | p=norm | max(0, D(anchor, positive) - D(anchor, negative) + margin), D the p-norm of the difference + eps
sigmoid_focal_loss      | sigmoid_focal          | inputs=prediction targets=target     | weight | | binary cross-entropy of sigmoid(inputs), times (1 - p_t)**gamma and alpha or 1 - alpha; in nats
"""
KERAS = """
binary_crossentropy         | keras_bce            | y_true=target y_pred=prediction | | | binary cross-entropy of y_pred, clipped to 1e-7 from 0 and 1; in nats
binary_focal_crossentropy   | keras_binary_focal   | y_true=target y_pred=prediction | | | the same, times (1 - p_t)**gamma and, if alpha is not negative, alpha or 1 - alpha; in nats
categorical_crossentropy    | keras_categorical_crossentropy | y_true=target y_pred=prediction | | | -sum(y_true log(y_pred / sum(y_pred))); of logits: cross_entropy; in nats
sparse_categorical_crossentropy | keras_sparse_categorical_crossentropy | y_true=labels y_pred=prediction | | | -log(y_pred[y_true] / sum(y_pred)); of logits: cross_entropy; in nats
kl_divergence               | keras_kl_divergence  | y_true=target y_pred=prediction | | | sum(y_true log(y_true / y_pred)), both from 1e-7 to 1; in nats
mean_absolute_error         | l1                   | y_true=target y_pred=prediction | | | mean(abs(y_true - y_pred))
mean_squared_error          | mse                  | y_true=target y_pred=prediction | | | mean((y_true - y_pred)**2)
mean_absolute_percentage_error | mape              | y_true=target y_pred=prediction | | | mean(100 abs(y_true - y_pred) / max(abs(y_true), 1e-7))
mean_squared_logarithmic_error | msle              | y_true=target y_pred=prediction | | | mean((log(1 + y_true) - log(1 + y_pred))**2), both from 1e-7 up
log_cosh                    | log_cosh             | y_true=target y_pred=prediction | | | mean(log(cosh(y_pred - y_true)))
huber                       | huber                | y_true=target y_pred=prediction | | | mean of d**2 / 2 where abs(d) <= delta, else delta (abs(d) - delta / 2); d = y_pred - y_true
poisson                     | poisson              | y_true=target y_pred=prediction | | | mean(y_pred - y_true log(y_pred + 1e-7)); in nats
hinge                       | hinge                | y_true=target y_pred=prediction | | | mean(max(1 - y_true y_pred, 0)), y_true -1 or 1; or 0 or 1, if all are
squared_hinge               | squared_hinge        | y_true=target y_pred=prediction | | | mean(max(1 - y_true y_pred, 0)**2), y_true as for hinge
categorical_hinge           | categorical_hinge    | y_true=target y_pred=prediction | | | max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0)
cosine_similarity           | cosine_similarity    | y_true=target y_pred=prediction | | | -cos(y_true, y_pred): from -1, the same direction, to 1
"""  # fmt: skip

# ---- The functions of logits -----------------------------------------------------------------------------------------

# Of rows whose classes are spread over calls.
OF_SHARD = ("class_offset",)
OF_SHARDS = ("total_classes", "weight=weights", "ignore_index", "label_smoothing", "scale", "softcap", "shift", "sequence", "unchecked")
OF_WHOLE_ROWS = ("reduction", "row_weights", "z_loss", "empty_mean_zero")
LOGITS = {
    "cross_entropy": (
        "cross_entropy", ["logits", "labels"], 2,
        ["weight=weights", "ignore_index", "label_smoothing", "reduction", "axis", "row_weights", "scale", "softcap", "z_loss",
         "shift", "sequence", "upstream", "unchecked", "empty_mean_zero", *COMMON, "out=loss", *GRAD, "grad_targets", "lse",
         "predicted", "correct", "z_loss_part", "max", "log_sum"],
        dict(axis="None"),
        """Cross-entropy of rows of logits: logsumexp(logits) - logits[label], in nats; in one pass, and in one more its gradient.

logits: [N, C], [N, C, d1, ...] or [C]; with axis=-1 [..., C]. labels: class indices, int64 or int32, of the shape of the
logits without the axis of classes; or class probabilities, of the shape and dtype of the logits.""",
        "torch.nn.functional.cross_entropy"),
    "nll_loss": (
        "nll", ["input=logits", "target=labels"], 2,
        ["weight=weights", "ignore_index", "reduction", "axis", "row_weights", "shift", "sequence", "upstream", "unchecked",
         "empty_mean_zero", *COMMON, "out=loss", *GRAD],
        dict(axis="None"),
        """Negative log-likelihood: -input[target], of rows of log-probabilities, in their units (nats, as log_softmax makes them).

Shapes are those of cross_entropy; target is class indices.""",
        "torch.nn.functional.nll_loss"),
    "softmax": ("softmax", ["input"], 1, ["axis", *COMMON, "out=output"], {},
                "exp(input) / sum(exp(input)) along the axis.\n\ninput: [..., C], or with the classes along axis; float32, float64, float16 or bfloat16, as is the result.", "torch.softmax, scipy.special.softmax"),
    "log_softmax": ("log_softmax", ["input"], 1, ["axis", *COMMON, "out=output"], {},
                    "input - logsumexp(input) along the axis, in nats.\n\ninput: [..., C], or with the classes along axis; float32, float64, float16 or bfloat16, as is the result.", "torch.log_softmax, scipy.special.log_softmax"),
    "logsumexp": ("log_sum_exp", ["input"], 1, ["axis", *COMMON, "out=output"], {},
                  "log(sum(exp(input))) along the axis, in nats.\n\ninput: [..., C], or with the classes along axis; float32, float64, float16 or bfloat16; the result, which lacks the axis, "
                  "is float32, of float64 float64.",
                  "torch.logsumexp, scipy.special.logsumexp"),
    "softmax_backward": ("softmax_backward", ["output=input", "upstream"], 2, ["axis", *COMMON, "out=output"], {},
                         "The gradient of softmax, of its output and of the gradient with respect to that.\n\noutput, upstream: of one shape and "
                         "dtype, which the result has, too.", None),
    "log_softmax_backward": ("log_softmax_backward", ["output=input", "upstream"], 2, ["axis", *COMMON, "out=output"], {},
                             "The gradient of log_softmax, of its output and of the gradient with respect to that.\n\noutput, upstream: of one shape and "
                         "dtype, which the result has, too.", None),
    "log_probs": (
        "log_probs", ["logits", "ids"], 1,
        ["top", "scale", "softcap", "ignore_index", "axis", "upstream", "entropy_upstream", "lse_upstream", "unchecked", *COMMON,
         "logprob", "rank", "top_id", "top_logprob", "max", "log_sum", "lse", "entropy", *GRAD],
        {},
        """Log-probabilities straight from logits, without an array of them: of ids, of the likeliest classes, and the entropy.

logits: [..., C]. ids: int64 or int32, [...] or [..., K], K of them a row. Results are of the shape of the ids, of the rows, or
[..., top]. The gradient is that of sum(upstream * logprob) + sum(entropy_upstream * entropy) + sum(lse_upstream * lse).""",
        "vLLM's prompt_logprobs, lm-evaluation-harness"),
    "divergence": (
        "divergence", ["student", "teacher"], 2,
        ["kind", "scale", "beta", "labels", "ignore_index", "reduction", "axis", "upstream", "empty_mean_zero", *COMMON, "out=loss",
         *GRAD, "same_top"],
        {},
        """How far softmax(scale * student) is from softmax(scale * teacher), row by row: KL, JSD or total variation.

student, teacher: logits [..., C], which may have different dtypes (float64 goes with float64 only). The gradient is with respect
to the student. Nats, but for the total variation.""",
        "torch.nn.functional.kl_div of log_softmax, TRL's generalised JSD"),
    "cross_entropy_partial": (
        "cross_entropy_partial", ["logits", "labels"], 2, [*OF_SHARD, *OF_SHARDS, "bfloat16", "threads", "out=states"], {},
        """What is known of rows from a part of their classes: the states that cross_entropy_merge puts together.

logits: [..., C], the classes from class_offset on; a part ends at a multiple of 4,096 classes or with the row. labels: int64 or
int32, [...], numbers of classes of the whole row. Options are those of cross_entropy, alike in every part.""", None),
    "cross_entropy_finish": (
        "cross_entropy_finish", ["states", "labels"], 2,
        [*OF_SHARDS, *OF_WHOLE_ROWS, "float64", "threads", "out=loss", "lse", "predicted", "correct", "z_loss_part"], {},
        """cross_entropy of rows whose states are complete, with the same bits.

states: int64 words, [..., words], as cross_entropy_partial made them and cross_entropy_merge put them together. labels: [...],
as there. Results are one a row, or a float.""", None),
    "cross_entropy_partial_gradient": (
        "cross_entropy_partial_gradient", ["logits", "labels", "states"], 3,
        [*OF_SHARD, *OF_SHARDS, *OF_WHOLE_ROWS, "upstream", "bfloat16", "threads", "grad_out=grad"], {},
        """The gradient of a part of the classes of rows whose states are complete; it may be written over the logits.

logits, labels and options: as in cross_entropy_partial and cross_entropy_finish.""", None),
    "log_probs_partial": (
        "log_probs_partial", ["logits", "ids"], 1,
        [*OF_SHARD, "total_classes", "top", "scale", "softcap", "ignore_index", "unchecked", "bfloat16", "threads", "out=states"],
        {},
        """What is known of rows from a part of their classes: the states that log_probs_merge puts together.

logits and class_offset: as in cross_entropy_partial; ids, top and options: as in log_probs, alike in every part.""", None),
    "log_probs_finish": (
        "log_probs_finish", ["states", "ids"], 1,
        ["total_classes", "top", "scale", "softcap", "ignore_index", "unchecked", "float64", "threads", "logprob", "top_id",
         "top_logprob", "max", "log_sum", "lse", "entropy"], {},
        """log_probs of rows whose states are complete, with the same bits.

states: int64 words, [..., words], as log_probs_partial made them and log_probs_merge put them together. ids and top: as there.""", None),
}  # fmt: skip


def _split(argument):
    keyword, _, field = argument.partition("=")
    return keyword, field or keyword


def _documentation(text, operands, arguments, values, source, outputs):
    lines = [text, ""]
    for keyword, field in arguments:
        key = keyword if keyword in ARGUMENTS else field
        if keyword in values["parameters"]:
            lines.append(f"{keyword}: {values['parameters'][keyword][2]}")
        elif key in ARGUMENTS:
            lines.append(f"{keyword}: {ARGUMENTS[key][2].format(**values)}")
    for keyword, what in outputs:
        lines.append(f"{keyword}: True or an array to write to: {what}")
    lines += ["", f"Returns {values['returns']}", "", ERRORS]
    if source:
        lines += ["", f"Source: {source}; docs/semantics.md and docs/python.md say where names, shapes or values differ."]
    return "\n".join(lines)


class _Spec:
    """A function before it is made: signature for people, hints, and what the extension needs."""

    def __init__(self, name, family, positional, required, keywords, values, text, source, hints=(), **more):
        self.name, self.family, self.required, self.more = name, family, required, more
        self.positional = [_split(argument) for argument in positional]
        self.keywords = [_split(argument) for argument in keywords]
        hints, signature, hinted = dict(hints), [], []
        outputs = [(k, values["outputs"].get(k) or OUTPUTS[k]) for k, _ in self.keywords if k in OUTPUTS or k in values["outputs"]]
        for index, (keyword, field) in enumerate(self.positional + self.keywords):
            if index == len(self.positional):
                signature.append("*")
                hinted.append("*")
            key = keyword if keyword in ARGUMENTS else field
            if index < required:
                hint, default = "Array", None
            elif index < len(self.positional):
                hint, default = "Array | None", "None"
            elif keyword in values["parameters"]:
                hint, default = values["parameters"][keyword][:2]
            elif keyword in values["outputs"] or keyword in OUTPUTS:
                hint, default = "Array | bool | None", "None"
            else:
                hint, default = ARGUMENTS[key][:2]
                default = default and hints.get(keyword, default.format(**values))  # None: it has to be given
            signature.append(keyword if default is None else f"{keyword}={default}")
            hinted.append(f"{keyword}: {hint}" + ("" if default is None else f" = {default}"))
        self.signature = f"{name}({', '.join(signature)})"
        self.hints = f"def {name}({', '.join(hinted)}) -> Any: ..."
        self.text = _documentation(text, self.positional, self.keywords, values, source, outputs)

    def make(self):
        return _core.function(self.family, self.name, f"{self.signature}\n--\n\n{self.text}", self.positional + self.keywords,
                              len(self.positional), self.required, **self.more)  # fmt: skip


def _returns(what, keywords):
    if len(keywords) < 2:
        return f"{what}."
    return f"{what}, or a tuple of what was asked for, in this order: {', '.join(keywords)}."


def _logits(name, family, positional, required, keywords, hints, text, source):
    produced = [k for k, _ in map(_split, keywords) if k in OUTPUTS]
    loss = "out=loss" in keywords
    gradient = ["gradient"] if GRAD[0] in keywords else []
    states, of_part = "out=states" in keywords, "grad_out=grad" in keywords and not gradient
    result = "the loss" if loss else "the states" if states else "the gradient" if of_part else "the array"
    order = ["loss", *gradient, *produced] if loss else produced + gradient
    if "log_probs" in family and not states:
        result = "what was asked for"
    elif "out=output" in keywords:
        order = []
    only_output = "out=output" in keywords
    values = dict(parameters={}, outputs={}, unwanted="" if only_output else UNWANTED, in_place=IN_PLACE.format(first=_split(positional[0])[0]),
                  axis_told="; None: 1, as in torch, or 0 of one row" if "axis" in hints else "", first=_split(positional[0])[0], reduction="'mean'",
                  result="loss" if loss or of_part else "states" if states else "result",
                  reductions=TORCH_REDUCTIONS.format(each="one a row"), returns=_returns(result, order),
                  weights="float32 (float64 for float64 logits), one a class")  # fmt: skip
    if family == "log_probs":
        values["result"] = "ids"
    axis = _core.NO_AXIS if hints.get("axis") == "None" else -1
    return _Spec(name, family, positional, required, keywords, values, text, source, hints, axis=axis, reduction=MEAN)


SWITCHES = {"log_target": "target is a logarithm", "log_input": "input is a logarithm", "full": "add the terms that do not depend on input",
            "swap": "the distance of positive and negative counts, if it is smaller than that of anchor and negative"}  # fmt: skip

CHOICES = {"label_mode": "1: y_true is 0 or 1; 2: it is as the formula has it, -1 or 1; 0: the first if all of it is 0 or 1"}


def _range(low, high, above, whole):
    number = "a whole number " if whole else ""
    if high < 3e38:
        return f"{number}{'at most' if low < -3e38 else f'from {low:g} to'} {high:g}"
    if low < -3e38:
        return "any finite number"
    return f"{number}{'above' if above else 'at least'} {low:g}" + (", infinity included" if high == float("inf") else "")


def _loss(row, keras, registry):
    name, kind, operands, weight, names, text = (cell.strip() for cell in row.split("|"))
    info, operands = registry[kind], operands.split()
    keyword_of = dict(reversed(_split(argument)) for argument in operands)
    renamed = dict(reversed(_split(argument)) for argument in names.split())
    parameters, fields = {}, []
    for number, (own, default, low, high, above, whole) in enumerate(info["parameters"]):
        keyword = renamed.get(own, own)
        if own == "label_smoothing" and not keras and own not in renamed:
            continue
        switch = whole and (low, high) == (0, 1)
        parameters[keyword] = ("bool" if switch else "int" if whole else "float",
                               repr(bool(default) if switch else int(default) if whole else default),
                               SWITCHES[own] if switch else CHOICES.get(own) or _range(low, high, above, whole))  # fmt: skip
        fields.append(f"{keyword}=parameter{number}")
    first = keyword_of["prediction"]
    outputs = {}
    for operand, bit in (("target", GRAD_TARGET), ("other", GRAD_OTHER)):
        if info["operands"] & bit and operand in keyword_of:
            outputs[f"grad_{keyword_of[operand]}"] = f"gradient with respect to {keyword_of[operand]}"
    keywords = []
    if "other" in renamed:
        keywords.append(f"{renamed['other']}=other")
        parameters[renamed["other"]] = ("Array | float | None", "None", "a factor, that broadcasts to the input")
    row_loss = info["family"] == 1
    weight = "sample_weight" if keras else weight
    if weight:
        keywords.append(f"{weight}=weights")
    keywords += fields
    more = dict(kind=info["kind"], keras=keras)
    if kind == "keras_bce":
        keywords.append("from_logits")
        more["logits_kind"] = registry["bce_with_logits"]["kind"]
    reduction = KERAS_NONE if keras else NONE if name == "sigmoid_focal_loss" else MEAN
    keywords.append("reduction")
    if row_loss:
        keywords.append("axis")
    keywords += ["upstream", *(["unchecked"] if kind in CHECKED or info["operands"] & (TAKES_LABELS | LABEL_LISTS) else []),
                 "empty_mean_zero", *COMMON, "out=loss", *GRAD]  # fmt: skip
    keywords += [f"{keyword}=grad_{operand}" for operand, keyword in keyword_of.items() if f"grad_{keyword}" in outputs]
    for index, argument in enumerate(keywords):  # "target=grad_target" is called by its own name
        keyword, field = _split(argument)
        if field.startswith("grad_"):
            keywords[index] = f"grad_{keyword}={field}"
    each = "one a row" if row_loss else "one an element"
    shapes = f"{first}: float32, float64, float16 or bfloat16, of any shape" + (", rows along the axis" if row_loss else "")
    others = [keyword for field, keyword in keyword_of.items() if field not in ("prediction", "labels")]
    if kind == "cosine_embedding":
        shapes += "; input2: the same; target: float32, with float64 float64, one a row"
    elif others:
        shapes += f"; {', '.join(others)}: the same"
    if "labels" in keyword_of:
        lists = "of the same shape" if info["operands"] & LABEL_LISTS else "one a row"
        shapes += f"; {keyword_of['labels']}: int64 or int32, {lists}"
    order = ["loss", "gradient", *outputs]
    source = "tf.keras.losses." + name if keras else "torchvision.ops." + name if "focal" in name else "torch.nn.functional." + name
    weights = "one a row, or a number" if keras else "one a class" if info["operands"] & WEIGHTS_A_CLASS else "a factor, that broadcasts"
    reductions = KERAS_REDUCTIONS if keras else TORCH_REDUCTIONS.format(each=each)
    if kind == "kl_div":
        reductions += ", or 'batchmean'"
    in_place = "" if kind == "multilabel_margin" else IN_PLACE.format(first=first)
    values = dict(parameters=parameters, outputs=outputs, unwanted=UNWANTED, in_place=in_place, axis_told="", first=first, result="loss", weights=weights, reductions=reductions,
                  reduction="'none'" if reduction != MEAN else "'mean'", returns=_returns("the loss", order))  # fmt: skip
    return _Spec(name, "loss", operands, len(operands), keywords, values, f"{text}\n\n{shapes}.", source, reduction=reduction, **more)


CHECKED = ("bce", "poisson_nll", "gaussian_nll")


def specs():
    registry = {info["name"]: info for info in _core.losses()}
    for name, row in LOGITS.items():
        yield _logits(name, *row)
    for table, keras in ((TORCH, False), (KERAS, True)):
        for row in table.strip().splitlines():
            yield _loss(row, keras, registry)


def hints():
    """The text of __init__.pyi."""
    return HEAD + "".join(spec.hints + "\n" for spec in specs())


HEAD = '''# Written by python -m vloss._functions; documentation is in the functions.
from typing import Any

Array = Any  # with a buffer or __dlpack__: numpy.ndarray, torch.Tensor, array.array, memoryview, ...
__version__: str
isa: str

class Error(ValueError):
    argument: str | None
    status: str | None
    index: int | None

def info() -> dict[str, Any]: ...
def force_isa(name: str | None) -> None: ...
def cross_entropy_merge(into: Array, *states: Array) -> Any: ...
def log_probs_merge(into: Array, *states: Array) -> Any: ...
'''

if __name__ == "__main__":
    print(hints(), end="")
