"""The operations against PyTorch: values, dtypes, gradients and second gradients, ties, kinks and odd inputs."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.nn import functional
from tinygrad_edu.ops import activation, choices, linalg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

FUNCTIONAL = SimpleNamespace(
    relu=activation.relu,
    leaky_relu=activation.leaky_relu,
    softplus=activation.softplus,
    softmax=activation.softmax,
    log_softmax=activation.log_softmax,
    sigmoid=activation.sigmoid,
    tanh=activation.tanh,
    linear=linalg.affine,
    mse_loss=functional.mse_loss,
    nll_loss=functional.nll_loss,
    cross_entropy=functional.cross_entropy,
    binary_cross_entropy=functional.binary_cross_entropy,
    binary_cross_entropy_with_logits=functional.binary_cross_entropy_with_logits,
)
assert choices.clamp is tg.clamp


class Library(NamedTuple):
    """One of the two: its functions, and how an ndarray becomes its tensor."""

    m: Any
    F: Any
    tensor: Callable[..., Any]

    def leaf(self, x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        t = self.tensor(x)
        return t.requires_grad_() if x.dtype.kind == "f" else t

    def grad(self, *args: Any, **kwargs: Any) -> Any:
        return self.m.autograd.grad(*args, allow_unused=True, **kwargs)


OURS = Library(tg, FUNCTIONAL, lambda x: tg.tensor(x))
THEIRS = Library(torch, torch.nn.functional, lambda x: torch.from_numpy(np.array(x)))

# --- the measure

LIMIT = {"float32": 1e-5, "float64": 1e-10}  # of the largest magnitude: some 80 ulp, and 450,000


def numbers(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(x.detach().numpy(force=True) if hasattr(x, "detach") else x)


def error(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    """Largest |difference| over largest magnitude; NaN and infinities must be in the same places."""
    finite = np.isfinite(theirs)
    if not np.array_equal(np.where(finite, 0, ours), np.where(finite, 0, theirs), equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    ours, theirs = ours[finite].astype(np.float64), theirs[finite].astype(np.float64)
    if not np.isfinite(ours).all():
        return math.inf
    scale = np.abs(theirs).max()
    return float(np.abs(ours - theirs).max() / scale) if scale else float(np.abs(ours).max())


def assert_same(ours: Any, theirs: Any, limit: float, what: str) -> None:
    """Shape, dtype and numbers; None only for None or zeros, which PyTorch may give instead."""
    if ours is None or theirs is None:
        known = theirs if ours is None else ours
        assert known is None or not numbers(known).any(), f"{what}: {ours} is not {theirs}"
        return
    if not hasattr(theirs, "dtype"):
        assert ours == theirs, what
        return
    assert tuple(ours.shape) == tuple(theirs.shape), what
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch."), what
    assert error(numbers(ours), numbers(theirs)) <= limit, (
        f"{what}: {error(numbers(ours), numbers(theirs)):.3g} > {limit}\nours {numbers(ours)}\ntheirs {numbers(theirs)}"
    )


def _floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def compare(function: Callable[..., Any], inputs: list[Any], dtype: str, orders: int = 2, seed: int = 0) -> None:
    """Values, then gradients by every floating input, then second gradients, along the same random cotangents."""
    rng = np.random.default_rng(seed)
    inputs = [x.astype(dtype) if _floating(x) else x for x in inputs]
    limit = LIMIT[dtype]
    libraries = (OURS, THEIRS)
    leaves = [[lib.leaf(x) for x in inputs] for lib in libraries]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's own, about broadcast targets and x.T
        results = [outputs(function(lib, *xs)) for lib, xs in zip(libraries, leaves, strict=True)]
        assert len(results[0]) == len(results[1])
        for i, (y, expected) in enumerate(zip(*results, strict=True)):
            assert_same(y, expected, limit, f"{dtype} output {i}")
        flags = [[getattr(y, "requires_grad", False) for y in ys] for ys in results]
        assert flags[0] == flags[1], f"requires_grad is {flags[0]}, PyTorch's {flags[1]}"
        if orders == 0 or not any(flags[0]):
            return
        cotangents = [rng.standard_normal(tuple(y.shape)).astype(dtype) for y in results[1]]
        directions = [rng.standard_normal(x.shape).astype(dtype) for x in inputs if _floating(x)]
        found = []
        for lib, xs, ys in zip(libraries, leaves, results, strict=True):
            wanted = [x for x in xs if getattr(x, "requires_grad", False)]
            sloped = [(y, lib.leaf(np.asarray(c))) for y, c in zip(ys, cotangents, strict=True) if y.requires_grad]
            firsts = lib.grad([y for y, _ in sloped], wanted, [c for _, c in sloped], create_graph=orders > 1)
            seconds: list[Any] = []
            if orders > 1:
                moving = [(d, u) for d, u in zip(firsts, directions, strict=False) if d is not None and d.requires_grad]
                if moving:
                    everything = [*wanted, *(c for _, c in sloped)]
                    seconds = lib.grad([d for d, _ in moving], everything, [lib.tensor(u) for _, u in moving])
            found.append((firsts, seconds))
    for i, (dX, expected) in enumerate(zip(found[0][0], found[1][0], strict=True)):
        assert_same(dX, expected, limit, f"{dtype} gradient {i}")
    pad = max(len(found[0][1]), len(found[1][1]))
    ours, theirs = ([*f[1], *[None] * (pad - len(f[1]))] for f in found)
    for i, (dX, expected) in enumerate(zip(ours, theirs, strict=True)):
        assert_same(dX, expected, 10 * limit, f"{dtype} second gradient {i}")  # a sum of several such terms


# --- inputs

RNG = np.random.default_rng(7)


def real(*shape: int) -> np.ndarray[Any, Any]:
    return np.asarray(RNG.standard_normal(shape))


def positive(*shape: int) -> np.ndarray[Any, Any]:
    return np.asarray(RNG.uniform(0.2, 2.0, shape))


def away(*shape: int) -> np.ndarray[Any, Any]:
    return np.asarray(RNG.uniform(0.3, 2.0, shape) * RNG.choice([-1.0, 1.0], shape))


def unit(*shape: int) -> np.ndarray[Any, Any]:
    return np.asarray(RNG.uniform(0.05, 0.95, shape))


def labels(count: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.asarray(RNG.integers(0, count, shape))


def exactly(*values: Any) -> np.ndarray[Any, Any]:
    return np.array(values[0] if len(values) == 1 else values)


nan, inf = math.nan, math.inf
ODD = exactly(-inf, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 30.0, inf, nan)
TIED = exactly([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -1.0, 0.0]])


class Row(NamedTuple):
    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    orders: int = 2  # of derivatives compared

    def __str__(self) -> str:
        return self.name


ROWS: list[Row] = []


def row(name: str, function: Callable[..., Any], *inputs: Any, orders: int = 2) -> None:
    ROWS.append(Row(name, function, inputs, orders))


SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "equal": ((2, 3), (2, 3)),
    "row": ((2, 3), (3,)),
    "outer": ((3, 1), (4,)),
    "0-d": ((), ()),
    "0-d-left": ((), (2, 3)),
    "0-d-right": ((2, 3), ()),
    "empty": ((0, 3), (3,)),
    "ones": ((1, 1), (1,)),
    "three-axes": ((2, 1, 3), (4, 1)),
}

BINARY: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "+": (lambda L, x, y: x + y, real, real),
    "-": (lambda L, x, y: x - y, real, real),
    "*": (lambda L, x, y: x * y, real, real),
    "/": (lambda L, x, y: x / y, real, away),
    "**": (lambda L, x, y: x**y, positive, real),
    "%": (lambda L, x, y: x % y, real, away),
    "add-alpha": (lambda L, x, y: L.m.add(x, y, alpha=2.5), real, real),
    "sub-alpha": (lambda L, x, y: x.sub(y, alpha=-0.5), real, real),
    "mul": (lambda L, x, y: L.m.mul(x, y), real, real),
    "multiply-method": (lambda L, x, y: x.multiply(y), real, real),
    "div": (lambda L, x, y: L.m.div(x, y), real, away),
    "divide": (lambda L, x, y: x.divide(y), real, away),
    "pow": (lambda L, x, y: L.m.pow(x, y), positive, real),
    "remainder": (lambda L, x, y: L.m.remainder(x, y), real, away),
    "maximum": (lambda L, x, y: L.m.maximum(x, y), real, real),
    "minimum": (lambda L, x, y: x.minimum(y), real, real),
    "max-of-two": (lambda L, x, y: L.m.max(x, y), real, real),
    "min-of-two": (lambda L, x, y: x.min(y), real, real),
    "logaddexp": (lambda L, x, y: L.m.logaddexp(x, y), real, real),
    "where": (lambda L, x, y: L.m.where(x > y, x, y * 2), real, real),
    "where-method": (lambda L, x, y: x.where(x < 0, y), real, real),
    "clamp-min-tensor": (lambda L, x, y: L.m.clamp(x, min=y), real, real),
    "clamp-max-tensor": (lambda L, x, y: x.clamp(max=y), real, real),
}
for _name, (_function, _left, _right) in BINARY.items():
    for _pattern, (_a, _b) in SHAPES.items():
        row(f"{_name}-{_pattern}", _function, _left(*_a), _right(*_b))

UNARY: dict[str, tuple[Callable[..., Any], Any]] = {
    "neg": (lambda L, x: -x, real),
    "negative": (lambda L, x: L.m.negative(x), real),
    "pos": (lambda L, x: +x, real),
    "abs": (lambda L, x: abs(x), real),
    "absolute": (lambda L, x: x.absolute(), real),
    "square": (lambda L, x: L.m.square(x), real),
    "exp": (lambda L, x: L.m.exp(x), real),
    "expm1": (lambda L, x: x.expm1(), real),
    "log": (lambda L, x: L.m.log(x), positive),
    "log1p": (lambda L, x: x.log1p(), positive),
    "sqrt": (lambda L, x: x.sqrt(), positive),
    "sin": (lambda L, x: L.m.sin(x), real),
    "cos": (lambda L, x: L.m.cos(x), real),
    "tanh": (lambda L, x: L.m.tanh(x), real),
    "sigmoid": (lambda L, x: L.m.sigmoid(x), real),
    "relu": (lambda L, x: L.m.relu(x), real),
    "F.relu": (lambda L, x: L.F.relu(x), real),
    "leaky_relu": (lambda L, x: L.F.leaky_relu(x), real),
    "leaky_relu-0.2": (lambda L, x: L.F.leaky_relu(x, 0.2), real),
    "leaky_relu-of-1.5": (lambda L, x: L.F.leaky_relu(x, negative_slope=1.5), real),
    "softplus": (lambda L, x: L.F.softplus(x), real),
    "softplus-beta": (lambda L, x: L.F.softplus(x, beta=3.0, threshold=2.0), real),
    "clamp": (lambda L, x: L.m.clamp(x, -0.5, 0.5), real),
    "clip": (lambda L, x: x.clip(min=-0.5), real),
    "clamp-max": (lambda L, x: x.clamp(max=0.25), real),
    "clamp_min": (lambda L, x: x.clamp_min(0.1), real),
    "clamp_max": (lambda L, x: L.m.clamp_max(x, 0.1), real),
    "floor": (lambda L, x: L.m.floor(x), real),
    "sign": (lambda L, x: x.sign(), real),
    "plus-number": (lambda L, x: x + 2, real),
    "number-minus": (lambda L, x: 2.5 - x, real),
    "times-number": (lambda L, x: 3 * x, real),
    "over-number": (lambda L, x: x / 3, real),
    "number-over": (lambda L, x: 2 / x, away),
    "squared": (lambda L, x: x**2, real),
    "cubed": (lambda L, x: x**3, real),
    "to-the-one": (lambda L, x: x**1, real),
    "to-the-zero": (lambda L, x: x**0, real),
    "inverse": (lambda L, x: x**-1, away),
    "root": (lambda L, x: x**0.5, positive),
    "pow-number": (lambda L, x: x.pow(1.7), positive),
    "number-to-the": (lambda L, x: 2.0**x, real),
    "integer-to-the": (lambda L, x: L.m.pow(3, x), real),
    "mod-number": (lambda L, x: x % 0.7, real),
    "number-mod": (lambda L, x: 5 % x.detach(), away),  # PyTorch has no derivative here
    "add-number-alpha": (lambda L, x: L.m.add(x, 2, alpha=3), real),
    "rdiv-chain": (lambda L, x: 1 / (1 + (-x).exp()), real),
    "clone": (lambda L, x: x.clone(), real),
    "double": (lambda L, x: x.double(), real),
    "to-float32": (lambda L, x: x.to(L.m.float32), real),
}
for _name, (_function, _domain) in UNARY.items():
    for _pattern, _shape in {"matrix": (2, 3), "0-d": (), "empty": (0, 3), "stack": (2, 1, 3)}.items():
        row(f"{_name}-{_pattern}", _function, _domain(*_shape))

# Kinks, borders, NaN and infinities. Where a derivative does not exist PyTorch has chosen one; so have we, the same.
SPECIAL: dict[str, Callable[..., Any]] = {
    "neg": lambda L, x: -x,
    "abs": lambda L, x: x[:11].abs(),  # of NaN: below
    "square": lambda L, x: x.square(),
    "exp": lambda L, x: x.exp(),
    "expm1": lambda L, x: x.expm1(),
    "log": lambda L, x: x.log(),
    "log1p": lambda L, x: x.log1p(),
    "sqrt": lambda L, x: x.sqrt(),
    "tanh": lambda L, x: x.tanh(),
    "sigmoid": lambda L, x: x.sigmoid(),
    "relu": lambda L, x: x.relu(),
    "leaky_relu": lambda L, x: L.F.leaky_relu(x, 0.1),
    "softplus": lambda L, x: L.F.softplus(x),
    "clamp": lambda L, x: x.clamp(-0.5, 0.5),
    "clamp-min": lambda L, x: x.clamp(min=0.5),
    "clamp-max": lambda L, x: x.clamp(max=0.5),
    "clamp-crossed": lambda L, x: x.clamp(0.5, -0.5),
    "sign": lambda L, x: x[:11].sign(),
    "floor": lambda L, x: x.floor(),
    "squared": lambda L, x: x**2,
    "cubed": lambda L, x: x**3,
    "to-the-one": lambda L, x: x**1,
    "to-the-zero": lambda L, x: x**0,
    "inverse": lambda L, x: x**-1,
    "root": lambda L, x: x[5:] ** 0.5,  # 0.0 and what follows: of -0.0 PyTorch has other infinities than C
    "power-1.5": lambda L, x: x[5:] ** 1.5,
    "two-to-the": lambda L, x: 2**x,
    "number-over": lambda L, x: 1 / x,
    "mod": lambda L, x: x % 0.75,
    "mod-negative": lambda L, x: x % -0.75,
    "maximum-0": lambda L, x: L.m.maximum(x, L.tensor(np.zeros((), numbers(x).dtype))),
    "softmax": lambda L, x: x[:9].softmax(0),
    "log_softmax": lambda L, x: x[:9].log_softmax(0),
    "logsumexp": lambda L, x: x[:9].logsumexp(0),
    "softmax-nan": lambda L, x: x.softmax(0),
    "log_softmax-nan": lambda L, x: x.log_softmax(0),
    "logsumexp-inf": lambda L, x: x[:11].logsumexp(0),
    "amax": lambda L, x: x.amax(),
    "amin": lambda L, x: x[:11].amin(0),
    "max": lambda L, x: x[:11].max(),
    "min": lambda L, x: x[:11].min(),
    "max-dim": lambda L, x: x.max(0)[0],
    "sum": lambda L, x: x[4:].sum(),
    "mean": lambda L, x: x[4:].mean(),
    "std": lambda L, x: x[1:10].std(),
    "where-guard": lambda L, x: L.m.where(x > 0, x.sqrt(), x),
    "isnan": lambda L, x: x.isnan(),
    "isinf": lambda L, x: x.isinf(),
    "isfinite": lambda L, x: x.isfinite(),
    "argmax": lambda L, x: x.argmax(),
    "argmin": lambda L, x: x[:11].argmin(),
}
for _name, _function in SPECIAL.items():
    row(f"{_name}-odd", _function, ODD)
_PAIRS = np.array([(a, b) for a in ODD for b in ODD])
for _name in ("+", "-", "*", "/", "**", "%", "maximum", "minimum", "logaddexp", "clamp-min-tensor", "clamp-max-tensor"):
    row(f"{_name}-odd", BINARY[_name][0], _PAIRS[:, 0], _PAIRS[:, 1], orders=1)
_ORDINARY = exactly(-2.0, -1.0, 0.0, 0.0, 1.0, 1.5, 2.0)
_SOME = np.array([(a, b) for a in _ORDINARY for b in _ORDINARY])
row("**-ties", BINARY["**"][0], _SOME[:, 0], _SOME[:, 1], orders=1)  # then PyTorch's second gradient is 0 or NaN
for _name in ("maximum", "minimum", "clamp-min-tensor", "clamp-max-tensor", "where"):
    row(f"{_name}-ties", BINARY[_name][0], _SOME[:, 0], _SOME[:, 1])
row("clamp-two-tensors", lambda L, x, a, b: L.m.clamp(x, a, b), _SOME[:, 0], _SOME[:, 1], _SOME[::-1, 1].copy())
row("clamp-two-tensors-broadcast", lambda L, x, a, b: x.clamp(a, b), real(3, 4), real(4), positive(3, 1))
row("zero-to-the-odd", lambda L, x: 0.0**x, ODD, orders=1)  # its second gradient is 0 here, NaN in PyTorch
row("where-untaken-branch", lambda L, x: L.m.where(x > 0, x.log(), 0 * x), exactly(-1.0, 0.0, 2.0))
row("where-numbers", lambda L, x: L.m.where(x > 0, 1.0, 0.0), real(5))
row("where-integers", lambda L, x: L.m.where(x > 0, 1, 0), real(5))
row("where-number-and-tensor", lambda L, x: L.m.where(x > 0, x, 0), real(5))
row("where-broadcast", lambda L, c, x, y: L.m.where(c, x, y), exactly([[True], [False]]), real(3), real(2, 1, 1))
row("where-inf", lambda L, x: L.m.where(x == 0, x * 0, 1 / x), exactly(0.0, 1.0, -2.0))

# --- reductions

DIMS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "all": ((3, 4, 5), {}),
    "first": ((3, 4, 5), {"dim": 0}),
    "last": ((3, 4, 5), {"dim": -1}),
    "middle-kept": ((3, 4, 5), {"dim": 1, "keepdim": True}),
    "two": ((3, 4, 5), {"dim": (0, 2)}),
    "two-negative-kept": ((3, 4, 5), {"dim": (-1, 0), "keepdim": True}),
    "list": ((2, 3), {"dim": [0, 1]}),
    "0-d": ((), {}),
    "0-d-dim": ((), {"dim": 0}),
    "0-d-dim-negative": ((), {"dim": -1, "keepdim": True}),
    "vector": ((5,), {"dim": 0}),
    "one-element": ((1, 1), {"dim": 1}),
    "empty-kept-axis": ((0, 3), {"dim": 1}),
}
REDUCTIONS: dict[str, Any] = {
    "sum": lambda L, x, **k: L.m.sum(x, **k),
    "mean": lambda L, x, **k: x.mean(**k),
    "amax": lambda L, x, **k: L.m.amax(x, **k),
    "amin": lambda L, x, **k: x.amin(**k),
    "var": lambda L, x, **k: L.m.var(x, **k),
    "std": lambda L, x, **k: x.std(**k),
    "var-biased": lambda L, x, **k: x.var(correction=0, **k),
    "std-biased": lambda L, x, **k: L.m.std(x, correction=0, **k),
    "var-less-2": lambda L, x, **k: x.var(correction=2, **k),
    "logsumexp": lambda L, x, **k: L.m.logsumexp(x, **k),
    "all": lambda L, x, **k: (x > 0).all(**k),
    "any": lambda L, x, **k: L.m.any(x > 0, **k),
}
for _name, _function in REDUCTIONS.items():
    for _pattern, (_shape, _words) in DIMS.items():
        if _name == "logsumexp" and "dim" not in _words:
            continue  # dim is required there
        _orders = 2
        if "var" in _name and math.prod(_shape) == 1:  # NaN, whose derivatives PyTorch calls 0, NaN or None
            _orders = 0 if _name == "var-less-2" else 1
        row(f"{_name}-{_pattern}", lambda L, x, f=_function, k=_words: f(L, x, **k), real(*_shape), orders=_orders)
for _name in ("max", "min", "argmax", "argmin"):
    for _pattern, (_shape, _words) in DIMS.items():
        if not isinstance(_words.get("dim", 0), int):
            continue  # one axis, or all
        row(f"{_name}-{_pattern}", lambda L, x, n=_name, k=_words: getattr(L.m, n)(x, **k), real(*_shape))
for _name in ("amax", "amin"):
    row(f"{_name}-ties", lambda L, x, n=_name: getattr(x, n)(), TIED)
    row(f"{_name}-ties-rows", lambda L, x, n=_name: getattr(x, n)(1), TIED)
    row(f"{_name}-ties-columns-kept", lambda L, x, n=_name: getattr(x, n)(0, True), TIED)
for _name in ("max", "min"):
    row(f"{_name}-ties", lambda L, x, n=_name: getattr(x, n)(), TIED)
    row(f"{_name}-ties-rows", lambda L, x, n=_name: getattr(x, n)(1), TIED)
    row(f"{_name}-ties-columns-kept", lambda L, x, n=_name: getattr(x, n)(0, keepdim=True), TIED)
    row(f"{_name}-values-and-indices", lambda L, x, n=_name: (lambda r: (r.values, r.indices))(getattr(x, n)(1)), TIED)
for _name in ("sum", "mean", "amax", "var", "std"):
    row(f"{_name}-of-dim-none-named", lambda L, x, n=_name: getattr(x.detach(), n)(dim=()), real(2, 3))
for _name in ("any", "all"):
    row(f"{_name}-over-no-axis", lambda L, x, n=_name: getattr(x > 0, n)(dim=()), real(2, 3))
row("sum-positional", lambda L, x: x.sum(1, True), real(2, 3))
row("sum-axis", lambda L, x: L.m.sum(x, axis=1, keepdims=True), real(2, 3))
row("sum-dtype", lambda L, x: x.sum(dtype=L.m.float64), real(2, 3))
row("mean-of-integers-in-a-dtype", lambda L, x: x.mean(dtype=L.m.float32), labels(5, 2, 3))
row("mean-axis", lambda L, x: x.mean(axis=(0, 1)), real(2, 3))
row("mean-of-nothing", lambda L, x: x.mean(), real(0, 3), orders=1)
row("mean-over-empty-axis", lambda L, x: x.mean(0), real(0, 3), orders=1)
row("sum-over-empty-axis", lambda L, x: x.sum(0), real(0, 3))
row("logsumexp-over-empty-axis", lambda L, x: x.logsumexp(0), real(0, 3), orders=0)
row("var-of-one", lambda L, x: x.var(), real(1), orders=1)
row("var-of-constant", lambda L, x: x.var(), exactly(2.0, 2.0, 2.0))
row("std-of-constant", lambda L, x: x.std(), exactly(2.0, 2.0, 2.0), orders=1)
row("std-of-one-unbiased", lambda L, x: x.std(correction=0), real(1), orders=1)
row("var-unbiased-positional", lambda L, x: x.var(False), real(5))
row("var-dim-unbiased-keepdim", lambda L, x: x.var(1, False, True), real(2, 3))
row("var-unbiased-keyword", lambda L, x: x.var(dim=0, unbiased=False), real(4, 3))
row("std-axis", lambda L, x: x.std(axis=0), real(4, 3))
row("logsumexp-axis", lambda L, x: x.logsumexp(axis=1, keepdims=True), real(4, 3))
row("logsumexp-large", lambda L, x: x.logsumexp(0), exactly(1000.0, 999.0, -1000.0))
row("logsumexp-all-minus-inf", lambda L, x: x.logsumexp(0), exactly(-inf, -inf), orders=0)
row("argmax-keepdim", lambda L, x: x.argmax(1, keepdim=True), TIED)
row("argmax-all-keepdim", lambda L, x: x.argmax(keepdim=True), TIED)
row("max-nan", lambda L, x: x.max(1).values, exactly([[1.0, nan, 2.0], [nan, 0.0, nan]]))
row("amax-nan", lambda L, x: x.amax(1), exactly([[1.0, nan, 2.0], [0.5, 0.0, 1.5]]))

# --- products

for _pattern, _pair in {
    "vectors": ((4,), (4,)),
    "matrices": ((2, 3), (3, 4)),
    "matrix-vector": ((2, 3), (3,)),
    "vector-matrix": ((3,), (3, 2)),
    "stacks": ((5, 2, 3), (5, 3, 4)),
    "stack-matrix": ((5, 2, 3), (3, 4)),
    "matrix-stack": ((2, 3), (5, 3, 4)),
    "broadcast-stacks": ((5, 1, 2, 3), (4, 3, 2)),
    "stack-vector": ((5, 2, 3), (3,)),
    "vector-stack": ((3,), (5, 3, 2)),
    "deep-stack-vector": ((2, 5, 2, 3), (3,)),
    "row-column": ((1, 3), (3, 1)),
    "empty-inside": ((2, 0), (0, 3)),
    "empty-outside": ((0, 3), (3, 2)),
    "empty-vectors": ((0,), (0,)),
}.items():
    row(f"@-{_pattern}", lambda L, a, b: a @ b, real(*_pair[0]), real(*_pair[1]))
    row(f"matmul-{_pattern}", lambda L, a, b: L.m.matmul(a, b), real(*_pair[0]), real(*_pair[1]))
row("@-itself", lambda L, a: a @ a, real(3, 3))
row("@-transpose", lambda L, a: a.T @ a, real(4, 3))
row("@-mT", lambda L, a: a @ a.mT, real(2, 4, 3))
row("mm", lambda L, a, b: L.m.mm(a, b), real(2, 3), real(3, 4))
row("mm-method", lambda L, a, b: a.mm(b), real(2, 3), real(3, 4))
row("dot", lambda L, a, b: L.m.dot(a, b), real(4), real(4))
row("dot-method", lambda L, a, b: a.dot(b), real(4), real(4))
row("matmul-integers", lambda L, a, b: a @ b, labels(9, 2, 3), labels(9, 3, 2))
row("linear", lambda L, x, w, b: L.F.linear(x, w, b), real(5, 3), real(2, 3), real(2))
row("linear-without-bias", lambda L, x, w: L.F.linear(x, w), real(5, 3), real(2, 3))
row("linear-one-sample", lambda L, x, w, b: L.F.linear(x, w, b), real(3), real(2, 3), real(2))
row("linear-stack", lambda L, x, w, b: L.F.linear(x, w, b), real(4, 5, 3), real(2, 3), real(2))
row("linear-no-samples", lambda L, x, w, b: L.F.linear(x, w, b), real(0, 3), real(2, 3), real(2))

# --- shapes

for _name, _function in {
    "reshape": lambda L, x: x.reshape(3, 4),
    "reshape-tuple": lambda L, x: L.m.reshape(x, (4, 3)),
    "reshape-minus-one": lambda L, x: x.reshape(-1, 2),
    "reshape-flat": lambda L, x: x.reshape(-1),
    "reshape-list": lambda L, x: x.reshape([12]),
    "reshape-of-transpose": lambda L, x: x.T.reshape(3, 4),
    "view": lambda L, x: x.view(4, -1),
    "view-tuple": lambda L, x: x.view((3, 4)),
    "flatten": lambda L, x: x.flatten(),
    "T": lambda L, x: x.T,
    "mT": lambda L, x: x.mT,
    "t": lambda L, x: x.t(),
    "transpose": lambda L, x: x.transpose(0, 1),
    "transpose-negative": lambda L, x: L.m.transpose(x, -1, -2),
    "swapaxes": lambda L, x: L.m.swapaxes(x, 0, 1),
    "permute": lambda L, x: x.permute(1, 0),
    "permute-tuple": lambda L, x: L.m.permute(x, (-1, 0)),
    "unsqueeze-0": lambda L, x: x.unsqueeze(0),
    "unsqueeze-1": lambda L, x: L.m.unsqueeze(x, 1),
    "unsqueeze-last": lambda L, x: x.unsqueeze(-1),
    "contiguous": lambda L, x: x.T.contiguous(),
    "expand": lambda L, x: x.expand(3, 2, 6),
    "expand-minus-one": lambda L, x: x.unsqueeze(1).expand(-1, 4, -1),
    "expand-tuple": lambda L, x: x.expand((2, 6)),
    "expand_as": lambda L, x: x[:, :1].expand_as(x),
    "cat-rows": lambda L, x: L.m.cat([x, x * 2]),
    "cat-columns": lambda L, x: L.m.cat((x, x[:, :1]), dim=1),
    "cat-negative": lambda L, x: L.m.cat([x, x], -1),
    "cat-with-empty-vector": lambda L, x: L.m.cat([x, L.m.zeros(0, dtype=x.dtype)]),
    "cat-three": lambda L, x: L.m.concatenate([x, x, x], 0),
    "concat": lambda L, x: L.m.concat([x], 0),
    "stack": lambda L, x: L.m.stack([x, -x]),
    "stack-last": lambda L, x: L.m.stack([x, x, x], dim=-1),
    "stack-middle": lambda L, x: L.m.stack((x, x), 1),
}.items():
    row(_name, _function, real(2, 6))
for _name, _function in {
    "flatten-from": lambda L, x: x.flatten(1),
    "flatten-some": lambda L, x: L.m.flatten(x, 0, 1),
    "flatten-negative": lambda L, x: x.flatten(-2, -1),
    "permute-three": lambda L, x: x.permute(2, 0, 1),
    "permute-negative": lambda L, x: x.permute(-1, -3, -2),
    "mT-stack": lambda L, x: x.mT,
    "transpose-outer": lambda L, x: x.transpose(0, 2),
    "squeeze": lambda L, x: x.squeeze(),
    "squeeze-1": lambda L, x: x.squeeze(1),
    "squeeze-not-one": lambda L, x: L.m.squeeze(x, 0),
    "squeeze-tuple": lambda L, x: x.squeeze((0, 1)),
    "squeeze-negative": lambda L, x: x.squeeze(-2),
    "squeeze-no-axes": lambda L, x: x.squeeze(()),
    "sum-transposed": lambda L, x: x.permute(2, 0, 1).sum(1),
}.items():
    row(_name, _function, real(2, 1, 3))
row("flatten-0-d", lambda L, x: x.flatten(), real())
row("reshape-0-d", lambda L, x: x.reshape(1, 1), real())
row("reshape-to-0-d", lambda L, x: x.reshape(()), real(1, 1))
row("reshape-empty", lambda L, x: x.reshape(3, -1), real(0, 6))
row("T-0-d", lambda L, x: x.t(), real())
row("t-vector", lambda L, x: x.t(), real(3))
row("squeeze-0-d", lambda L, x: x.squeeze(), real())
row("squeeze-0-d-dim", lambda L, x: x.squeeze(0), real())
row("unsqueeze-0-d", lambda L, x: x.unsqueeze(0), real())
row("expand-0-d", lambda L, x: x.expand(2, 3), real())
row("expand-empty", lambda L, x: x.expand(0, 3), real(1, 3))
row("transpose-0-d", lambda L, x: x.transpose(0, -1), real())
row("permute-0-d", lambda L, x: x.permute(()), real())
row("cat-types", lambda L, x, i: L.m.cat([x, i]), real(2, 3), labels(5, 2, 3))
row("cat-empty-axis", lambda L, x, y: L.m.cat([x, y]), real(0, 3), real(2, 3))
row("stack-0-d", lambda L, x, y: L.m.stack([x, y]), real(), real())
row("type_as", lambda L, x, i: i.type_as(x), real(2), labels(5, 3))
row("stack-types", lambda L, x, i: L.m.stack([x, i]), real(2), labels(5, 2))

# --- indexing

KEYS: dict[str, Any] = {
    "integer": lambda L: 1,
    "negative": lambda L: -1,
    "pair": lambda L: (1, 2),
    "all-three": lambda L: (1, 2, -1),
    "slice": lambda L: slice(1, 3),
    "beyond": lambda L: slice(2, 99),
    "none-taken": lambda L: slice(3, 1),
    "negative-slice": lambda L: (slice(-2, None), slice(None, -1)),
    "step": lambda L: (slice(None), slice(0, 5, 2)),
    "column": lambda L: (slice(None), 0),
    "ellipsis": lambda L: (..., 0),
    "ellipsis-middle": lambda L: (1, ..., slice(1)),
    "only-ellipsis": lambda L: ...,
    "new-axis": lambda L: None,
    "new-axes": lambda L: (slice(None), None, 2, None),
    "list": lambda L: [0, 2],
    "list-negative": lambda L: [-1, 0, -1],
    "tensor": lambda L: L.tensor(np.array([3, 0, 3])),
    "matrix-of-indices": lambda L: L.tensor(np.array([[3, 0], [1, 1]])),
    "0-d-tensor": lambda L: L.tensor(np.array(2)),
    "array": lambda L: np.array([1, 2]),
    "int32": lambda L: L.tensor(np.array([1, 2], np.int32)),
    "empty-list": lambda L: [],
    "two-tensors": lambda L: (L.tensor(np.array([3, 0])), L.tensor(np.array([1, 4]))),
    "two-broadcast": lambda L: (L.tensor(np.array([[3], [0]])), L.tensor(np.array([1, 4, 4]))),
    "tensor-and-slice": lambda L: (L.tensor(np.array([3, 0])), slice(1, 3)),
    "slice-and-tensor": lambda L: (slice(1, 3), L.tensor(np.array([3, 0, 0]))),
    "tensors-apart": lambda L: (L.tensor(np.array([3, 0])), slice(None), L.tensor(np.array([1, 2]))),
    "tensor-and-integer": lambda L: (L.tensor(np.array([3, 0])), 1),
    "integer-and-tensor": lambda L: (1, L.tensor(np.array([3, 0]))),
    "integer-slice-tensor": lambda L: (1, slice(None), L.tensor(np.array([2, 0]))),
    "tensor-slice-integer": lambda L: (L.tensor(np.array([2, 0])), slice(None), 1),
    "slice-tensor-integer": lambda L: (slice(None), L.tensor(np.array([2, 0])), 1),
    "integer-new-axis-tensor": lambda L: (1, None, L.tensor(np.array([2, 0]))),
    "0-d-slice-tensor": lambda L: (L.tensor(np.array(1)), slice(None), L.tensor(np.array([2, 0]))),
    "new-axis-tensor": lambda L: (None, L.tensor(np.array([2, 0]))),
    "tensor-new-axis": lambda L: (L.tensor(np.array([2, 0])), None),
    "mask-of-rows": lambda L: L.tensor(np.array([True, False, True, True])),
    "mask": lambda L: L.tensor(np.arange(20).reshape(4, 5) % 3 == 0),
    "mask-of-none": lambda L: L.tensor(np.zeros((4, 5), bool)),
    "mask-and-slice": lambda L: (L.tensor(np.array([True, False, True, True])), slice(1, 3)),
    "slice-and-mask": lambda L: (slice(None), L.tensor(np.array([True, False, True, True, False]))),
    "mask-and-integers": lambda L: (L.tensor(np.array([True, False, True, False])), L.tensor(np.array([0, 4]))),
    "list-mask": lambda L: [True, False, True, False],
    "range": lambda L: (range(2), [1, 2]),
    "true": lambda L: True,
}
for _name, _make in KEYS.items():
    row(f"getitem-{_name}", lambda L, x, k=_make: x[k(L)], real(4, 5, 3))
row("getitem-own-mask", lambda L, x: x[x > 0], real(4, 5))
row("getitem-logits", lambda L, x, i: x[range(4), i], real(4, 5), labels(5, 4))
row("getitem-rows-of-embedding", lambda L, x, i: x[i], real(4, 5), labels(4, 2, 3))
row("getitem-chain", lambda L, x: x[1:][:, 2][0], real(4, 5, 3))
row("getitem-iteration", lambda L, x: sum(r * k for k, r in enumerate(x)), real(4, 5))
row("getitem-0-d-mask", lambda L, x: x[x == x], real(3, 2))
for _name, _index, _dim in (
    ("rows", [[2, 0, 1], [0, 0, 1]], 1),
    ("columns", [[1, 0, 1]], 0),
    ("negative-dim", [[2], [0]], -1),
    ("broadcast", [[2, 2]], 1),
    ("repeated", [[1, 1, 1, 1], [0, 0, 0, 0]], 1),
):
    row(f"take_along_dim-{_name}", lambda L, x, i, d=_dim: L.m.take_along_dim(x, i, d), real(2, 3), exactly(_index))
row("take_along_dim-flat", lambda L, x, i: x.take_along_dim(i), real(2, 3), exactly([5, 0, 0]))
row("take_along_dim-keyword", lambda L, x, i: x.take_along_dim(i, dim=1), real(2, 3), exactly([[0], [2]]))

# --- softmax and losses

for _name in ("softmax", "log_softmax"):
    for _pattern, (_shape, _dim) in {
        "rows": ((4, 3), 1),
        "columns": ((4, 3), 0),
        "negative": ((2, 4, 3), -1),
        "middle": ((2, 4, 3), 1),
        "vector": ((5,), 0),
        "0-d": ((), 0),
        "one-class": ((3, 1), 1),
        "empty": ((0, 3), 1),
    }.items():
        row(f"{_name}-{_pattern}", lambda L, x, n=_name, d=_dim: getattr(L.m, n)(x, dim=d), real(*_shape))
    row(f"{_name}-large", lambda L, x, n=_name: getattr(x, n)(1), exactly([[1000.0, 0.0, -1000.0], [1e4, 1e4, 0.0]]))
    row(f"{_name}-F", lambda L, x, n=_name: getattr(L.F, n)(x, dim=1), real(4, 3))
    row(f"{_name}-dtype", lambda L, x, n=_name: getattr(L.F, n)(x, 1, dtype=L.m.float64), real(4, 3))
row("softmax-masked", lambda L, x: x.softmax(1), exactly([[1.0, -inf, 0.5], [-inf, 2.0, 1.0]]))
row("log_softmax-masked", lambda L, x: x.log_softmax(1)[:, 2], exactly([[1.0, -inf, 0.5], [-inf, 2.0, 1.0]]))

for _reduction in ("mean", "sum", "none"):
    _r = {"reduction": _reduction}
    row(f"mse-{_reduction}", lambda L, x, y, r=_r: L.F.mse_loss(x, y, **r), real(4, 3), real(4, 3))
    row(f"mse-broadcast-{_reduction}", lambda L, x, y, r=_r: L.F.mse_loss(x, y, **r), real(4, 1), real(3))
    row(f"mse-0-d-{_reduction}", lambda L, x, y, r=_r: L.F.mse_loss(x, y, **r), real(), real())
    row(f"bce-{_reduction}", lambda L, x, y, r=_r: L.F.binary_cross_entropy(x, y, **r), unit(4, 1), unit(4, 1))
    row(
        f"bce-weight-{_reduction}",
        lambda L, x, y, w, r=_r: L.F.binary_cross_entropy(x, y, weight=w.detach(), **r),
        unit(4, 3), unit(4, 3), positive(3),
    )  # fmt: skip
    row(
        f"bce-logits-{_reduction}",
        lambda L, x, y, r=_r: L.F.binary_cross_entropy_with_logits(x, y, **r),
        real(4, 3), unit(4, 3),
    )  # fmt: skip
    row(
        f"bce-logits-weights-{_reduction}",
        lambda L, x, y, w, p, r=_r: L.F.binary_cross_entropy_with_logits(x, y, w.detach(), pos_weight=p.detach(), **r),
        real(4, 3), unit(4, 3), positive(4, 1), positive(3),
    )  # fmt: skip
    row(
        f"bce-logits-pos_weight-{_reduction}",
        lambda L, x, y, p, r=_r: L.F.binary_cross_entropy_with_logits(x, y, pos_weight=p.detach(), **r),
        real(4, 3), unit(4, 3), positive(3),
    )  # fmt: skip
    row(
        f"bce-logits-weight-{_reduction}",
        lambda L, x, y, w, r=_r: L.F.binary_cross_entropy_with_logits(x, y, w.detach(), **r),
        real(4, 3), unit(4, 3), positive(3),
    )  # fmt: skip
    for _pattern, (_scores, _targets) in {
        "rows": ((5, 4), (5,)),
        "pixels": ((2, 4, 3), (2, 3)),
        "images": ((2, 4, 3, 2), (2, 3, 2)),
        "one": ((4,), ()),
        "no-samples": ((0, 4), (0,)),
    }.items():
        _labels = labels(4, *_targets)
        if _pattern == "no-samples" and _reduction == "mean":
            continue  # 0 / 0: below
        row(f"ce-{_pattern}-{_reduction}", lambda L, x, i, r=_r: L.F.cross_entropy(x, i, **r), real(*_scores), _labels)
        row(
            f"nll-{_pattern}-{_reduction}",
            lambda L, x, i, r=_r: L.F.nll_loss(x, i, **r), real(*_scores), _labels,
        )  # fmt: skip
        row(
            f"ce-smoothed-{_pattern}-{_reduction}",
            lambda L, x, i, r=_r: L.F.cross_entropy(x, i, label_smoothing=0.1, **r), real(*_scores), _labels,
        )  # fmt: skip
        if _targets:
            _labels = _labels.copy()
            _labels[:1] = -100
            row(
                f"ce-ignored-{_pattern}-{_reduction}",
                lambda L, x, i, r=_r: L.F.cross_entropy(x, i, **r), real(*_scores), _labels,
            )  # fmt: skip
            row(
                f"ce-ignore_index-{_pattern}-{_reduction}",
                lambda L, x, i, r=_r: L.F.cross_entropy(x, i, ignore_index=2, **r),
                real(*_scores), np.where(_labels < 0, 2, _labels),
            )  # fmt: skip
            row(
                f"nll-ignored-{_pattern}-{_reduction}",
                lambda L, x, i, r=_r: L.F.nll_loss(x, i, **r), real(*_scores), _labels,
            )  # fmt: skip
            row(
                f"ce-everything-{_pattern}-{_reduction}",
                lambda L, x, i, w, r=_r: L.F.cross_entropy(x, i, w.detach(), label_smoothing=0.3, **r),
                real(*_scores), _labels, positive(4),
            )  # fmt: skip
        row(
            f"ce-weight-{_pattern}-{_reduction}",
            lambda L, x, i, w, r=_r: L.F.cross_entropy(x, i, w.detach(), **r), real(*_scores), _labels, positive(4),
        )  # fmt: skip
        row(
            f"nll-weight-{_pattern}-{_reduction}",
            lambda L, x, i, w, r=_r: L.F.nll_loss(x, i, w.detach(), **r), real(*_scores), _labels, positive(4),
        )  # fmt: skip
        row(
            f"ce-probabilities-{_pattern}-{_reduction}",
            lambda L, x, y, r=_r: L.F.cross_entropy(x, y, **r), real(*_scores), unit(*_scores),
        )  # fmt: skip
        row(
            f"ce-probabilities-smoothed-weighted-{_pattern}-{_reduction}",
            lambda L, x, y, w, r=_r: L.F.cross_entropy(x, y, w.detach(), label_smoothing=0.2, **r),
            real(*_scores), unit(*_scores), positive(4),
        )  # fmt: skip
row("bce-borders", lambda L, x, y: L.F.binary_cross_entropy(x, y.detach()),
    exactly(0.0, 1.0, 0.0, 1.0), exactly(0.0, 0.0, 1.0, 1.0), orders=0)  # fmt: skip
row("bce-logits-large", lambda L, x, y: L.F.binary_cross_entropy_with_logits(x, y),
    exactly(-200.0, 200.0, 1000.0, 0.0), exactly(0.0, 0.0, 1.0, 0.5))  # fmt: skip
row("ce-large", lambda L, x, i: L.F.cross_entropy(x, i), exactly([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]]), exactly([2, 1]))
row("ce-all-ignored", lambda L, x, i: L.F.cross_entropy(x, i), real(2, 3), exactly([-100, -100]), orders=1)
row("ce-no-samples-mean", lambda L, x, i: L.F.cross_entropy(x, i), real(0, 3), labels(3, 0), orders=1)
row("mse-no-samples", lambda L, x, y: L.F.mse_loss(x, y), real(0, 3), real(0, 3), orders=1)
row("ce-masked-scores", lambda L, x, i: L.F.cross_entropy(x, i), exactly([[0.5, -inf, 1.0]]), exactly([2]), orders=1)

# --- operands by PyTorch's names, and NumPy's words for dim and keepdim

for _name, _function in {
    "lt": lambda L, x, y: L.m.lt(x, other=y),
    "gt-both": lambda L, x, y: L.m.gt(input=x, other=y),
    "le-method": lambda L, x, y: x.le(other=y),
    "mul": lambda L, x, y: L.m.mul(input=x, other=y),
    "remainder": lambda L, x, y: L.m.remainder(x, other=y),
    "sub": lambda L, x, y: L.m.sub(input=x, other=y, alpha=2),
    "sub-method": lambda L, x, y: x.sub(other=y),
    "div": lambda L, x, y: x.div(other=y),
    "pow": lambda L, x, y: L.m.pow(input=y, exponent=2),
    "maximum": lambda L, x, y: L.m.maximum(input=x, other=y),
    "max-other": lambda L, x, y: L.m.max(x, other=y),
    "max-dim": lambda L, x, y: L.m.max(input=x, dim=1)[0],
    "exp": lambda L, x, y: L.m.exp(input=x),
    "sum": lambda L, x, y: L.m.sum(input=x, dim=0, keepdim=True),
    "matmul": lambda L, x, y: L.m.matmul(input=x, other=y.T),
    "mm": lambda L, x, y: L.m.mm(input=x, mat2=y.T),
    "cat": lambda L, x, y: L.m.cat(tensors=[x, y], dim=1),
    "where": lambda L, x, y: L.m.where(condition=x > 0, input=x, other=y),
    "transpose": lambda L, x, y: L.m.transpose(input=x, dim0=0, dim1=1),
    "reshape": lambda L, x, y: L.m.reshape(input=x, shape=(3, 2)),
    "permute": lambda L, x, y: L.m.permute(input=x, dims=(1, 0)),
    "expand": lambda L, x, y: x.expand(size=(2, 2, 3)),
    "softmax-axis": lambda L, x, y: x.softmax(axis=1) if L is OURS else x.softmax(1),  # PyTorch has dim alone there
    "sum-axis": lambda L, x, y: x.sum(axis=0, keepdims=True),
    "cat-axis": lambda L, x, y: L.m.cat([x, y], axis=1),
    "concatenate-axis": lambda L, x, y: L.m.concatenate([x, y], axis=0),
    "argmax-axis": lambda L, x, y: L.m.argmax(x, axis=0),
    "amax-axis": lambda L, x, y: x.amax(axis=(0, 1), keepdims=True),
    "squeeze-axis": lambda L, x, y: x[:1].squeeze(axis=0),
    "add-in-place": lambda L, x, y: x.clone().add_(other=y),
}.items():
    row(f"named-{_name}", _function, real(2, 3), away(2, 3))

# --- whole expressions

row("network", lambda L, X, W, b, V: ((X @ W.T + b).tanh() @ V).sigmoid().log().mean(),
    real(5, 3), real(4, 3), real(4), real(4, 1))  # fmt: skip
row("layer-norm", lambda L, x: (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt(),
    real(4, 6))  # fmt: skip
row("attention", lambda L, q, k, v: (q @ k.transpose(-1, -2) / 3**0.5).softmax(-1) @ v,
    real(2, 4, 3), real(2, 5, 3), real(2, 5, 2))  # fmt: skip
row("pairwise", lambda L, x: ((x[:, None] - x[None]) ** 2).sum(-1), real(4, 3))
row("used-often", lambda L, x: x * x + x.sum() * x - x[0] * x.T.reshape(3, 3), real(3, 3))


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_operation_is_pytorchs(case):
    """Same values, shapes, dtypes and derivatives; in float32 the first derivative is the last compared."""
    compare(case.function, list(case.inputs), "float64", case.orders)
    compare(case.function, list(case.inputs), "float32", min(case.orders, 1))


def test_rows_have_names_of_their_own():
    """No two rows print alike, so a failure names one."""
    names = [r.name for r in ROWS]
    assert sorted(names) == sorted(set(names))


def test_gradient_of_binary_cross_entropy_at_its_borders():
    """At a probability of exactly 0 or 1 the gradient is finite, by PyTorch's constant, which is a float32."""
    p, y = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    compare(lambda L, a, b: L.F.binary_cross_entropy(a, b.detach()), [p, y], "float32", orders=1)


