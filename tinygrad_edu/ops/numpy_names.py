"""NumPy's functions that PyTorch has not, or has under another name: compositions of the rule book.

They have NumPy's meaning, and are written in NumPy's own words, which are answered on Tensors and
Symbols: so each is differentiated as often as what it is made of.

Here elementwise functions, choices and products; the others in numpy_parts.py, numpy_statistics.py and
numpy_polynomials.py, and those whose results have no gradient in numpy_values.py. Functions that both
libraries have are answered beside their primitive.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.primitive import answers, primitive
from .conversion import astype
from .elementwise import absolute, floor_divide, power, remainder
from .rounding import round, trunc
from .trigonometry import deg2rad, rad2deg

# --- elementwise


@primitive(np.cbrt, dZ=lambda dA, A, Z: dA / (3 * A**2))
def cbrt(Z: Any) -> Any:
    """A = Z**(1/3), of negative numbers too; the derivative at 0 is infinite."""
    return np.cbrt(Z)


answers(np.degrees)(rad2deg)
answers(np.radians)(deg2rad)
answers(np.fabs)(absolute)
answers(np.float_power)(power)
answers(np.fix)(trunc)


@answers(np.around)
def _np_around(a: Any, decimals: int = 0) -> Any:
    return round(a, decimals=decimals)


@answers(np.divmod)
def _np_divmod(x1: Any, x2: Any) -> Any:
    return floor_divide(x1, x2), remainder(x1, x2)


@answers(np.modf)
def _np_modf(x: Any) -> Any:
    return x - trunc(x), trunc(x)


@answers(np.real, np.conjugate, np.real_if_close)  # all numbers here are real
def _np_real(val: Any) -> Any:
    return val


@answers(np.imag)
def _np_imag(val: Any) -> Any:
    return np.zeros_like(val)


@answers("astype")
def _np_astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    return astype(x, dtype=np.dtype(dtype))


@answers(np.unwrap)
def _np_unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    return p + (np.unwrap(p.detach().numpy(), discont, axis, period=period) - p.detach().numpy())  # whole periods


# --- choices


@answers(np.select)
def _np_select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError(f"np.select: {len(condlist)} conditions for {len(choicelist)} choices; one each is needed.")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


@answers(np.choose)
def _np_choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    index = a.detach().numpy() if hasattr(a, "detach") else np.asarray(a)
    n = len(choices)
    if mode == "raise" and ((index < 0) | (index >= n)).any():
        raise ValueError(f"np.choose: an index lies outside of the {n} choices.")
    index = np.clip(index, 0, n - 1) if mode == "clip" else index % n
    return _np_select([index == k for k in range(n)], list(choices))


@answers(np.compress)
def _np_compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take(a, np.flatnonzero(np.asarray(condition)), axis)


@answers(np.extract)
def _np_extract(condition: Any, arr: Any) -> Any:
    return np.take(np.ravel(arr), np.flatnonzero(np.asarray(condition)))


@answers(np.interp)
def _np_interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if period is not None:
        raise TypeError("np.interp: period= is not supported on tensors; continue xp and fp periodically.")
    at, knots = (v.detach().numpy() if hasattr(v, "detach") else np.asarray(v, float) for v in (x, xp))
    if len(knots) == 1:
        inside = fp[0] + 0 * at
    else:
        k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
        x0, x1, f0, f1 = (np.take(v, i) for v, i in ((xp, k), (xp, k + 1), (fp, k), (fp, k + 1)))
        inside = f0 + (x - x0) * (f1 - f0) / (x1 - x0)
    below = np.where(at < knots[0], fp[0] if left is None else left, inside)
    return np.where(at > knots[-1], fp[-1] if right is None else right, below)


# --- products


@answers("vecdot")
def _np_vecdot(x1: Any, x2: Any, /) -> Any:
    return np.linalg.vecdot(x1, x2)


@answers("matvec")
def _np_matvec(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2[..., None])[..., 0]


@answers("vecmat")
def _np_vecmat(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1[..., None, :], x2)[..., 0, :]


def _outer(ufunc: Any) -> None:
    """ufunc.outer(A, B): the ufunc of every element of A with every element of B."""

    @answers((ufunc, "outer"))
    def outer(A: Any, B: Any, /) -> Any:
        return ufunc(np.reshape(A, (*np.shape(A), *(1 for _ in np.shape(B)))), B)


for _ufunc in (
    np.add,
    np.subtract,
    np.multiply,
    np.true_divide,
    np.power,
    np.maximum,
    np.minimum,
    np.hypot,
    np.arctan2,
):
    _outer(_ufunc)
