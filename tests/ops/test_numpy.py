"""NumPy's functions on Tensors: NumPy's meaning, this library's gradients, and a refusal of what has no rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg
from tinygrad_edu import Tensor, autograd, tensor
from tinygrad_edu.core.primitive import NUMPY

RNG = np.random.default_rng(5)
A = RNG.standard_normal((2, 3))
B = RNG.uniform(0.5, 2.0, (2, 3))
ROW = RNG.uniform(0.5, 2.0, 3)
STACK = RNG.standard_normal((2, 3, 4))
ONES = RNG.standard_normal((2, 1, 3))

# Of one operand, then of two, in either of which an ndarray or a number may stand
OF_ONE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "exp": (lambda x: np.exp(x), A),
    "expm1": (lambda x: np.expm1(x), A),
    "log": (lambda x: np.log(x), B),
    "log1p": (lambda x: np.log1p(x), B),
    "sqrt": (lambda x: np.sqrt(x), B),
    "square": (lambda x: np.square(x), A),
    "abs": (lambda x: np.abs(x), A),
    "absolute": (lambda x: np.absolute(x), A),
    "negative": (lambda x: np.negative(x), A),
    "positive": (lambda x: np.positive(x), A),
    "tanh": (lambda x: np.tanh(x), A),
    "sin": (lambda x: np.sin(x), A),
    "cos": (lambda x: np.cos(x), A),
    "sum": (lambda x: np.sum(x), A),
    "sum-axis": (lambda x: np.sum(x, axis=0), A),
    "sum-positional": (lambda x: np.sum(x, 1), A),
    "sum-keepdims": (lambda x: np.sum(x, axis=1, keepdims=True), A),
    "sum-axes": (lambda x: np.sum(x, axis=(0, -1)), STACK),
    "sum-no-axis": (lambda x: np.sum(x, axis=()), A),
    "sum-0-d": (lambda x: np.sum(x), np.array(1.5)),
    "add.reduce": (lambda x: np.add.reduce(x), A),
    "add.reduce-all": (lambda x: np.add.reduce(x, axis=None), A),
    "add.reduce-keepdims": (lambda x: np.add.reduce(x, axis=1, keepdims=True), A),
    "mean": (lambda x: np.mean(x), A),
    "mean-axis": (lambda x: np.mean(x, axis=1), A),
    "mean-no-axis": (lambda x: np.mean(x, axis=()), A),
    "var": (lambda x: np.var(x), A),
    "var-axis": (lambda x: np.var(x, axis=0), STACK),
    "var-ddof": (lambda x: np.var(x, axis=1, ddof=1), A),
    "std": (lambda x: np.std(x), A),
    "std-axis": (lambda x: np.std(x, axis=-1, keepdims=True), STACK),
    "std-ddof": (lambda x: np.std(x, ddof=1), A),
    "max": (lambda x: np.max(x), A),
    "max-axis": (lambda x: np.max(x, axis=1), A),
    "max-axes": (lambda x: np.max(x, axis=(0, 2)), STACK),
    "amax": (lambda x: np.amax(x, 0), A),
    "min": (lambda x: np.min(x, axis=0, keepdims=True), A),
    "amin": (lambda x: np.amin(x), A),
    "clip": (lambda x: np.clip(x, -0.5, 0.5), A),
    "clip-below": (lambda x: np.clip(x, 0, None), A),
    "clip-keywords": (lambda x: np.clip(x, a_min=None, a_max=0.3), A),
    "transpose": (lambda x: np.transpose(x), STACK),
    "transpose-axes": (lambda x: np.transpose(x, (1, 0, 2)), STACK),
    "transpose-negative": (lambda x: np.transpose(x, axes=(-1, 0, 1)), STACK),
    "matrix_transpose": (lambda x: np.matrix_transpose(x), STACK),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), STACK),
    "reshape": (lambda x: np.reshape(x, (3, 2)), A),
    "reshape-one": (lambda x: np.reshape(x, -1), A),
    "reshape-guess": (lambda x: np.reshape(x, (4, -1)), STACK),
    "ravel": (lambda x: np.ravel(x), A),
    "squeeze": (lambda x: np.squeeze(x), ONES),
    "squeeze-axis": (lambda x: np.squeeze(x, axis=1), ONES),
    "expand_dims": (lambda x: np.expand_dims(x, 1), A),
    "expand_dims-two": (lambda x: np.expand_dims(x, (0, -1)), A),
    "broadcast_to": (lambda x: np.broadcast_to(x, (4, 2, 3)), A),
    "copy": (lambda x: np.copy(x), A),
    "where": (lambda x: np.where(A > 0, x, 0), A),
    "where-else": (lambda x: np.where(x > 0, 2 * x, -x), A),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([[0], [2]]), 1), A),
    "zeros_like": (lambda x: x + np.zeros_like(x), A),
    "ones_like": (lambda x: x * np.ones_like(x), A),
    "full_like": (lambda x: x * np.full_like(x, 2.5), A),
    "concatenate": (lambda x: np.concatenate([x, A]), A),
    "concatenate-axis": (lambda x: np.concatenate((A, x, x), axis=1), A),
    "concatenate-flat": (lambda x: np.concatenate([x, A], axis=None), A),
    "stack": (lambda x: np.stack([x, A]), A),
    "stack-last": (lambda x: np.stack([A, x], axis=-1), A),
    "matmul": (lambda x: np.matmul(x, A.T), A),
    "dot": (lambda x: np.dot(A.T, x), A),
    "linear-algebra": (lambda x: A @ x.T @ A, A),
    "compound": (lambda x: 1 / (1 + np.exp(-(np.sum(x * ROW, axis=1) - 0.5))), A),
    "softmax-by-hand": (lambda x: np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True), A),
    "variance-by-hand": (lambda x: np.mean((x - np.mean(x, axis=0)) ** 2, axis=0), A),
    "chain-of-numbers": (lambda x: np.float64(2) * x + np.float64(1) - x / np.float64(3), A),
    "index": (lambda x: x[1] * x[:, :1], A),
}
OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "**": lambda x, y: x**y,
    "%": lambda x, y: (7 * x) % y,
    "add": lambda x, y: np.add(x, y),
    "subtract": lambda x, y: np.subtract(x, y),
    "multiply": lambda x, y: np.multiply(x, y),
    "divide": lambda x, y: np.divide(x, y),
    "true_divide": lambda x, y: np.true_divide(x, y),
    "power": lambda x, y: np.power(x, y),
    "maximum": lambda x, y: np.maximum(x, y),
    "minimum": lambda x, y: np.minimum(x, y),
    "logaddexp": lambda x, y: np.logaddexp(x, y),
    "where": lambda x, y: np.where(B > 1, x, y),
}
MATRICES: dict[str, Callable[[Any, Any], Any]] = {
    "@": lambda x, y: x @ y,
    "matmul": lambda x, y: np.matmul(x, y),
    "dot": lambda x, y: np.dot(x, y),
}
NO_GRADIENT: dict[str, Callable[[Any], Any]] = {
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmax-all": lambda x: np.argmax(x),
    "argmin-keepdims": lambda x: np.argmin(x, axis=0, keepdims=True),
    "equal": lambda x: np.equal(x, x),
    "greater": lambda x: np.greater(x, 0.0),
    "less-operator": lambda x: A < x,
    "logical": lambda x: np.logical_and(x > 0, x < 1),
    "logical_not": lambda x: np.logical_not(x),
    "isnan": lambda x: np.isnan(x),
    "isfinite": lambda x: np.isfinite(x),
    "any": lambda x: np.any(x > 1, axis=0),
    "all": lambda x: np.all(x > -9),
    "sign": lambda x: np.sign(x),
    "floor": lambda x: np.floor(x),
    "floor_divide": lambda x: x // 0.7,
}


def leaf(x: Any) -> Tensor:
    return tensor(x, requires_grad=True)


@pytest.mark.parametrize("name", OF_ONE)
def test_function_means_what_numpy_means(name):
    """np.f(t) is np.f of t's array, as a Tensor of the same dtype, and differentiable."""
    function, x = OF_ONE[name]
    result, expected = function(leaf(x)), np.asarray(function(x))
    assert type(result) is Tensor
    assert result.dtype == expected.dtype == np.float64
    assert result.shape == expected.shape
    assert_allclose(result.detach().numpy(), expected, rtol=1e-14, atol=1e-14)  # another order of the same sums
    assert autograd.gradcheck(function, leaf(x))