NOT_PYTORCHS: dict[str, tuple[Callable[..., Any], Any, list[float], list[float]]] = {
    # PyTorch's sign of NaN is 0, and so its gradient of abs there: here a NaN stays one, so that it is found
    "abs-of-nan": (lambda L, x: x.abs(), exactly(nan, -1.0), [nan, -1.0], [0.0, -1.0]),
    # PyTorch's max() alone looks for NaN in its gradient; amax, which is the same value, does as we do
    "max-of-nan": (lambda L, x: x.max(), exactly(nan, 1.0), [nan, nan], [1.0, 0.0]),
}


@pytest.mark.parametrize("name", NOT_PYTORCHS)
def test_gradients_that_differ_from_pytorchs(name):
    """The few inputs where another gradient is given, with both; a change on either side is noticed."""
    function, x, ours, theirs = NOT_PYTORCHS[name]
    for lib, expected in ((OURS, ours), (THEIRS, theirs)):
        leaf = lib.leaf(x)
        function(lib, leaf).sum().backward()
        np.testing.assert_array_equal(numbers(leaf.grad), expected)


# --- type promotion

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")
OPERANDS: dict[str, Any] = {f"{d}-{k}": np.ones((2,) * k, d) for d in DTYPES for k in (0, 1)}
OPERANDS |= {"bool": True, "int": 2, "float": 1.5}  # Python's own
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": lambda L, a, b: a + b,
    "-": lambda L, a, b: a - b,
    "*": lambda L, a, b: a * b,
    "/": lambda L, a, b: a / b,
    "**": lambda L, a, b: a**b,
    "//": lambda L, a, b: a // b,
    "%": lambda L, a, b: a % b,
    "<": lambda L, a, b: a < b,
    "==": lambda L, a, b: a == b,
    "&": lambda L, a, b: a & b,
    "maximum": lambda L, a, b: L.m.maximum(a, b),
    "where": lambda L, a, b: L.m.where(L.tensor(np.array([True, False])), a, b),
    "clamp": lambda L, a, b: L.m.clamp(a, min=b),
    "cat": lambda L, a, b: L.m.cat([a.reshape(-1), b.reshape(-1)]),
    "logaddexp": lambda L, a, b: L.m.logaddexp(a, b),
    "eq": lambda L, a, b: L.m.eq(a, b),
    "div-floor": lambda L, a, b: L.m.div(a, b, rounding_mode="floor"),
    "div-trunc": lambda L, a, b: L.m.div(a, b, rounding_mode="trunc"),
}


