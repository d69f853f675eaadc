"""Draws of the gamma and Dirichlet distributions: PyTorch's stream, in which each takes as many numbers as it needs.

Source: Marsaglia & Tsang, "A Simple Method for Generating Gamma Variables" (2000); below a concentration
of 1 by a draw at one more, times a power of a uniform number (the same paper, section 6).
"""

from __future__ import annotations

import math

import numpy as np

from ..core.primitive import Array
from .generator import Generator, draw_by

_THIRD = float(np.float32(1) / np.float32(3))  # PyTorch's constants are single precision, so its draws are too
_BOUND = float(np.float32(0.0331))
_DOUBLE = np.dtype("float64")


def standard_gamma(concentration: Array, generator: Generator | None = None) -> Array:
    """A draw of rate 1 per element, at least the smallest positive number of its dtype."""
    return draw_by(gammas, generator, concentration)


def dirichlet(concentration: Array, generator: Generator | None = None) -> Array:
    """A draw along the last axis: gamma draws over their sum, kept off 0 and 1."""
    return draw_by(shares, generator, concentration)


def gammas(generator: Generator, concentration: Array) -> Array:
    """standard_gamma of arrays."""
    single = concentration.dtype == np.float32
    draws = [_one(alpha, generator, single) for alpha in concentration.ravel().tolist()]
    least = np.finfo(concentration.dtype).tiny
    return np.asarray(np.maximum(np.array(draws, concentration.dtype).reshape(concentration.shape), least))


def shares(generator: Generator, concentration: Array) -> Array:
    """dirichlet of arrays."""
    drawn = gammas(generator, concentration.astype(np.float64))
    limits = np.finfo(concentration.dtype)
    parts = (drawn / drawn.sum(-1, keepdims=True)).astype(concentration.dtype)
    return np.asarray(np.clip(parts, limits.tiny, concentration.dtype.type(1 - limits.eps)))


def _one(alpha: float, generator: Generator, single: bool) -> float:
    scale = 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale = (1 - float(generator.uniform(1, _DOUBLE)[0])) ** (1 / alpha)
        alpha = float(np.float32(alpha + 1)) if single else alpha + 1
    d = float(np.float32(alpha) - np.float32(_THIRD)) if single else alpha - _THIRD
    c = 1 / math.sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = float(generator.normal(1, _DOUBLE)[0])
            y = 1 + c * x
        v = y * y * y
        u = 1 - float(generator.uniform(1, _DOUBLE)[0])
        xx = x * x
        if u < 1 - _BOUND * xx * xx or math.log(u) < 0.5 * xx + d * (1 - v + math.log(v)):
            return scale * d * v
