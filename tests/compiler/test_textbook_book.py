"""source(readable=True) of every primitive of the rule book, and of its gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.symbolic.nested import arguments_of

from ..ops.table import CASES

SEVERAL = {case.key for case in CASES if case.output is not None}  # their rows are about one output each


def chosen():
    """Per primitive up to four rows."""
    found: dict = {}
    for case in CASES:
        if case.key not in SEVERAL and any(map(callable, case.draws)):
            found.setdefault(case.key, []).append(case)
    return [case for cases in found.values() for case in cases[:4]]


@pytest.mark.parametrize("case", chosen(), ids=str)
def test_formulas_of_every_primitive_compute_what_it_computes(case, rng):
    """Run alone, on the arrays of a call."""
    inputs = case.sample(rng)
    places = case.differentiable(inputs)
    given = [te.tensor(x, requires_grad=i in places) if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)]
    tensors = [x for x in given if isinstance(x, te.Tensor)]

    def step(*tensors):
        left = iter(tensors)
        Y = case.primitive(*(next(left) if isinstance(x, te.Tensor) else x for x in given), **case.params)
        if Y.requires_grad:
            (Y * Y.detach().cos()).sum().backward()
        return Y

    expected = [step(*tensors), *(x.grad for x in tensors if x.grad is not None)]
    for x in tensors:
        x.grad = None
    compiled = te.compile(step)
    compiled(*tensors)
    scope: dict = {}
    exec(compiled.source(readable=True), scope)
    run, arguments = compiled._last, arguments_of(tuple(tensors))
    arrays = [arguments[k] if number else arguments[k].detach().numpy() for k, number in run._arguments]
    with np.errstate(all="ignore"):
        found = scope["step"](*arrays, *(t._array for t in run._tensors))
    for a, b in zip(expected, found, strict=True):
        assert a.shape == np.shape(b)
        np.testing.assert_allclose(b, a.detach().numpy(), rtol=1e-6, atol=1e-8)
