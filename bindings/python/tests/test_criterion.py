"""PyTorch's own tests of its criteria (torch.testing._internal.common_nn) run on the modules of vloss.torch: values against their
reference functions, gradients by gradcheck in float64. Left out, in every one of them: gradgradcheck, as there are first derivatives
only (test_torch.py holds the refusal), and batched gradients, as vmap hands backward tensors without memory. The rest is in LEFT_OUT.
"""
import copy
import functools
import sys
import types
import unittest
import warnings

import pytest
import torch

import vloss.torch

sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=unittest.TestCase, ACCEPT=False))  # no package of Debian 12's
arguments, sys.argv = sys.argv, sys.argv[:1]  # which it parses when it is imported
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal import common_nn
except Exception as reason:  # its own imports differ between versions
    pytest.skip(f"torch's own tests cannot be had: {reason}", allow_module_level=True)
finally:
    sys.argv = arguments

LEFT_OUT = {"CTCLoss": "no loss of rows or elements: vloss does not compute it"}
COUNT, COUNT_LEFT_OUT = 123, 5  # of PyTorch 1.13: nothing drops out unseen


def name_of(case):
    return case.get("fullname") or "_".join(filter(None, (case["module_name"], case.get("desc"))))


def class_of(case):
    return case.get("module_name") or case["fullname"].split("_")[0]


CASES = [case for case in common_nn.criterion_tests if class_of(case) not in LEFT_OUT]


class Holds:
    """What the cases want of a test case."""

    def assertEqual(self, ours, theirs):
        theirs = torch.as_tensor(theirs, dtype=ours.dtype)
        torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=1e-7, atol=1e-7)

    def _forward_criterion(self, criterion, input, target, extra_args=()):
        input = input if isinstance(input, tuple) else (input,)
        return criterion(*input, target, *extra_args)


@pytest.fixture
def vloss_in_place_of_torch(monkeypatch):
    """The cases make modules as torch.nn's; here those are vloss's."""
    for name in vloss.torch.__all__:
        if hasattr(torch.nn, name):
            monkeypatch.setattr(torch.nn, name, getattr(vloss.torch, name))
    torch.set_default_dtype(torch.double)
    torch.manual_seed(1)
    yield
    torch.set_default_dtype(torch.float)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_criterion(case, vloss_in_place_of_torch):
    case = copy.deepcopy(case)
    name = class_of(case)
    if "module_name" in case:
        del case["module_name"]
        case.setdefault("constructor", getattr(vloss.torch, name))
    if isinstance(case["constructor"], functools.partial):
        case["constructor"] = functools.partial(getattr(vloss.torch, name), *case["constructor"].args, **case["constructor"].keywords)
    test = common_nn.CriterionTest(**{**case, "check_gradgrad": False, "check_batched_grad": False})
    assert isinstance(test.constructor(*test.constructor_args), getattr(vloss.torch, name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test(Holds())


def test_all_are_accounted_for():
    left_out = [case for case in common_nn.criterion_tests if class_of(case) in LEFT_OUT]
    for case in left_out:
        print(f"left out: {name_of(case)}: {LEFT_OUT[class_of(case)]}")
    if torch.__version__.startswith("1.13"):
        assert (len(CASES), len(left_out)) == (COUNT, COUNT_LEFT_OUT)
