"""Arithmetic, exponentials, roundings, bits and special functions against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .test_ops_torch import compare, inf, nan, numbers  # noqa: E402  # that file skips itself where PyTorch is absent

SPECIAL = np.array([-inf, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5, 30.0, inf, nan])
ALL_PAIRS = [np.ascontiguousarray(g) for g in np.meshgrid(SPECIAL, SPECIAL)]
SHAPES_OF_ONE = ((2, 3), (), (0, 3), (1, 1), (2, 3, 4))
SHAPES_OF_TWO = (((2, 3), (2, 3)), ((2, 3), (3,)), ((3, 1), (4,)), ((), (2, 3)), ((2, 3), ()), ((0, 3), (3,)))

Draw = Callable[[np.random.Generator, tuple[int, ...]], Any]


def between(low: float, high: float) -> Draw:
    return lambda rng, shape: np.asarray(rng.uniform(low, high, shape))


def real(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return np.asarray(rng.standard_normal(shape))


def away(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return np.asarray(rng.uniform(0.3, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


# PyTorch's second derivative of copysign, which is 0, is what rounding leaves of C / A - C / A; its trigamma
# (digamma's derivative, polygamma of 1) is good to 1e-9: see the tests of those two at the end.
FIRST_ORDER_ONLY = {"copysign", "copysign of a number", "copysign_"}
VALUES_ONLY = {"digamma", "digamma_"}

# name: the call, where it is smooth, and the orders of derivatives compared at SPECIAL (negative: not even values)
UNARY: dict[str, tuple[Callable[..., Any], Draw, int]] = {
    "exp2": (lambda L, x: L.m.exp2(x), real, 1),
    "log2": (lambda L, x: x.log2(), between(0.2, 3), 1),
    "log10": (lambda L, x: L.m.log10(x), between(0.2, 3), 1),
    "reciprocal": (lambda L, x: L.m.reciprocal(x), away, 1),
    "rsqrt": (lambda L, x: x.rsqrt(), between(0.2, 3), 1),
    "positive": (lambda L, x: L.m.positive(x * 1), real, 2),
    "trunc": (lambda L, x: L.m.trunc(3 * x), real, 2),
    "fix": (lambda L, x: x.fix(), real, 2),
    "frac": (lambda L, x: x.frac(), real, 2),
    "ceil": (lambda L, x: L.m.ceil(3 * x), real, 2),
    "floor": (lambda L, x: L.m.floor(3 * x), real, 2),
    "round": (lambda L, x: L.m.round(3 * x), real, 2),
    "round to places": (lambda L, x: L.m.round(x, decimals=2), real, 2),
    "round to hundreds": (lambda L, x: (100 * x).round(decimals=-2), real, 2),
    "nan_to_num": (lambda L, x: L.m.nan_to_num(x), real, 2),
    "nan_to_num of three": (lambda L, x: x.nan_to_num(1.5, posinf=2.0, neginf=-3.0), real, 2),
    "logit": (lambda L, x: L.m.logit(x), between(0.05, 0.95), 1),
    "logit with eps": (lambda L, x: x.logit(0.2), between(-0.2, 1.2), 0),
    "xlogy of a number": (lambda L, x: L.m.xlogy(2.5, x), between(0.2, 3), 1),
    "xlogy by a number": (lambda L, x: x.xlogy(2), real, 1),
    "fmod by a number": (lambda L, x: L.m.fmod(3 * x, 1.3), real, 1),
    "float_power": (lambda L, x: L.m.float_power(x, 2.5), between(0.2, 3), 1),
    "copysign of a number": (lambda L, x: x.copysign(-1.0), away, 0),
    "signbit": (lambda L, x: L.m.signbit(x), real, 0),
    "isposinf": (lambda L, x: L.m.isposinf(x), real, 0),
    "isneginf": (lambda L, x: L.m.isneginf(x), real, 0),
    "isreal": (lambda L, x: x.isreal(), real, 0),
    "sinc": (lambda L, x: L.m.sinc(x), away, 0),
    "erf": (lambda L, x: L.m.erf(2 * x), real, 1),
    "erfc": (lambda L, x: L.m.erfc(2 * x), real, 1),
    "erfinv": (lambda L, x: L.m.erfinv(x), between(-0.9, 0.9), 0),
    "lgamma": (lambda L, x: L.m.lgamma(x), between(0.2, 6), 0),
    "lgamma left of 0": (lambda L, x: L.m.lgamma(x), between(-2.9, -2.1), 0),
    "digamma": (lambda L, x: x.digamma(), between(0.2, 6), 0),
    "lgamma near 0": (lambda L, x: L.m.lgamma(x), between(1e-9, 1e-3), -1),
    "digamma near 0": (lambda L, x: x.digamma(), between(1e-9, 1e-3), -1),
    "erfinv near 1": (lambda L, x: L.m.erfinv(x), between(0.99, 0.9999), -1),
    "polygamma": (lambda L, x: L.m.polygamma(2, x), between(0.2, 6), -1),
}
BINARY: dict[str, tuple[Callable[..., Any], Draw, Draw, int]] = {
    "fmod": (lambda L, x, y: L.m.fmod(x, y), real, away, 0),
    "true_divide": (lambda L, x, y: L.m.true_divide(x, y), real, away, 1),
    "logaddexp2": (lambda L, x, y: L.m.logaddexp2(x, y), real, real, 0),
    "xlogy": (lambda L, x, y: L.m.xlogy(x, y), real, between(0.2, 3), 1),
    "copysign": (lambda L, x, y: L.m.copysign(x, y), away, away, 0),
    "fmax": (lambda L, x, y: L.m.fmax(x, y), real, real, 2),
    "fmin": (lambda L, x, y: x.fmin(y), real, real, 2),
    "hypot": (lambda L, x, y: L.m.hypot(x, y), away, away, 0),
    "atan2": (lambda L, x, y: L.m.atan2(x, y), away, away, 1),
    "float_power": (lambda L, x, y: x.float_power(y), between(0.2, 3), real, 0),
    "lerp by a number": (lambda L, x, y: L.m.lerp(x, y, 0.3), real, real, 0),
    "lerp near the end": (lambda L, x, y: x.lerp(y, 0.8), real, real, 0),
    "lerp beyond": (lambda L, x, y: x.lerp(y, -1.5), real, real, 0),
    "addcmul": (lambda L, x, y: L.m.addcmul(x, y, y, value=0.5), real, real, 0),
    "addcdiv": (lambda L, x, y: L.m.addcdiv(x, x, y, value=-2), real, away, 0),
    "heaviside": (lambda L, x, y: L.m.heaviside(x.detach(), y.detach()), real, real, 0),
}


def orders_of(name: str) -> int:
    return 0 if name in VALUES_ONLY else 1 if name in FIRST_ORDER_ONLY else 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_one_input_agrees(name, dtype, rng):
    """Value, gradient and second gradient, over shapes; then infinities, NaN, zeros and kinks."""
    function, draw, orders = UNARY[name]
    for shape in SHAPES_OF_ONE:
        compare(function, [draw(rng, shape)], dtype, orders=orders_of(name))
    if orders >= 0:
        compare(function, [SPECIAL], dtype, orders=orders)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_two_inputs_agree(name, dtype, rng):
    """As above, under broadcasting, and at every pair of the special values."""
    function, first, second, orders = BINARY[name]
    for left, right in SHAPES_OF_TWO:
        compare(function, [first(rng, left), second(rng, right)], dtype, orders=orders_of(name))
    compare(function, ALL_PAIRS, dtype, orders=orders)


def test_lgamma_keeps_its_digits_at_its_zeros():
    """Of float64: 0 at 1 and 2; beside them the first terms of its series, -g e and (1 - g) e, g Euler's constant."""
    assert tg.lgamma(tg.tensor([1.0, 2.0], dtype=tg.float64)).tolist() == [0.0, 0.0]
    e = np.array([-(2.0**-20), 2.0**-30, 2.0**-20])  # 1 + e is exact
    g, a, b = 0.5772156649015329, np.pi**2 / 12, 1.2020569031595942 / 3
    at_one = e * (-g + e * (a - e * b))
    np.testing.assert_allclose(tg.lgamma(tg.tensor(1 + e)).numpy(), at_one, rtol=1e-15)
    np.testing.assert_allclose(tg.lgamma(tg.tensor(2 + e)).numpy(), at_one + np.log1p(e), rtol=4e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lerp_by_a_tensor_agrees(dtype, rng):
    """The weight is differentiated too; both ends are met exactly."""

    def function(L: Any, x: Any, y: Any, w: Any) -> Any:
        return L.m.lerp(x, y, w)

    for shapes in [((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), ()), ((3, 1), (4,), (3, 4)), ((), (), ()), ((0, 3),) * 3]:
        compare(function, [rng.uniform(-1, 2, s) for s in shapes], dtype)
    far = np.array([1e8, -3.0]), np.array([1.0, 7.0])
    for weight in (0.0, 1.0):
        compare(function, [*far, np.full(2, weight)], dtype)
        compare(lambda L, x, y, w=weight: L.m.lerp(x, y, w), list(far), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fused_sums_agree(dtype, rng):
    """addcmul and addcdiv of three tensors, broadcast against one another."""
    x, y, z = real(rng, (2, 3)), real(rng, (3,)), away(rng, (2, 1))
    for value in (1, -0.3):
        compare(lambda L, x, y, z, v=value: L.m.addcmul(x, y, z, value=v), [x, y, z], dtype)
        compare(lambda L, x, y, z, v=value: x.addcdiv(y, z, value=v), [x, y, z], dtype)


WHOLE = np.array([-9, -4, -1, 0, 1, 2, 6, 12])
INTEGERS: dict[str, Callable[..., Any]] = {
    "trunc": lambda L, x, y: L.m.trunc(x),
    "ceil": lambda L, x, y: L.m.ceil(x),
    "round": lambda L, x, y: L.m.round(x),
    "sgn": lambda L, x, y: L.m.sgn(x),
    "signbit": lambda L, x, y: L.m.signbit(x),
    "nan_to_num": lambda L, x, y: L.m.nan_to_num(x),
    "reciprocal": lambda L, x, y: L.m.reciprocal(x),
    "rsqrt": lambda L, x, y: L.m.rsqrt(x),
    "exp2": lambda L, x, y: L.m.exp2(x),
    "log2": lambda L, x, y: L.m.log2(x),
    "erf": lambda L, x, y: L.m.erf(x),
    "isposinf": lambda L, x, y: L.m.isposinf(x),
    "isreal": lambda L, x, y: L.m.isreal(x),
    "fmod": lambda L, x, y: L.m.fmod(x, y + 20),
    "fmod by a fraction": lambda L, x, y: L.m.fmod(x, 2.5),
    "true_divide": lambda L, x, y: L.m.true_divide(x, y),
    "copysign": lambda L, x, y: L.m.copysign(x, y),
    "xlogy": lambda L, x, y: L.m.xlogy(x, y),
    "xlogy by a number": lambda L, x, y: L.m.xlogy(x, 2),
    "fmax": lambda L, x, y: L.m.fmax(x, y),
    "fmax with fractions": lambda L, x, y: L.m.fmax(x, y / 2),
    "float_power": lambda L, x, y: L.m.float_power(x, y),
    "float_power of a number": lambda L, x, y: L.m.float_power(2, x),
    "addcmul": lambda L, x, y: L.m.addcmul(x, y, x, value=2),
    "heaviside": lambda L, x, y: L.m.heaviside(x, y),
    "gcd": lambda L, x, y: L.m.gcd(x, y),
    "lcm": lambda L, x, y: x.lcm(y),
    "<<": lambda L, x, y: x << 2,
    ">>": lambda L, x, y: x >> 1,
    "1 <<": lambda L, x, y: 1 << x.abs(),
    "shift left": lambda L, x, y: L.m.bitwise_left_shift(x, y.abs()),
    "shift right": lambda L, x, y: x.bitwise_right_shift(y.abs()),
    "shift out": lambda L, x, y: L.m.bitwise_right_shift(x, 100 * y.abs()),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_agree(name):
    """Values and dtypes of int64 and int32 inputs."""
    for dtype in (np.int64, np.int32):
        # "float32" for the limit: of integers these functions make float32
        compare(INTEGERS[name], [WHOLE.astype(dtype), WHOLE[::-1].astype(dtype).copy()], "float32", orders=0)


IN_PLACE: dict[str, tuple[Any, ...]] = {
    "exp2_": (), "log2_": (), "log10_": (), "reciprocal_": (), "rsqrt_": (), "sgn_": (), "trunc_": (), "fix_": (),
    "frac_": (), "ceil_": (), "round_": (), "nan_to_num_": (), "logit_": (), "true_divide_": (2.0,), "fmod_": (0.3,),
    "xlogy_": (2.0,), "copysign_": (-1.0,), "erf_": (), "erfinv_": (), "lgamma_": (), "digamma_": (), "sinc_": (),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_forms_agree(name):
    """The written tensor and the gradient that goes through the write."""

    def write(L: Any, x: Any) -> Any:
        y = x * 1
        assert getattr(y, name)(*IN_PLACE[name]) is y
        return y

    compare(write, [np.array([0.2, 0.45, 0.8])], "float64", orders=orders_of(name))


def test_in_place_forms_of_several_tensors_agree(rng):
    """lerp_, addcmul_, addcdiv_, heaviside_ and float_power_ write to the first."""
    x, y, z = (rng.uniform(0.5, 2, (2, 3)) for _ in range(3))
    compare(lambda L, x, y, z: (x * 1).lerp_(y, z), [x, y, z], "float64")
    compare(lambda L, x, y, z: (x * 1).addcmul_(y, z, value=2), [x, y, z], "float64")
    compare(lambda L, x, y, z: (x * 1).addcdiv_(y, z), [x, y, z], "float64")
    compare(lambda L, x, y, z: (x * 1).float_power_(y), [x, y, z], "float64")
    compare(lambda L, x, y, z: x.detach().clone().heaviside_(y.detach()), [x - 1, y, z], "float64")


REFUSED: dict[str, Callable[..., Any]] = {
    "addcdiv of integers": lambda m: m.addcdiv(m.ones(2), m.tensor([1, 2]), m.tensor([3, 4])),
    "lerp of two dtypes": lambda m: m.lerp(m.ones(2), m.ones(2, dtype=m.float64), 0.5),
    "lerp of integers": lambda m: m.lerp(m.tensor([1]), m.tensor([2]), 0.5),
    "heaviside of two dtypes": lambda m: m.heaviside(m.ones(2), m.tensor([1, 1])),
    "gcd of floats": lambda m: m.gcd(m.ones(2), m.ones(2)),
    "shift of floats": lambda m: m.bitwise_left_shift(m.ones(2), 1),
    "positive of truths": lambda m: m.positive(m.tensor([True])),
    "frac of integers": lambda m: m.frac(m.tensor([1])),
    "round of integers to places": lambda m: m.round(m.tensor([1]), decimals=1),
    "trunc of truths": lambda m: m.trunc(m.tensor([True])),
    "polygamma below 0": lambda m: m.polygamma(-1, m.ones(1)),
    "shapes that do not fit": lambda m: m.fmod(m.ones(2, 3), m.ones(2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused(name):
    """With RuntimeError, PyTorch's class for it, whose message names the operation."""
    with pytest.raises(RuntimeError):
        REFUSED[name](torch)
    with pytest.raises(RuntimeError, match=name.split()[0] if name.split()[0] in dir(tg) else ":"):
        REFUSED[name](tg)


def test_numpys_functions_keep_numpys_meaning():
    """np.f of a tensor: np.round has `decimals` second, np.heaviside gives NaN for NaN."""
    x = np.array([-1.25, 0.5, nan, inf])
    t = tg.tensor(x)
    for f in (np.trunc, np.ceil, np.rint, np.exp2, np.reciprocal, np.signbit, np.isposinf, np.nan_to_num, np.positive):
        assert_array_equal(numbers(f(t)), f(x))
    assert_array_equal(numbers(np.round(t, 1)), np.round(x, 1))
    assert_array_equal(numbers(np.nan_to_num(t, nan=2.0)), np.nan_to_num(x, nan=2.0))
    assert_array_equal(numbers(np.fmax(t, 0.0)), np.fmax(x, 0.0))


@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma 2", "polygamma 4", "sinc"])
def test_special_functions_agree_on_a_fine_grid(name):
    """To 1e-10 of the larger of 1 and the value (float64), 1e-5 (float32): also near poles, zeros and joints."""
    low, high = {"erf": (-6, 6), "erfc": (-6, 26), "erfinv": (-1, 1), "sinc": (-8, 8)}.get(name, (-9.97, 40))
    if name.startswith("polygamma"):
        low = 0.01  # PyTorch's series is for positive numbers
    word, *order = name.split()
    for dtype, limit in (("float64", 1e-10), ("float32", 1e-5)):
        x = np.linspace(low, high, 4001).astype(dtype)
        x = x[np.abs(x - np.round(x)) > 1e-3] if name in ("lgamma", "digamma") else x
        ours, theirs = (numbers(getattr(m, word)(*[int(n) for n in order], m.tensor(x))) for m in (tg, torch))
        exact = np.isfinite(theirs)
        assert_array_equal(ours[~exact], theirs[~exact])
        size = np.maximum(np.abs(theirs[exact]), 1)
        assert np.max(np.abs(ours[exact] - theirs[exact]) / size) < limit


def test_trigamma_meets_its_closed_forms():
    """pi**2 / 6 at 1, pi**2 / 2 at 1/2, and t(x) - t(x + 1) = 1 / x**2, to a few ulp."""
    x = tg.tensor(np.linspace(0.05, 30, 500), requires_grad=True)
    (t,) = tg.autograd.grad(tg.digamma(x).sum(), x)
    assert_allclose(t.numpy(), tg.polygamma(1, x.detach()).numpy(), rtol=0)
    step = tg.polygamma(1, x.detach() + 1).numpy() + 1 / x.detach().numpy() ** 2
    assert_allclose(t.numpy(), step, rtol=1e-14)  # measured: 1e-15
    known = tg.polygamma(1, tg.tensor([1.0, 0.5], dtype=tg.float64))
    assert_allclose(known.numpy(), [np.pi**2 / 6, np.pi**2 / 2], rtol=1e-15)


def test_polygamma_far_out():
    """0 at infinity, NaN at -infinity and NaN, infinite at 0."""
    found = tg.polygamma(2, tg.tensor([inf, -inf, nan, 0.0]))
    assert_array_equal(found.numpy(), np.array([0, nan, nan, -inf], np.float32))


def test_erfinv_next_to_one_agrees():
    """Relative 1e-14 (measured 3e-16) down to the last number below 1, where erf has no digits left."""
    gaps = np.geomspace(2**-53, 0.1, 300)
    z = np.concatenate([1 - gaps, gaps - 1, gaps * 1e-20])
    z = z[np.abs(z) < 1]
    ours, theirs = tg.erfinv(tg.tensor(z)).numpy(), torch.erfinv(torch.tensor(z)).numpy()
    assert_allclose(ours, theirs, rtol=1e-14)


def test_erf_in_single_precision():
    """Absolute 1.6e-7 (measured), relative 3.1e-7 of numbers that are not subnormal; at infinities and -0 exact."""
    x = np.concatenate([np.linspace(-9, 9, 100_001), np.geomspace(1e-37, 1, 1000), [inf, -inf, 1e30, -3e19]])
    x = x.astype(np.float32)
    found = tg.erf(tg.tensor(x)).numpy().astype(np.float64)
    exact = np.array([math.erf(v) for v in x])
    assert_allclose(found, exact, rtol=0, atol=1.6e-7)
    assert_allclose(found, exact, rtol=3.1e-7)
    ends = tg.erf(tg.tensor([-0.0, inf, -inf, nan])).numpy()
    assert_array_equal(ends, np.array([-0.0, 1, -1, nan], np.float32))
    assert np.signbit(ends[0])