@pytest.mark.parametrize("kinds", ["tt", "ta", "at", "tn", "nt"])
@pytest.mark.parametrize("name", OF_TWO)
def test_operands_may_be_arrays_and_numbers(name, kinds):
    """Tensor, ndarray and number in both orders: the value of NumPy, gradients for every Tensor."""
    function = OF_TWO[name]
    values = [B if k != "n" else 1.75 for k in kinds]
    values[1] = ROW if kinds[1] in "ta" else values[1]
    given = [leaf(v) if k == "t" else v for k, v in zip(kinds, values, strict=True)]
    result = function(*given)
    assert type(result) is Tensor
    assert result.requires_grad
    assert_allclose(result.detach().numpy(), function(*values), rtol=1e-14)
    assert autograd.gradcheck(function, given)


@pytest.mark.parametrize("kinds", ["tt", "ta", "at"])
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("shapes", [((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2))], ids=str)
def test_matrix_products_take_arrays(name, kinds, shapes, rng):
    """x @ y, np.matmul and np.dot with an ndarray on either side."""
    values = [rng.standard_normal(s) for s in shapes]
    given = [leaf(v) if k == "t" else v for k, v in zip(kinds, values, strict=True)]
    result = MATRICES[name](*given)
    assert type(result) is Tensor
    assert_allclose(result.detach().numpy(), MATRICES[name](*values), rtol=1e-13)
    assert autograd.gradcheck(MATRICES[name], given)


