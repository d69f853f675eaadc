"""The von Mises distribution: normal numbers on a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..autograd import no_grad
from ..core.primitive import Array
from ..core.write import read
from ..ops.choices import where
from ..ops.creation import finish
from ..ops.exponential import exp, log
from ..ops.generator import Generator, draw_by
from ..ops.trigonometry import cos
from . import constraints
from .distribution import Located
from .utils import broadcast_all, lazy_property

# Polynomials of the modified Bessel functions I0 and I1: Abramowitz & Stegun, "Handbook of Mathematical Functions"
# (1964), 9.8.1 to 9.8.4; in (x / 3.75)**2 up to 3.75, of exp(-x) sqrt(x) I(x) in 3.75 / x beyond. Errors below 2e-7.
I0_SMALL = (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813)
I0_LARGE = (
    0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633, 0.00392377,
)  # fmt: skip
I1_SMALL = (0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411)
I1_LARGE = (
    0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967, -0.02895312, 0.01787654, -0.00420059,
)  # fmt: skip
BOUND = 3.75


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    total: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = c + x * total
    return total


def _log_bessel(x: Any, small: Sequence[float], large: Sequence[float], order: int) -> Any:
    """log I(x), x > 0, of order 0 or 1."""
    low = _polynomial((x / BOUND) ** 2, small)
    low = log(x.abs() * low) if order else log(low)
    return where(x < BOUND, low, x - 0.5 * log(x) + log(_polynomial(BOUND / x, large)))


def _angles(generator: Generator, loc: Array, concentration: Array) -> Array:
    """A draw per element; in each round all are drawn, those that are accepted already too, as in PyTorch."""
    k = concentration.astype(np.float64)
    tau = 1 + np.sqrt(1 + 4 * k**2)
    rho = (tau - np.sqrt(2 * tau)) / (2 * k)
    r = np.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))
    x, done = np.zeros(k.shape), np.zeros(k.shape, bool)
    while not done.all():
        u1, u2, u3 = generator.uniform(3 * k.size, np.dtype("float64")).reshape((3, *k.shape))
        z = np.cos(math.pi * u1)
        f = (1 + r * z) / (r + z)
        c = k * (r - f)
        accept = (c * (2 - c) - u2 > 0) | (np.log(c / u2) + 1 - c >= 0)
        x = np.where(accept, np.sign(u3 - 0.5) * np.arccos(f), x)
        done = done | accept
    return np.asarray((x + math.pi + loc) % (2 * math.pi) - math.pi, loc.dtype)


def _log_i0(x: Any) -> Any:
    return _log_bessel(x, I0_SMALL, I0_LARGE, 0)


class VonMises(Located):
    """An angle around `loc`, in radians, of density proportional to exp(concentration cos(x - loc))."""

    arg_constraints: ClassVar = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @lazy_property
    def variance(self) -> Any:
        """That of a direction: 1 - I1(k) / I0(k)."""
        k = self.concentration
        return 1 - exp(_log_bessel(k, I1_SMALL, I1_LARGE, 1) - _log_i0(k))

    def sample(self, sample_shape: Any = ()) -> Any:
        """PyTorch's from the seed; by rejection from a wrapped Cauchy distribution, in float64.

        Source: Best & Fisher, "Efficient simulation of the von Mises distribution", Applied Statistics 28 (1979), 152.
        """
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return finish(draw_by(_angles, None, *(read(x.expand(shape)) for x in (self.loc, self.concentration))))

    def log_prob(self, value: Any) -> Any:
        """k cos(x - loc) - log(2 pi I0(k))."""
        self._validate_sample(value)
        return self.concentration * cos(value - self.loc) - math.log(2 * math.pi) - _log_i0(self.concentration)
