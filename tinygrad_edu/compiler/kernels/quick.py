"""Functions that a loop computes many numbers at a time with: short enough to stand in the loop itself.

A sum whose terms are added in another order than they stand in is vectorised: 64 rows of 1,024 float32 take 1.9 us
for 30. What else a loop computes keeps its order and its rounding, so that these additions are functions of their own.

NumPy's are as good, but each is a pass over memory of its own, and those of the C library, which Numba calls, take
17 us for 1,600 tanh. Numba would vectorise them with Intel's SVML, but only where its LLVM was patched for it, which
the wheels of pip are not (llvmlite 0.50). 262,144 float32, one thread: exp 84 us, NumPy's 118; tanh 90 and 95.

e**x is 2**k e**r with x = k log 2 + r, |r| <= log(2) / 2, and e**r a polynomial (Cephes, expf.c, S. Moshier: its
coefficients, and log 2 in two parts, the first so short that k times it is exact). The largest relative errors on
262,144 numbers are 8.4e-8 and 1.7e-7. Not reassociated: rounding is what the two parts are for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SERIES = """    p = np.float32(1.9875691e-4) * r + np.float32(1.3981999e-3)
    p = p * r + np.float32(8.3334519e-3)
    p = p * r + np.float32(4.1665796e-2)
    p = p * r + np.float32(0.16666667)
    p = p * r + np.float32(0.5)
    p = p * r * r + r  # e**r - 1
"""

EXP = (
    """@ordered
def {name}(x):
    y = x if x < np.float32(89) else np.float32(89)  # infinite beyond, and 0 below the other
    y = y if y > np.float32(-105) else np.float32(-105)
    k = np.rint(y * np.float32(1.44269504))
    r = y - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
"""
    + SERIES
    + """    n = np.int32(k)
    half = n >> 1  # 2**n in two factors, since it may be larger or smaller than any float32
    low = np.int32((half + 127) << 23).view(np.float32)
    high = np.int32((n - half + 127) << 23).view(np.float32)
    return (p + np.float32(1)) * low * high if x == x else x"""
)

# with t = e**2|x| - 1, tanh is t / (t + 2); near 0 t keeps its digits
TANH = (
    """@ordered
def {name}(x):
    y = abs(x)
    y = y if y < np.float32(10) else np.float32(10)
    y = y + y
    k = np.rint(y * np.float32(1.44269504))
    r = y - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
"""
    + SERIES
    + """    two = np.int32((np.int32(k) + 127) << 23).view(np.float32)
    t = two * p + (two - np.float32(1))
    t = t / (t + np.float32(2))
    return np.copysign(t, x) if x == x else x"""
)

PLUS = """@loose
def {name}(total, x):
    return total + x"""

PLUS_PRODUCT = """@loose
def {name}(total, x, y):
    return total + x * y"""

QUICK: dict[Any, str] = {np.exp: EXP, np.tanh: TANH}
CALLED = {np.exp: "quick_exp", np.tanh: "quick_tanh", np.add: "plus", np.dot: "plus_product"}
TEXTS = {**QUICK, np.add: PLUS, np.dot: PLUS_PRODUCT}
