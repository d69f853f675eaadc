"""Formulas computed in place: what is emitted, what it computes, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.optim import rules
from tinygrad_edu.optim.formula import InPlace, in_place
from tinygrad_edu.symbolic import trace

FORMULAS = {name: f for name, f in vars(rules).items() if isinstance(f, InPlace)}


def test_the_emitted_source():
    """The target's memory is used as soon as its old value is read, and one scratch array besides."""
    assert rules.average.source == (
        "def average(M, beta, G, S0):\n"
        "    T0 = multiply(beta, M, out=M)\n"
        "    t1 = 1 - beta\n"
        "    T2 = multiply(t1, G, out=S0)\n"
        "    return add(T0, T2, out=M)\n"
    )


@in_place
def needs_the_old_value_twice(X, Y, c):
    return (X + Y) * (c * X - Y)


@in_place
def chooses(X, Y, c):
    return np.where(Y > 0, c * X, np.where(Y < c, X - Y, 1.0))


OWN = {"needs_the_old_value_twice": needs_the_old_value_twice, "chooses": chooses}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (4, 5), (0, 3)], ids=str)
@pytest.mark.parametrize("formula", {**FORMULAS, **OWN}.values(), ids={**FORMULAS, **OWN}.keys())
def test_in_place_equals_the_formula_bit_for_bit(formula, shape, dtype, rng):
    """Memory is reused, and nothing but the target is changed."""
    names = formula.formula.__code__.co_varnames[: formula.formula.__code__.co_argcount]
    args = [
        tg.tensor(np.asarray(rng.random(shape) + 0.5, dtype)) if name[0].isupper() else float(rng.random())
        for name in names
    ]
    arrays = [a.numpy().copy() if isinstance(a, tg.Tensor) else a for a in args]
    expected = np.asarray(formula.formula(*arrays), dtype)
    memory = args[0].numpy()
    formula(*args)
    np.testing.assert_array_equal(memory, expected)
    assert args[0].numpy() is memory
    for given, was in zip(args[1:], arrays[1:], strict=True):
        np.testing.assert_array_equal(given.numpy() if isinstance(given, tg.Tensor) else given, was)


def test_the_target_may_be_an_operand_too():
    """W -= 0.5 W, as when somebody assigns a parameter as its own gradient."""
    W = tg.tensor([2.0, 4.0])
    rules.descend(W, 0.5, W)
    assert W.tolist() == [1.0, 2.0]


def test_numbers_take_the_target_s_precision():
    """A 0-d float64 array does not make float64 of a float32 computation."""
    W, G = tg.tensor([1.0, 1.0]), tg.tensor([0.3, 0.7])
    rules.descend(W, np.float64(0.1), G)
    V = tg.tensor([1.0, 1.0])
    rules.descend(V, 0.1, G)
    assert W.tolist() == V.tolist()
    assert W.dtype == tg.float32


def test_strided_targets(rng):
    """Transposed and sliced memory is written where it lies."""
    base = tg.tensor(rng.random((6, 4)))
    expected = base.numpy().copy()
    expected.T[1:, ::2] -= 0.5
    rules.descend(base.T[1:, ::2], 0.5, tg.ones(3, 3, dtype=tg.float64))
    np.testing.assert_array_equal(base.numpy(), expected)


def test_a_formula_takes_part_in_a_trace(rng):
    """In a trace the formula is computed on Symbols, and the program does what the eager call does."""
    W, G = tg.tensor(rng.random(3)), tg.tensor(rng.random(3))
    start = W.numpy().copy()
    program = trace(lambda: needs_the_old_value_twice(W, G, 0.25))
    np.testing.assert_array_equal(W.numpy(), start)
    program()
    np.testing.assert_array_equal(W.numpy(), needs_the_old_value_twice.formula(start, G.numpy(), 0.25))


def test_writes_are_counted(rng):
    """A value that a backward pass still needs may be overwritten, but not unnoticed."""
    W = tg.tensor(rng.random(3), requires_grad=True)
    loss = (W * W).sum()
    rules.scale(W, 2.0, by="Mine.step")
    with pytest.raises(RuntimeError, match=r"Mine.step at test_formula.py:\d+ has overwritten it"):
        loss.backward()
