"""Activations against PyTorch: functions and modules, in place too, at kinks, and their text."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from ..ops.test_ops_torch import compare, inf, nan  # noqa: E402  # that file skips itself where PyTorch is absent

KINKS = np.array([-30.0, -6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 30.0])
SHAPES = ((2, 4), (), (0, 4), (1, 1), (2, 3, 4))

Module = Callable[[Any], Any]

# the module; at which orders KINKS are compared, and whether PyTorch's value at infinity is compared too
ELEMENTWISE: dict[str, tuple[Module, int, bool]] = {
    "LogSigmoid": (lambda nn: nn.LogSigmoid(), 1, True),
    "ELU": (lambda nn: nn.ELU(), 2, True),
    "ELU of 0.3": (lambda nn: nn.ELU(0.3), 2, True),
    "SELU": (lambda nn: nn.SELU(), 2, True),
    "CELU": (lambda nn: nn.CELU(), 1, True),
    "CELU of 2": (lambda nn: nn.CELU(alpha=2.0), 1, True),
    "GELU": (lambda nn: nn.GELU(), 1, False),
    "GELU by tanh": (lambda nn: nn.GELU("tanh"), 1, False),
    "SiLU": (lambda nn: nn.SiLU(), 1, False),
    "Mish": (lambda nn: nn.Mish(), 1, False),
    "Hardtanh": (lambda nn: nn.Hardtanh(), 2, True),
    "Hardtanh of two": (lambda nn: nn.Hardtanh(-0.5, 3.0), 2, True),
    "ReLU6": (lambda nn: nn.ReLU6(), 2, True),
    "Hardsigmoid": (lambda nn: nn.Hardsigmoid(), 1, True),
    "Hardswish": (lambda nn: nn.Hardswish(), 1, False),
    "Softsign": (lambda nn: nn.Softsign(), 1, False),
    "Tanhshrink": (lambda nn: nn.Tanhshrink(), 1, True),
    "Hardshrink": (lambda nn: nn.Hardshrink(), 2, True),
    "Hardshrink of 1": (lambda nn: nn.Hardshrink(1.0), 2, True),
    "Softshrink": (lambda nn: nn.Softshrink(), 2, True),
    "Softshrink of 3": (lambda nn: nn.Softshrink(3.0), 2, True),
    "Threshold": (lambda nn: nn.Threshold(0.5, -7.0), 2, True),
    "PReLU": (lambda nn: nn.PReLU(), 1, False),
    "Softplus": (lambda nn: nn.Softplus(2.0, 5.0), 1, True),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(0.2), 2, True),
}
IN_PLACE = ("ELU", "SELU", "CELU", "SiLU", "Mish", "Hardtanh", "ReLU6", "Hardsigmoid", "Hardswish", "LeakyReLU", "ReLU")


def orders_of(name: str, dtype: str = "float64") -> int:
    """PyTorch has no second derivative of hardsigmoid, and rounds the 1/6 of the first to float32."""
    return int(dtype == "float32") if name.lower() == "hardsigmoid" else 2


def doubled(module: Any, dtype: Any) -> Any:
    return module.double() if dtype == "float64" else module


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_modules_agree(name, dtype, rng):
    """Value, gradient and second gradient over shapes, at kinks and NaN; values at infinity."""
    make, orders, infinite = ELEMENTWISE[name]

    def function(L: Any, x: Any) -> Any:
        return doubled(make(L.m.nn), dtype)(x)

    for shape in SHAPES:
        compare(function, [np.asarray(1.5 * rng.standard_normal(shape))], dtype, orders=orders_of(name, dtype))
    compare(function, [KINKS], dtype, orders=min(orders, orders_of(name, dtype)))
    compare(function, [np.array([nan])], dtype, orders=orders_of(name, dtype) // 2)
    if infinite:
        compare(function, [np.array([-inf, inf])], dtype, orders=0)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_activations_agree(name, rng):
    """The input holds the result, and the gradient goes through the write to what it was computed from."""

    def function(L: Any, x: Any) -> Any:
        y = x * 1
        result = getattr(L.m.nn, name)(inplace=True)(y)
        assert result is y
        return y

    compare(function, [3 * rng.standard_normal((3, 4))], "float64", orders=orders_of(name))


def test_threshold_in_place_agrees(rng):
    """As above; PyTorch's Threshold takes its two numbers first."""
    compare(lambda L, x: L.m.nn.Threshold(0.1, 2.0, inplace=True)(x * 1), [rng.standard_normal((3, 4))], "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prelu_agrees(dtype, rng):
    """One weight or one per channel, for 1 to 4 axes; the weight's gradient too."""

    def function(L: Any, x: Any, w: Any) -> Any:
        return L.m.nn.functional.prelu(x, w)

    for shape, count in [((5,), 1), ((2, 3), 3), ((2, 3, 4), 3), ((2, 3, 4, 2), 3), ((2, 3, 4), 1), ((0, 3), 3)]:
        compare(function, [rng.standard_normal(shape), rng.uniform(0, 1, count)], dtype)
    compare(function, [np.array(-1.5), np.array([0.25])], dtype)
    compare(function, [KINKS, np.array([0.25])], dtype, orders=1)
    compare(lambda L, x, w: L.m.prelu(x, w), [rng.standard_normal((2, 3)), np.array(0.5)], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4,), (2, 4), (4, 6, 2), (0, 4)])