def attempt(function: Callable[..., Any]) -> Any:
    """The result, or what was raised."""
    try:
        with np.errstate(all="ignore"):
            return function()
    except (RuntimeError, TypeError, AttributeError, NotImplementedError) as raised:
        return raised


# What PyTorch refuses and we answer, because the answer is plain
LENIENT = (
    r"(bool|int|float) .* .*",  # a Python number first, in a function
    r".* (maximum|logaddexp) (bool|int|float)",  # or second, where PyTorch has a tensor only
    r".* logaddexp .*",  # of integers and booleans
    r"bool-. clamp bool",
    r".* - bool",  # a tensor less Python's True
)
STRICT = (r"bool-. \*\* bool",)  # and the other way round: a boolean power of booleans


@pytest.mark.parametrize("left", OPERANDS)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_types_promote_as_pytorchs(name, left):
    """Result dtype and numbers for all pairs of dtypes, with axes, 0-d, and Python's numbers; or both refuse."""
    function = ARITHMETIC[name]
    faults = []
    for right, value in OPERANDS.items():
        if not isinstance(OPERANDS[left], np.ndarray) and not isinstance(value, np.ndarray):
            continue
        ours, theirs = (
            attempt(lambda lib=lib, b=value: function(lib, *(_operand(lib, x) for x in (OPERANDS[left], b))))
            for lib in (OURS, THEIRS)
        )
        if isinstance(theirs, Exception) and isinstance(ours, Exception):
            continue
        if isinstance(theirs, Exception) and any(re.fullmatch(p, f"{left} {name} {right}") for p in LENIENT):
            continue
        if isinstance(ours, Exception) and any(re.fullmatch(p, f"{left} {name} {right}") for p in STRICT):
            continue
        refused = isinstance(ours, Exception) or isinstance(theirs, Exception)
        if refused or f"torch.{ours.dtype}" != str(theirs.dtype) or not np.array_equal(numbers(ours), numbers(theirs)):
            faults.append(f"{left} {name} {right}: {ours!r}, PyTorch: {theirs!r}")
    assert faults == []