@pytest.mark.parametrize("shapes", [((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2))], ids=str)
def test_matmul_of_stacks(shapes, rng):
    """np.matmul broadcasts over leading axes."""
    values = [rng.standard_normal(s) for s in shapes]
    result = np.matmul(leaf(values[0]), values[1])
    assert_allclose(result.detach().numpy(), np.matmul(*values), rtol=1e-13)


@pytest.mark.parametrize("name", NO_GRADIENT)
def test_function_without_gradient(name):
    """Comparisons, logic, roundings and arg-functions have NumPy's values, and nothing to differentiate."""
    function = NO_GRADIENT[name]
    result, expected = function(tensor(A)), np.asarray(function(A))
    assert type(result) is Tensor
    assert result.dtype == expected.dtype
    assert_array_equal(result.numpy(), expected)


def test_methods_and_functions_keep_their_own_defaults():
    """t.var() is PyTorch's, by n - 1; np.var(t) is NumPy's, by n; so with std, and max along an axis."""
    t = tensor(A)
    assert_allclose(t.var().item(), np.var(A, ddof=1), rtol=1e-14)
    assert_allclose(np.var(t).item(), np.var(A), rtol=1e-14)
    assert_allclose(np.std(t).item(), np.std(A), rtol=1e-14)
    assert_array_equal(np.max(t, axis=0).numpy(), A.max(0))
    assert_array_equal(t.max(0).values.numpy(), A.max(0))


def test_shape_questions():
    """np.shape, np.ndim and np.size of a Tensor are plain Python."""
    t = tensor(STACK)
    assert (np.shape(t), np.ndim(t), np.size(t), np.size(t, 1)) == ((2, 3, 4), 3, 24, 3)


@pytest.mark.parametrize("value", [2.0, np.float64(2.0), np.float32(2.0), np.int64(2)], ids=lambda v: type(v).__name__)
def test_numpy_scalars_do_not_widen(value):
    """A float32 tensor stays float32 beside a NumPy scalar, on either side."""
    t = tensor([1.0, 2.0], requires_grad=True)
    for result in (t * value, value * t, t + value, value - t, value / t, np.multiply(value, t), t**value):
        assert type(result) is Tensor
        assert result.dtype == np.float32


def test_array_beside_a_float32_tensor():
    """A float64 array makes the result float64, as PyTorch's promotion says; the gradient stays float32."""
    t = tensor([1.0, 2.0], requires_grad=True)
    result = np.array([3.0, 4.0]) * t
    assert result.dtype == np.float64
    result.sum().backward()
    assert t.grad.dtype == np.float32
    assert t.grad.tolist() == [3.0, 4.0]


def test_float32_array_stays_float32():
    """float32 arrays and tensors compute in float32, also in sums, means and variances."""
    t = tensor(A.astype(np.float32), requires_grad=True)
    for result in (np.sum(t), np.mean(t, axis=0), np.var(t), np.std(t), np.exp(t), A.astype(np.float32) @ t.T):
        assert result.dtype == np.float32


# --- what has no entry

