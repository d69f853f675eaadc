"""Infinities and NaN come out without a warning, forward and backward, over the whole rule book."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.table import BOOK, CASES
from tinygrad_edu import Tensor, optim, tensor
from tinygrad_edu.core import quiet
from tinygrad_edu.core.errors import ShapeError

AWKWARD = (0.0, -1.0, np.inf, -np.inf, np.nan, 1e-320, 1e308, -1e308, 710.0)  # in float64: denormal, near overflow


def spoilt(x, rng, share):
    """An array of floats, some of which are what makes NumPy warn."""
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size):
        return x
    values = np.array(AWKWARD, x.dtype)[rng.integers(0, len(AWKWARD), x.shape)]
    return np.where(rng.random(x.shape) < share, values, x)


@pytest.mark.parametrize("key", sorted(BOOK))
def test_no_primitive_warns(key, rng):
    """Whatever the numbers are, an operation and its rules raise what the operation itself refuses, or nothing."""
    for case, share in itertools.product([c for c in CASES if c.key == key], (0.3, 1.0)):
        drawn = case.sample(rng)
        sloped = case.differentiable(drawn)
        arrays = [spoilt(x, rng, share) for x in drawn]
        inputs = [
            tensor(x, requires_grad=i in sloped) if isinstance(x, np.ndarray) else x for i, x in enumerate(arrays)
        ]
        with np.errstate(all="warn"), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                Y = case.primitive(*inputs, **case.params)
            except (RuntimeError, ValueError, IndexError, np.linalg.LinAlgError):
                continue  # a matrix of NaN has no factors, a probability may not be -1
            for y in Y if isinstance(Y, tuple) else (Y,):
                if isinstance(y, Tensor) and y.requires_grad:
                    try:
                        y.backward(tensor(spoilt(np.ones(y.shape), rng, share)), retain_graph=True)
                    except np.linalg.LinAlgError:
                        continue


def test_the_callers_setting_is_his_own():
    """After an operation, also one that fails, NumPy warns as before."""
    before = np.geterr()
    te.ones(2) / 0
    with pytest.raises(ShapeError):
        te.ones(2) + te.ones(3)
    x = te.zeros(2, requires_grad=True)
    x.sqrt().sum().backward()
    optim.SGD([x], lr=1.0).step()
    assert np.geterr() == before
    with np.errstate(all="raise"):
        assert te.zeros(1).log().item() == -np.inf
        with pytest.raises(FloatingPointError):
            np.log(np.zeros(1))


def test_a_numpy_that_keeps_its_setting_elsewhere_is_asked_by_errstate(monkeypatch):
    """Where no context variable is found, np.errstate hushes instead."""
    monkeypatch.setattr(quiet.contextvars, "copy_context", dict)
    hush, restore = quiet._pair()
    before = hush()
    assert set(np.geterr().values()) == {"ignore"}
    restore(before)
    assert "warn" in np.geterr().values()
