"""Every primitive of the rule book explained: its lines are printed, and give the gradient's numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import Tensor, tensor
from tinygrad_edu.symbolic import explain

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
from table import CASES

RNG = np.random.default_rng(3)


def chosen():
    """Per primitive, and per output of those with several, up to two rows with something to differentiate."""
    found = {}
    for case in CASES:
        inputs = case.sample(RNG)
        known = found.setdefault((case.key, case.output), [])
        sizes = [np.size(x) for x in inputs if isinstance(x, np.ndarray)]
        if len(known) < 2 and case.differentiable(inputs) and sizes and 1 < max(sizes) and min(sizes) > 0:
            known.append(case)
    return [case for cases in found.values() for case in cases]


@pytest.mark.parametrize("case", chosen(), ids=str)
def test_lines_of_every_primitive_are_right(case, rng):
    """explain(loss).check() evaluates every printed line in float64; each line has its text, LaTeX and MathML."""
    inputs = case.sample(rng)
    places = case.differentiable(inputs)
    given = [
        tensor(x, requires_grad=i in places, name=f"X{i}") if isinstance(x, np.ndarray) else x
        for i, x in enumerate(inputs)
    ]
    result = case.primitive(*given, **case.params)
    assert isinstance(result, Tensor)  # of several outputs the row's
    if not result.requires_grad or not result.numel():
        pytest.skip("nothing of it is differentiable at this row")
    weights = tensor(rng.standard_normal(result.shape), name="V")
    e = explain((result * weights).sum())
    assert e.check() <= 1e-10
    for line in e:
        assert line.text(ascii=True).isascii()
        assert line.latex()
        assert line.mathml().startswith("<math")