WITHOUT: dict[str, Callable[[Any], Any]] = {
    "piecewise": lambda t: np.piecewise(t, [A > 0], [1.0]),
    "apply_along_axis": lambda t: np.apply_along_axis(np.sum, 0, t),
    "fft.rfft": lambda t: np.fft.rfft(t),
    "i0": lambda t: np.i0(t),
    "polyfit": lambda t: np.polyfit(t, t, 1),
    "subtract.accumulate": lambda t: np.subtract.accumulate(t),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_function_without_a_rule_is_refused(name):
    """A TypeError that says so, never an array of objects or an ndarray without gradient."""
    with pytest.raises(TypeError, match=r"np\.[\w.]+ has no rule here, so its gradient is unknown"):
        WITHOUT[name](leaf(A))


def test_refusal_names_a_near_function():
    """The message offers what the name may have meant, and the way around."""
    with pytest.raises(TypeError, match=r"np\.polyfit has no rule.*Near to it: .*np\.poly.*np\.polyfit\(t\.detach\(\)"):
        np.polyfit(leaf(A), leaf(A), 1)


def test_nothing_becomes_an_array_of_objects():
    """What NumPy itself does with a Tensor is a plain array of numbers, or an error."""
    t = tensor(A)
    assert np.asarray(t).dtype == np.float64
    assert np.array([t, t]).shape == (2, 2, 3)
    assert np.array([t, t]).dtype == np.float64
    assert np.asarray(t, dtype=np.float32).dtype == np.float32
    with pytest.raises(RuntimeError, match=r"detach\(\)\.numpy\(\)"):
        np.asarray(leaf(A))


def test_answered_functions_are_numpys():
    """Every function that has an entry has one for Tensors and Symbols alike: the table is the only one."""
    for function in NUMPY:
        ufunc, method = function if isinstance(function, tuple) else (function, "__call__")
        assert callable(getattr(ufunc, method))


# --- out=, where=, dtype= and the other keywords of NumPy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [3, 3.0, 4, 5, -2, -3, -3.0, -4, 101])
def test_whole_powers_are_numpys(n, dtype):
    """To the last digit or two, with NumPy's zeros, infinities and NaN; so are their slopes, n x ** (n - 1)."""
    numbers = [-2.5, -1.0, -1e-3, -0.0, 0.0, 0.3, 1.7, np.inf, -np.inf, np.nan]
    x = np.concatenate([numbers, RNG.standard_normal(54)]).astype(dtype)
    t = tensor(x, requires_grad=True)
    y = t**n
    y.sum().backward()
    with np.errstate(all="ignore"):
        for found, expected in ((y.detach().numpy(), x**n), (t.grad.numpy(), n * x ** (n - 1))):
            assert found.dtype == dtype
            assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps)
            known = ~np.isnan(x)
            assert_array_equal(np.signbit(found[known]), np.signbit(expected[known]))


