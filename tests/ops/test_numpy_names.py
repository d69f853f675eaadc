"""NumPy's functions that have no PyTorch name: on Tensors their values are NumPy's, and they are differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import ShapeError, Tensor, TraceError, autograd, tensor
from tinygrad_edu.ops import numpy_values
from tinygrad_edu.symbolic import trace

RNG = np.random.default_rng(8)
A = RNG.standard_normal((3, 4))
B = RNG.uniform(0.5, 2.0, (3, 4))
V = RNG.standard_normal(6)
SHORT = RNG.standard_normal(3)
HOLES = np.where(RNG.random((3, 4)) < 0.3, np.nan, A)
HOLES[0, 0] = 1.0
KNOTS = np.array([0.0, 1.0, 2.5, 4.0])
PLACES = np.array([-1.0, 0.3, 1.7, 2.6, 3.9, 9.0])

SMOOTH: dict[str, tuple[Callable[..., Any], Any]] = {
    "cbrt": (np.cbrt, A),
    "degrees": (np.degrees, A),
    "radians": (np.radians, A),
    "fabs": (np.fabs, A),
    "float_power": (lambda x: np.float_power(x, 2.5), B),
    "around": (lambda x: x * np.around(x, 1), B),
    "divmod": (lambda x: np.divmod(x, 0.7)[1], B),
    "modf": (lambda x: np.modf(x)[0], A),
    "real": (np.real, A),
    "conj": (np.conj, A),
    "unwrap": (lambda x: np.unwrap(5 * x), A),
    "ptp": (np.ptp, A),
    "ptp-axis": (lambda x: np.ptp(x, axis=1, keepdims=True), A),
    "average": (np.average, A),
    "average-weights": (lambda x: np.average(x, weights=B), A),
    "average-of-weights": (lambda w: np.average(A, weights=w, axis=1), B),
    "average-axis": (lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 0.0, 4.0], keepdims=True), A),
    "average-returned": (lambda x: np.average(x, axis=0, weights=B, returned=True)[0], A),
    "nanmax": (lambda x: np.nanmax(x, axis=0), HOLES),
    "nanmin": (np.nanmin, HOLES),
    "nanvar": (lambda x: np.nanvar(x, axis=1), HOLES),
    "nanstd": (lambda x: np.nanstd(x, ddof=1), HOLES),
    "nanprod": (lambda x: np.nanprod(x, axis=1), HOLES),
    "nancumsum": (lambda x: np.nancumsum(x, axis=1), HOLES),
    "nancumprod": (np.nancumprod, HOLES),
    "percentile": (lambda x: np.percentile(x, [10, 50], axis=1), A),
    "nanpercentile": (lambda x: np.nanpercentile(x, 30), HOLES),
    "add.accumulate": (lambda x: np.add.accumulate(x, axis=1), A),
    "multiply.accumulate": (np.multiply.accumulate, A),
    "append": (lambda x: np.append(x, x * 2), A),
    "append-axis": (lambda x: np.append(B, x, axis=0), A),
    "delete": (lambda x: np.delete(x, 1, axis=1), A),
    "delete-several": (lambda x: np.delete(x, [0, -1]), V),
    "delete-slice": (lambda x: np.delete(x, slice(1, 3), axis=0), A),
    "insert": (lambda x: np.insert(x, 2, 9.0), V),
    "insert-axis": (lambda x: np.insert(x, 1, 5.0, axis=1), A),
    "insert-row": (lambda x: np.insert(x, -1, B[0], axis=0), A),
    "insert-column": (lambda x: np.insert(x, 1, B[:, 0], axis=1), A),
    "insert-columns": (lambda x: np.insert(x, [1, 3], B[:, :2], axis=1), A),
    "insert-unordered": (lambda x: np.insert(x, [4, 1, 1], [1.0, 2.0, 3.0]), V),
    "insert-of": (lambda x: np.insert(V, [1, 2, 5], x), SHORT),
    "block": (lambda x: np.block([[x, 2 * x], [B, x * x]]), A),
    "block-flat": (lambda x: np.block([x, V]), V),
    "resize": (lambda x: np.resize(x, (2, 5)), V),
    "hsplit": (lambda x: np.hsplit(x, 2)[1], A),
    "vsplit": (lambda x: np.vsplit(x, [1])[1], A),
    "dsplit": (lambda x: np.dsplit(x.reshape(1, 3, 4), 2)[0], A),
    "rollaxis": (lambda x: np.rollaxis(x.reshape(1, 3, 4), 2), A),
    "rollaxis-back": (lambda x: np.rollaxis(x.reshape(1, 3, 4), 0, 3), A),
    "pad": (lambda x: np.pad(x, 1), A),
    "pad-value": (lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=3), A),
    "pad-edge": (lambda x: np.pad(x, 2, mode="edge"), A),
    "pad-reflect": (lambda x: np.pad(x, ((1, 2), (0, 3)), mode="reflect"), A),
    "pad-symmetric": (lambda x: np.pad(x, 2, mode="symmetric"), A),
    "pad-wrap": (lambda x: np.pad(x, (1, 2), mode="wrap"), A),
    "partition": (lambda x: np.partition(x, 2)[..., 2], A),
    "select": (lambda x: np.select([B < 1, B < 1.5], [x, x * x], -x), A),
    "choose": (lambda x: np.choose([0, 1, 1, 0, 2, 0], [x, -x, x * x]), V),
    "choose-wrap": (lambda x: np.choose([0, 3, -1, 0, 2, 0], [x, -x], mode="wrap"), V),
    "compress": (lambda x: np.compress([True, False, True], x, axis=0), A),
    "extract": (lambda x: np.extract(B > 1, x), A),
    "interp-points": (lambda x: np.interp(x, KNOTS, V[:4]), PLACES),
    "interp-values": (lambda f: np.interp(PLACES, KNOTS, f), V[:4]),
    "interp-ends": (lambda f: np.interp(PLACES, KNOTS, f, left=-7.0, right=8.0), V[:4]),
    "vecdot": (lambda x: np.vecdot(x, B), A),
    "add.outer": (lambda x: np.add.outer(x, V), A),
    "multiply.outer": (lambda x: np.multiply.outer(V, x), A),
    "maximum.outer": (lambda x: np.maximum.outer(x, SHORT), V),
    "convolve": (lambda x: np.convolve(x, SHORT), V),
    "convolve-same": (lambda x: np.convolve(x, SHORT, "same"), V),
    "convolve-valid": (lambda x: np.convolve(x, SHORT, "valid"), V),
    "convolve-kernel": (lambda v: np.convolve(V, v), SHORT),
    "convolve-itself": (lambda x: np.convolve(x, x, "same"), V),
    "convolve-even": (lambda x: np.convolve(x, V[:4], "same"), V),
    "convolve-one": (lambda x: np.convolve(x, V[:1]), V),
    "correlate": (lambda x: np.correlate(x, SHORT), V),
    "correlate-full": (lambda x: np.correlate(x, SHORT, "full"), V),
    "correlate-same": (lambda x: np.correlate(x, SHORT, "same"), V),
    "correlate-same-even": (lambda x: np.correlate(x, V[:4], "same"), V),
    "correlate-longer": (lambda x: np.correlate(SHORT, x, "full"), V),
    "correlate-longer-same": (lambda x: np.correlate(SHORT, x, "same"), V),
    "correlate-longer-same-even": (lambda x: np.correlate(V[:4], x, "same"), V),
    "linalg.matrix_transpose": (np.linalg.matrix_transpose, A),
    "ediff1d": (lambda x: np.ediff1d(x, to_begin=[1.0, 2.0], to_end=9.0), A),
    "gradient": (lambda x: np.gradient(x), V),
    "gradient-step": (lambda x: np.gradient(x, 0.5, edge_order=2), V),
    "gradient-uneven": (lambda x: np.gradient(x, np.array([0, 1, 1.5, 4, 5, 5.25]), edge_order=2), V),
    "gradient-axis": (lambda x: np.gradient(x, KNOTS, axis=1), A),
    "gradient-all": (lambda x: np.gradient(x, 2.0, 3.0)[1], A),
    "polyval": (lambda x: np.polyval(SHORT, x), A),
    "polyval-of-coefficients": (lambda p: np.polyval(p, A), SHORT),
    "polyadd": (lambda x: np.polyadd(x, SHORT), V),
    "polysub": (lambda x: np.polysub(SHORT, x), V),
    "polymul": (lambda x: np.polymul(x, SHORT), V),
    "polyder": (lambda x: np.polyder(x, 2), V),
    "polyint": (lambda x: np.polyint(x, 2, [1.0, 2.0]), V),
}
NEWER: dict[str, tuple[Callable[..., Any], Any]] = {  # than NumPy 2.0
    "matvec": (lambda x: np.matvec(x, B[0]), A),
    "vecmat": (lambda x: np.vecmat(B[:, 0], x), A),
    "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=1, include_initial=True), A),
    "cumulative_prod": (lambda x: np.cumulative_prod(x), V),
    "unstack": (lambda x: np.unstack(x, axis=1)[2], A),
    "astype": (lambda x: np.astype(np.astype(x, np.float64), np.float64), A),
}
SMOOTH |= {name: row for name, row in NEWER.items() if hasattr(np, name)}


def leaf(x: Any) -> Tensor:
    return tensor(x, requires_grad=True)


@pytest.mark.parametrize("name", SMOOTH)
def test_function_means_what_numpy_means(name):
    """np.f(t) is np.f of t's array, as a Tensor, and differentiable where it has numbers."""
    function, x = SMOOTH[name]
    result, expected = function(leaf(x)), np.asarray(function(x))
    assert type(result) is Tensor
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    assert_allclose(result.detach().numpy(), expected, rtol=1e-13, atol=1e-14)  # another order of the same sums
    known = np.isfinite(x)
    filled = np.where(known, x, 0.0)
    assert autograd.gradcheck(lambda t: function(t if known.all() else np.where(known, t, np.nan)), leaf(filled))


