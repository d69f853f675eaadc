"""A choice by bits is np.where, to the last bit: infinities, NaN, and both zeros; compiled, too."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu.ops.choices import SEVERAL, choose

ENGINES = ["numpy", *(["numba"] if importlib.util.find_spec("numba") else [])]


def special(rng, shape, dtype):
    """Random numbers among which every kind that a product would spoil."""
    kinds = np.array([np.inf, -np.inf, np.nan, -0.0, 0.0, *rng.standard_normal(11)], dtype)
    return rng.choice(kinds, shape)


def bits(x):
    return x.view({4: np.int32, 8: np.int64}[x.dtype.itemsize])


LAYOUTS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: x[::-1],
    "a broadcast row": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rows", [1, SEVERAL // 16, SEVERAL // 16 + 3])
def test_large_choices_are_where(rows, layout, dtype):
    rng = np.random.default_rng(rows)
    A, B = LAYOUTS[layout](special(rng, (rows, 16), dtype)), special(rng, (rows, 16), dtype)
    for condition in (rng.random((rows, 16)) < 0.5, np.zeros((rows, 16), bool), np.ones((rows, 16), bool)):
        for left, right in ((A, B), (B, A)):
            found = choose(condition, left, right)
            assert found.dtype == dtype
            assert np.array_equal(bits(found), bits(np.where(condition, left, right)))


def test_what_is_not_alike_is_left_to_numpy():
    rng = np.random.default_rng(0)
    condition = rng.random((64, 32)) < 0.5
    A = rng.standard_normal((64, 32)).astype("f4")
    for B in (2.0, A[0], A.astype("f8"), A.astype("f2"), np.arange(32)):
        expected = np.where(condition, A, B)
        found = choose(condition, A, B)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert np.array_equal(choose(condition[:1], A, A + 1), np.where(condition[:1], A, A + 1))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [te.float32, te.float64])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: te.where(x > y, x, y * 2),
        lambda x, y: F.leaky_relu(x, 0.1) + F.leaky_relu(y, -0.5),
        lambda x, y: F.elu(x, 0.7) * y,
        lambda x, y: F.prelu(x, y[0, :1]),
        lambda x, y: F.hardswish(4 * x) + y,
    ],
    ids=["where", "leaky_relu", "elu", "prelu", "hardswish"],
)
def test_gradients_and_programs_are_those_of_smaller_arrays(f, dtype, engine):
    """Rows are independent, so that 64 of them at once (bits) and one by one (np.where) must agree."""
    te.manual_seed(0)
    x, y = te.randn(64, 32, dtype=dtype), te.randn(64, 32, dtype=dtype)
    y[:, 0] = 0.25  # prelu's weight, of every row

    def step(x, y):
        x, y = x.detach().requires_grad_(), y.detach()
        return te.autograd.grad(f(x, y).square().sum(), x)[0]

    assert x.numel() >= SEVERAL
    whole = step(x, y)
    rows = te.cat([step(x[i : i + 1], y[i : i + 1]) for i in range(64)])
    assert te.equal(whole, rows)
    compiled = te.compile(step, engine=engine)
    for _ in range(2):
        found = compiled(x, y)
    if engine == "numpy":
        assert te.equal(found, whole)
    else:
        assert "bitwise" not in compiled.source  # kernels choose in their loops
        assert te.allclose(found, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))