def test_activations_along_an_axis_agree(shape, dtype, rng):
    """GLU and Softmin along every axis, counted from either end."""
    for dim in range(-len(shape), len(shape)):
        x = rng.standard_normal(shape)
        compare(lambda L, x, d=dim: L.m.nn.GLU(d)(x), [x], dtype)
        compare(lambda L, x, d=dim: L.m.nn.Softmin(d)(x), [x], dtype)
    compare(lambda L, x: L.m.nn.functional.softmin(x, -1, dtype=L.m.float64), [rng.standard_normal(shape)], dtype)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "elu": lambda F, x: F.elu(x, 0.5),
    "selu": lambda F, x: F.selu(x),
    "celu": lambda F, x: F.celu(x, alpha=0.5),
    "gelu": lambda F, x: F.gelu(x, approximate="tanh"),
    "silu": lambda F, x: F.silu(x),
    "mish": lambda F, x: F.mish(x),
    "hardtanh": lambda F, x: F.hardtanh(x, min_val=-0.5, max_val=0.25),
    "hardsigmoid": lambda F, x: F.hardsigmoid(x),
    "hardswish": lambda F, x: F.hardswish(x),
    "relu6": lambda F, x: F.relu6(x),
    "softsign": lambda F, x: F.softsign(x),
    "tanhshrink": lambda F, x: F.tanhshrink(x),
    "hardshrink": lambda F, x: F.hardshrink(x, lambd=0.3),
    "softshrink": lambda F, x: F.softshrink(x, lambd=0.3),
    "threshold": lambda F, x: F.threshold(x, threshold=0.2, value=0.7),
    "logsigmoid": lambda F, x: F.logsigmoid(x),
    "glu": lambda F, x: F.glu(x, dim=1),
    "softmin": lambda F, x: F.softmin(x, dim=0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_pytorchs_arguments(name, rng):
    """nn.functional's names and keywords."""
    compare(
        lambda L, x: FUNCTIONS[name](L.m.nn.functional, x), [rng.standard_normal((3, 4))], "float64", orders_of(name)
    )


def test_functions_of_the_library_itself_agree(rng):
    """torch.celu, selu, threshold, prelu, hardshrink and logit stand beside those of nn.functional."""
    x, p = rng.standard_normal((3, 4)), rng.uniform(0.1, 0.9, (3, 4))
    compare(lambda L, x: L.m.celu(x, 0.5), [x], "float64")
    compare(lambda L, x: L.m.selu(x), [x], "float64")
    compare(lambda L, x: L.m.threshold(x, 0.1, 3.0), [x], "float64")
    compare(lambda L, x: L.m.hardshrink(x, 0.7) + x.hardshrink(), [x], "float64")
    compare(lambda L, x: x.prelu(L.tensor(np.array([0.3]))), [x], "float64")
    compare(lambda L, p: L.m.logit(p) + p.logit(eps=0.3), [p], "float64")


def test_integers_as_pytorch_takes_them():
    """hardtanh, relu6 and threshold keep integers; softsign and tanhshrink make float32 of them."""
    x = np.array([-4, -1, 0, 1, 2, 7])
    for function in (
        lambda F, x: F.relu6(x),
        lambda F, x: F.hardtanh(x, -1.5, 1.5),
        lambda F, x: F.threshold(x, 0.5, 2.7),
        lambda F, x: F.softsign(x),
        lambda F, x: F.tanhshrink(x),
    ):
        compare(lambda L, x, f=function: f(L.m.nn.functional, x), [x], "float32", orders=0)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "elu": lambda m: m.nn.functional.elu(m.tensor([1, 2])),
    "gelu": lambda m: m.nn.functional.gelu(m.ones(2), approximate="erf"),
    "silu": lambda m: m.nn.functional.silu(m.tensor([1, 2])),
    "mish": lambda m: m.nn.functional.mish(m.tensor([1, 2])),
    "hardswish": lambda m: m.nn.functional.hardswish(m.tensor([1, 2])),
    "logsigmoid": lambda m: m.nn.functional.logsigmoid(m.tensor([1, 2])),
    "celu": lambda m: m.nn.functional.celu(m.ones(2), 0.0),
    "softshrink": lambda m: m.nn.functional.softshrink(m.ones(2), -1.0),
    "hardtanh": lambda m: m.nn.functional.hardtanh(m.ones(2), 2.0, 1.0),
    "glu": lambda m: m.nn.functional.glu(m.ones(2, 3)),
    "glu ": lambda m: m.nn.functional.glu(m.tensor(1.0)),
    "glu: Dimension out of range": lambda m: m.nn.functional.glu(m.ones(2), 1),
    "prelu": lambda m: m.nn.functional.prelu(m.ones(2, 3), m.ones(2)),
    "prelu: Expected": lambda m: m.nn.functional.prelu(m.ones(2, 3), m.ones(1, 3)),
    "prelu: Type promoting": lambda m: m.nn.functional.prelu(m.ones(2, 3), m.ones(1, dtype=m.float64)),
    "prelu: Not allow": lambda m: m.nn.functional.prelu(m.tensor(1.0), m.ones(2)),
    "leaf": lambda m: m.nn.functional.elu(m.ones(2, requires_grad=True), inplace=True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused(name):
    """By an exception that is PyTorch's class as well, and names the function."""
    with pytest.raises((RuntimeError, ValueError, IndexError)) as theirs:
        REFUSED[name](torch)
    kind = RuntimeError if isinstance(theirs.value, RuntimeError) else type(theirs.value)
    with pytest.raises(kind, match=name.strip()):
        REFUSED[name](tg)


TEXTS: list[Module] = [
    *(make for make, _, _ in ELEMENTWISE.values()),
    *(lambda nn, n=name: getattr(nn, n)(inplace=True) for name in IN_PLACE),
    lambda nn: nn.Threshold(0.1, 2, inplace=True),
    lambda nn: nn.GLU(),
    lambda nn: nn.Softmin(),
    lambda nn: nn.Softmin(dim=1),
    lambda nn: nn.PReLU(3, init=0.1),
]


@pytest.mark.parametrize(
    "name", [*IN_PLACE, "GELU", "Hardshrink", "Softshrink", "Threshold", "GLU", "PReLU", "Softmin", "Softplus"]
)
def test_modules_are_made_from_pytorchs_arguments(name):
    """Names, order and defaults."""

    def shape(cls: Any) -> list[Any]:
        return [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]

    assert shape(getattr(tg.nn, name)) == shape(getattr(torch.nn, name))


def test_modules_print_as_pytorchs():
    """repr agrees byte for byte, inplace included."""
    assert [repr(make(tg.nn)) for make in TEXTS] == [repr(make(torch.nn)) for make in TEXTS]


def test_prelu_has_one_parameter_of_pytorchs_name():
    """`weight`, filled with init, so that checkpoints fit."""
    ours, theirs = tg.nn.PReLU(3, init=0.1), torch.nn.PReLU(3, init=0.1)
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    assert ours.weight.tolist() == theirs.weight.tolist()


def test_former_names_of_hardtanhs_limits_warn():
    """min_value and max_value still work, with PyTorch's FutureWarning."""
    for nn in (tg.nn, torch.nn):
        with pytest.warns(FutureWarning, match="min_value"):
            layer = nn.Hardtanh(min_value=-2.0)
        assert (layer.min_val, layer.max_val) == (-2.0, 1.0)
