"""How a formula writes a number: what it was computed from, where its digits say that (`1 / 3`, `2 ** 0.5`)."""

from __future__ import annotations

import fractions
import math

import numpy as np

from ...symbolic.printer import ATOM, POWER, PRODUCT, UNARY

LONG = 10  # digits of a number that may be a ratio or a root
KNOWN = {
    math.sqrt(0.5): ("0.5 ** 0.5", POWER),
    math.sqrt(2 / math.pi): ("(2 / np.pi) ** 0.5", POWER),
    math.sqrt(2 * math.pi): ("(2 * np.pi) ** 0.5", POWER),
    1 / math.sqrt(2 * math.pi): ("1 / (2 * np.pi) ** 0.5", PRODUCT),
    **dict.fromkeys((float(np.finfo(np.float32).max), 3.4028235e38), ("np.finfo(np.float32).max", ATOM)),
    **dict.fromkeys((float(np.finfo(np.float32).eps), 1.1920929e-07), ("np.finfo(np.float32).eps", ATOM)),
    float(np.finfo(np.float64).eps): ("np.finfo(np.float64).eps", ATOM),
    float(np.finfo(np.float64).max): ("np.finfo(np.float64).max", ATOM),
}

Spelled = tuple[str, int]  # a text, and how tightly it binds


def spelled_number(x: float) -> Spelled:
    """A finite number: whole ones without a point, of ratios and roots what they are."""
    if isinstance(x, int):
        return str(x), UNARY if x < 0 else ATOM
    text = str(int(x)) if x.is_integer() and abs(x) < 1e6 else repr(x)
    if len(text) > LONG and x < 0:
        opposite, binds = spelled_number(-x)
        return f"-{opposite}", min(binds, UNARY)
    if len(text) > LONG and x > 0:
        if x in KNOWN:
            return KNOWN[x]
        ratio = fractions.Fraction(x).limit_denominator(1000)
        if ratio and ratio.numerator / ratio.denominator == x:
            return f"{ratio.numerator} / {ratio.denominator}", PRODUCT
        if math.frexp(x)[0] == 0.5:
            return f"2 ** {math.frexp(x)[1] - 1}", POWER
        if (n := round(x * x)) and math.sqrt(n) == x:
            return f"{n} ** 0.5", POWER
        if n := round(1 / (x * x)):
            for text_of, binds in ((f"{n} ** -0.5", POWER), (f"1 / {n} ** 0.5", PRODUCT)):
                if x == (n**-0.5 if binds == POWER else 1 / n**0.5):
                    return text_of, binds
    return text, UNARY if x < 0 else ATOM