def test_trimmed_zeros_get_no_gradient():
    """np.trim_zeros is the slice between the outer zeros, by the values at hand."""
    t = leaf([0.0, 0.0, 1.5, 0.0, 2.0, 0.0])
    for trim, kept in {"fb": [0, 0, 1, 1, 1, 0], "f": [0, 0, 1, 1, 1, 1], "b": [1, 1, 1, 1, 1, 0]}.items():
        t.grad = None
        np.trim_zeros(t, trim).sum().backward()
        assert_array_equal(t.grad, kept)
    assert np.trim_zeros(t * 0).shape == (0,)


@pytest.mark.parametrize("name", numpy_values.FUNCTIONS)
def test_function_of_values_is_listed_once(name):
    """What has no gradient has no front of its own elsewhere."""
    assert numpy_values.FUNCTIONS.count(name) == 1
    assert name not in SMOOTH


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.isclose(x, A + 1e-9),
        lambda x: np.unique(np.round(x)),
        lambda x: np.histogram(x, bins=3)[0],
        lambda x: np.digitize(x, [-1.0, 0.0, 1.0]),
        lambda x: np.nanargmax(x, axis=1),
        lambda x: np.setdiff1d(x, A[0]),
        lambda x: np.lexsort((x[0], x[1])),
    ],
)
def test_function_of_values_has_numpys_result(function):
    """Also for a tensor that requires a gradient: the result has none."""
    result, expected = function(leaf(A)), function(A)
    assert type(result) is Tensor
    assert not result.requires_grad
    assert_array_equal(result.numpy(), expected)


