"""Which inner loops the functions of the bench spend their time in on long data, and what they do for 64 elements."""

import collections
import re
import subprocess
from dataclasses import dataclass

import classes
import loops

ELEMENTS = 64
# Rows above the classes that have loops of their own (SHORT_ROW of kernels/logits/row_sums.h).
LONG_ROW = 257
# The passes over a row, each a loop in a function of kernels/logits.
ROWS = {
    "cross_entropy/forward": ["plain_steps"],
    "cross_entropy/forward_gradient": ["kept_steps", "vloss_row_softmax"],
    "softmax": ["kept_steps", "vloss_row_softmax"],
    "log_softmax": ["plain_steps", "vloss_log_softmax_row"],
    "log_sum_exp": ["plain_steps"],
}
# The functions of kernels/losses/elementwise.h, and what the bench calls them.
ELEMENTWISE = {"_sum": "forward", "_sum_and_grad": "forward_gradient"}


@dataclass
class Pass:
    """An inner loop, and how often it runs for 64 elements."""

    instructions: list[loops.Instruction]
    times: int


def of_archive(objdump: str, archive: str) -> dict[tuple[str, str], list[Pass]]:
    """The passes of each function of the bench and ISA."""
    listing = subprocess.run([objdump, "-d", "--no-show-raw-insn", archive], capture_output=True, text=True, check=True)
    wanted = {name for passes in ROWS.values() for name in passes}
    found: dict[tuple[str, str], list[loops.Function]] = collections.defaultdict(list)
    for function in loops.functions(listing.stdout):
        name = re.sub(rf"(\.part|\.isra|\.constprop|\.\d+|_{function.isa}$)", "", function.name)
        if name in wanted or (elementwise_name(name) and not function.name.startswith("vloss_")):
            found[name, function.isa].append(function)
    elementwise = {name.removesuffix("_sum_and_grad") for name, _ in found if name.endswith("_sum_and_grad")}
    counted = {}
    for isa in sorted({isa for _, isa in found}):
        for row, passes in ROWS.items():
            counted[row, isa] = [_pass(found[name, isa]) for name in passes]
        for name in sorted(elementwise):
            for suffix, row in ELEMENTWISE.items():
                counted[f"{name}/{row}", isa] = [_pass(found[name + suffix, isa])]
    return counted


def elementwise_name(name: str) -> str | None:
    return next((name.removesuffix(suffix) for suffix in reversed(ELEMENTWISE) if name.endswith(suffix)), None)


def _pass(functions: list[loops.Function]) -> Pass:
    """The loop with the fewest vector instructions, of those that do as many elements as any: the others are for rare
    parameters, for what does not fit the caches, or compute again what was not kept. The compiler may have made several
    functions of one.
    """
    paths = [path for function in functions for path in loops.inner_loops(function)]
    whole = [(path, n) for path in paths if (n := loops.elements(path)) and ELEMENTS % n == 0]
    if not whole:
        raise LookupError(f"no inner loop in {functions}" if functions else "a function is missing")
    most = max(n for _, n in whole)  # a loop for less is that of a rest
    path = min((path for path, n in whole if n == most), key=_vectors)
    return Pass(path, ELEMENTS // most)


def _vectors(path: list[loops.Instruction]) -> int:
    return sum(classes.is_vector(instruction.text) for instruction in path)


def operations(passes: list[Pass]) -> dict[str, int]:
    """Of each class, for 64 elements."""
    counts: collections.Counter = collections.Counter()
    for part in passes:
        for instruction in part.instructions:
            for kind, n in classes.count(instruction.text).items():
                counts[kind] += n * part.times
    return {kind: counts[kind] for kind in classes.CLASSES}


def least_classes(function: str) -> int:
    return LONG_ROW if function in ROWS else 0
