#!/usr/bin/env python3
"""bf16_table.py LIBVLOSS: the cross-entropy of rows in bf16, by PyTorch in bf16 and by vloss, against the exact loss of
the widened logits: the table of docs/accuracy.md. Fails where vloss is off by more than 2 units in the last place of a
float. Exit status 77 means that there is no PyTorch here.
"""
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError as reason:
    print(f"SKIP: no PyTorch to compare with: {reason} (package python3-torch)")
    sys.exit(77)

from vloss import BF16, NONE, CrossEntropyArgs, TypeRefused, address, call, load

CLASSES = (1000, 32000, 50257, 128000)
ROWS = 64


def ulp(x):
    """The unit in the last place of a float of that size."""
    return torch.ldexp(torch.ones_like(x), torch.frexp(x)[1] - 24)


def ours(library, logits, labels):
    loss = torch.empty(ROWS, dtype=torch.float32)
    call(library, "vloss_cross_entropy_sized", CrossEntropyArgs(
        rows=ROWS, classes=logits.shape[1], logits=address(logits), type=BF16, labels=address(labels), reduction=NONE,
        loss=address(loss)))  # fmt: skip
    return loss.double()


def line(library, classes):
    logits = (torch.randn(ROWS, classes) * 2).bfloat16()
    labels = torch.randint(0, classes, (ROWS,))
    exact = F.cross_entropy(logits.double(), labels, reduction="none")
    theirs = F.cross_entropy(logits, labels, reduction="none")
    assert theirs.dtype == torch.bfloat16, theirs.dtype
    off_theirs, off_ours = (theirs.double() - exact).abs(), (ours(library, logits, labels) - exact).abs()
    ulps = float((off_ours / ulp(exact)).max())
    print(f"| {classes:,} | {exact.mean():.2f} | {off_theirs.max():.3g} | {off_theirs.mean():.2g} | {off_ours.max():.2g} "
          f"| {off_ours.mean():.2g} | {ulps:.2f} |")  # fmt: skip
    return ulps


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    library = load(sys.argv[1])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    print("| classes | mean loss | PyTorch in bf16: largest error | mean | vloss: largest error | mean | in ulp of float |")
    print("|---|---|---|---|---|---|---|")
    try:
        worst = max(line(library, classes) for classes in CLASSES)
    except TypeRefused as status:
        print(f"SKIP: this vloss answers {status} to bf16")
        sys.exit(77)
    if not worst <= 2:
        sys.exit(f"FAIL: vloss is off by {worst:.3g} ulp, and promises 2")


main()