def test_whole_comparisons_are_python_truths():
    """np.allclose(w.grad, expected), as tests write it, in both orders."""
    t = leaf(A)
    assert np.allclose(t, A) is True
    assert np.allclose(A + 1, t) is False
    assert np.array_equal(t, A) is True
    assert np.array_equal(t, A[:2]) is False


def test_values_are_not_known_in_a_trace():
    """There a function of values raises, instead of freezing what it saw."""
    with pytest.raises(TraceError):
        trace(lambda t: t * 2 if np.allclose(t, 1) else t, tensor(A))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda t: np.average(t, weights=[1.0, 2.0]), ShapeError, r"np\.average: weights of shape \(2,\)"),
        (lambda t: np.pad(t, 1, mode="mean"), TypeError, "mode 'mean'"),
        (lambda t: np.interp(t, KNOTS, KNOTS, period=2.0), TypeError, "period="),
        (lambda t: np.convolve(V, t[0], "most"), ValueError, "'most' is not one of"),
        (lambda t: np.choose([0, 5, 0, 0], [t, t]), ValueError, "outside of the 2 choices"),
        (lambda t: np.select([B < 1], [t, t]), ValueError, "1 conditions for 2 choices"),
        (lambda t: np.gradient(t, KNOTS[:3], axis=1), RuntimeError, "expected 4 coordinates along axis 1, got 3"),
        (lambda t: np.gradient(t[:1], axis=0), RuntimeError, "at least edge_order"),
    ],
)
def test_mistakes_are_named(call, error, text):
    """The function, what was given, what is possible."""
    with pytest.raises(error, match=text):
        call(leaf(A))