@pytest.mark.parametrize("function", ["logaddexp", "logaddexp2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logaddexp_is_numpys(dtype, function):
    """Of two infinities, too, whose difference is NaN, and where exponentials overflow."""
    numbers = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30, -1e30, 1.0, -3.0, 88.0, -104.0, 800.0]
    a, b = (x.ravel().astype(dtype) for x in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        expected = getattr(np, function)(a, b)
    assert_allclose(getattr(tg, function)(tensor(a), tensor(b)).numpy(), expected, rtol=2 * np.finfo(dtype).eps)


def test_out_writes_into_a_tensor():
    """np.add(t, u, out=v) stores the result in v's memory, counts the write and records v anew."""
    t, u, v = leaf(A), leaf(B), tensor(np.zeros((2, 3)))
    memory = v.numpy()
    result = np.add(t, u, out=v)
    assert result is v
    assert_array_equal(memory, A + B)
    assert v.requires_grad
    (v * v).sum().backward()
    assert_allclose(t.grad.numpy(), 2 * (A + B), rtol=1e-15)


def test_out_may_be_an_operand():
    """np.multiply(y, 2, out=y) on an intermediate value is y *= 2."""
    t = leaf(A)
    y = t + 0
    np.multiply(y, 2, out=y)
    y.sum().backward()
    assert_array_equal(t.grad.numpy(), np.full((2, 3), 2.0))


def test_out_of_a_reduction():
    """np.sum(t, axis=0, out=v) and np.add.reduce(t, out=v) store as well."""
    t = leaf(A)
    for function in (np.sum, np.add.reduce):
        v = tensor(np.zeros(3))
        assert function(t, axis=0, out=v) is v
        assert_allclose(v.detach().numpy(), A.sum(0), rtol=1e-15)
        assert v.requires_grad
    assert np.sum(t, 0, None, v) is v
    assert np.exp(t[0], v) is v


def test_out_of_arrays_alone():
    """np.add(array, array, out=v) only has v to see that a Tensor is meant."""
    v = tensor(np.zeros((2, 3)))
    assert np.add(A, B, out=v) is v
    assert np.sum(np.stack([A, B]), axis=0, out=v) is v
    assert_allclose(v.numpy(), A + B, rtol=1e-15)
    assert not v.requires_grad


@pytest.mark.parametrize(
    "call",
    [
        lambda t, out: np.add(t, 1, out=out),
        lambda t, out: np.sum(t, axis=0, keepdims=True, out=out),
        lambda t, out: np.exp(t, out),
        lambda t, out: np.matmul(t, np.eye(3), out=out),
    ],
)
def test_out_as_an_ndarray_is_refused(call):
    """An ndarray can't hold a gradient: refused with the way out, and left as it was."""
    out = np.full((2, 3), 7.0)
    with pytest.raises(TypeError, match="out= is an ndarray"):
        call(leaf(A), out)
    assert_array_equal(out, 7.0)


def test_augmented_assignment_to_an_ndarray_is_refused():
    """array += t would lose the gradient in an ndarray; it says what to write instead."""
    array = A.copy()
    with pytest.raises(TypeError, match=r"out= is an ndarray.*x = x \+ t, not x \+= t"):
        array += leaf(B)
    assert_array_equal(array, A)


def test_out_refuses_a_leaf_that_requires_grad():
    """As x.add_() on a leaf: refused before anything is written."""
    x = leaf(A)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        np.add(x, 1, out=x)
    assert_array_equal(x.detach().numpy(), A)


def test_out_of_another_shape_or_dtype_is_refused():
    """The target neither grows nor loses its fraction."""
    with pytest.raises(tg.ShapeError, match="doesn't match the broadcast shape"):
        np.add(tensor(A), tensor(B), out=tensor(np.zeros(3)))
    with pytest.raises(tg.DtypeError, match="can't be cast"):
        np.add(tensor(A), tensor(B), out=tensor(np.zeros((2, 3), np.int64)))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda t: np.add(t, t, where=A > 0), "where"),
        (lambda t: np.sum(t, where=A > 0), "where"),
        (lambda t: np.sum(t, initial=1.0), "initial"),
        (lambda t: np.exp(t, casting="unsafe"), "casting"),
        (lambda t: np.max(t, initial=0.0), "initial"),
    ],
)
def test_keywords_without_a_meaning_here_are_named(call, word):
    """NumPy's keywords that nothing here answers are refused by name, not dropped."""
    with pytest.raises(TypeError, match=rf"np\.\w+.*{word}"):
        call(leaf(A))


def test_dtype_keyword_of_reductions():
    """np.sum(t, dtype=...) and np.mean(t, dtype=...) compute in that dtype, with gradients in t's own."""
    t = tensor(A.astype(np.float32), requires_grad=True)
    for function in (np.sum, np.mean):
        result = function(t, dtype=np.float64)
        assert result.dtype == np.float64
    np.sum(t, dtype=np.float64).backward()
    assert t.grad.dtype == np.float32


# --- stability: no warning where the result is finite

EXTREME = np.array([-1e4, -800.0, -100.0, -1.0, 0.0, 1.0, 100.0, 800.0, 1e4])
STABLE: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: x.sigmoid(),
    "tanh": lambda x: x.tanh(),
    "softplus": lambda x: x.softplus(),
    "logsumexp": lambda x: x.logsumexp(0),
    "softmax": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(0),
    "logaddexp": lambda x: tg.logaddexp(x, -x),
    "relu": lambda x: x.relu(),
    "where": lambda x: tg.where(x > 0, x, -x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STABLE)
def test_stable_functions_neither_overflow_nor_warn(name, dtype):
    """Finite values and gradients for scores of any size, and no warning from NumPy on the way."""
    x = tensor(EXTREME.astype(dtype), requires_grad=True)
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        y = STABLE[name](x)
    assert np.isfinite(y.detach().numpy()).all()
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