def _operand(lib: Library, x: Any) -> Any:
    return lib.tensor(x) if isinstance(x, np.ndarray) else x


OF_ONE: dict[str, Callable[..., Any]] = {
    "neg": lambda L, x: -x,
    "abs": lambda L, x: x.abs(),
    "square": lambda L, x: x.square(),
    "exp": lambda L, x: x.exp(),
    "log": lambda L, x: x.log(),
    "sqrt": lambda L, x: x.sqrt(),
    "tanh": lambda L, x: x.tanh(),
    "sigmoid": lambda L, x: x.sigmoid(),
    "relu": lambda L, x: x.relu(),
    "floor": lambda L, x: x.floor(),
    "sign": lambda L, x: x.sign(),
    "sum": lambda L, x: x.sum(),
    "sum-dim": lambda L, x: x.sum(0),
    "mean": lambda L, x: x.mean(),
    "var": lambda L, x: x.var(),
    "std": lambda L, x: x.std(),
    "amax": lambda L, x: x.amax(),
    "max": lambda L, x: x.max(),
    "min-dim": lambda L, x: x.min(0)[0],
    "argmax": lambda L, x: x.argmax(),
    "logsumexp": lambda L, x: x.logsumexp(0),
    "softmax": lambda L, x: x.softmax(0),
    "log_softmax": lambda L, x: x.log_softmax(0),
    "all": lambda L, x: x.all(),
    "any": lambda L, x: x.any(),
    "isnan": lambda L, x: x.isnan(),
    "isfinite": lambda L, x: x.isfinite(),
    "invert": lambda L, x: ~x,
    "logical_not": lambda L, x: x.logical_not(),
    "float": lambda L, x: x.float(),
    "double": lambda L, x: x.double(),
    "long": lambda L, x: x.long(),
    "int": lambda L, x: x.int(),
    "short": lambda L, x: x.short(),
    "bool": lambda L, x: x.bool(),
    "clamp": lambda L, x: x.clamp(0, 1),
    "leaky_relu": lambda L, x: L.F.leaky_relu(x),
    "softplus": lambda L, x: L.F.softplus(x),
    "matmul": lambda L, x: x @ x,
    "square-power": lambda L, x: x**2,
    "item": lambda L, x: x.sum().item(),
    "tolist": lambda L, x: x.tolist(),
    "zeros_like": lambda L, x: L.m.zeros_like(x),
    "full_like": lambda L, x: L.m.full_like(x, 1),
    "new_zeros": lambda L, x: x.new_zeros(2, 3),
    "new_ones": lambda L, x: x.new_ones((2,)),
    "new_full": lambda L, x: x.new_full((2,), 1),
    "new_tensor": lambda L, x: x.new_tensor([0, 1]),
    "mse": lambda L, x: L.F.mse_loss(x, x),
    "cross_entropy": lambda L, x: L.F.cross_entropy(x, L.tensor(np.array(1))),
    "bce": lambda L, x: L.F.binary_cross_entropy(x * 0, x * 0),
    "requires_grad": lambda L, x: x.clone().requires_grad_().requires_grad,
}


ANSWERED = {"abs-bool", "floor-bool", "matmul-bool"}  # where we answer and PyTorch refuses


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OF_ONE)
def test_types_of_one_operand_are_pytorchs(name, dtype):
    """Each operation on each dtype gives PyTorch's dtype and numbers, or refuses as PyTorch does."""
    x = np.array([1, 0, 3]).astype(dtype)
    ours, theirs = (attempt(lambda lib=lib: OF_ONE[name](lib, lib.tensor(x))) for lib in (OURS, THEIRS))
    row = f"{name}-{dtype}"
    if isinstance(theirs, Exception):
        # PyTorch raises NotImplementedError where it means that it will not: users catch RuntimeError
        expected = RuntimeError if isinstance(theirs, NotImplementedError) else type(theirs)
        assert isinstance(ours, expected) != (row in ANSWERED), ours
    else:
        assert not isinstance(ours, Exception), ours
        assert_same(ours, theirs, LIMIT.get(str(getattr(ours, "dtype", "")), 0.0), name)
