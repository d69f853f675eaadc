"""Small graphs that the tests of viz share; run as a program, it prints one of them in DOT.

Their numbers are exact in float32, so that the stored pictures are the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu import Tensor, tensor
from tinygrad_edu.viz import draw


def leaf(values: Any, name: str | None = None, dtype: Any = None) -> Tensor:
    t = tensor(values, requires_grad=True, dtype=dtype)
    t.name = name
    return t


def constant(values: Any, name: str | None = None) -> Tensor:
    t = tensor(values)
    t.name = name
    return t


def article(rng: np.random.Generator | None = None, m: int = 2) -> dict[str, Tensor]:
    """The article's network 2-3-1, samples as columns; all values by name."""
    if rng is None:  # halves and quarters; all scores are 0, so that A1 is 0 and A2 is 0.5
        X, W1, W2 = np.full((2, m), 0.5), np.array([[1, 2, -1], [-1, -2, 1]]), np.array([[0.5], [-0.25], [0.25]])
    else:
        X, W1, W2 = (rng.standard_normal(shape) for shape in ((2, m), (2, 3), (3, 1)))
    v = {
        "X": constant(X.astype(np.float32), "X"),
        "Y": constant((np.arange(m) % 2).astype(np.float32)[None], "Y"),
        "W1": leaf(W1.astype(np.float32), "W1"),
        "b1": leaf(np.zeros((3, 1), np.float32), "b1"),
        "W2": leaf(W2.astype(np.float32), "W2"),
        "b2": leaf(np.zeros((1, 1), np.float32), "b2"),
    }
    v["Z1"] = v["W1"].T @ v["X"] + v["b1"]
    v["A1"] = te.tanh(v["Z1"])
    v["Z2"] = v["W2"].T @ v["A1"] + v["b2"]
    v["A2"] = te.sigmoid(v["Z2"])
    v["L"] = -(v["Y"] * te.log(v["A2"]) + (1 - v["Y"]) * te.log(1 - v["A2"])).mean()
    for name, t in v.items():
        t.name = name
    return v


def before_backward() -> Tensor:
    return article()["L"]


def after_backward() -> Tensor:
    v = article()
    for name in ("Z1", "A1", "Z2", "A2", "L"):
        v[name].retain_grad()
    v["L"].backward()
    return v["L"]


def used_twice() -> Tensor:
    a = leaf([1.0, 2.0], "a")
    return a + a


def doubled() -> Tensor:
    y = leaf([1.0])
    for _ in range(40):
        y = y + y
    return y


def odd_numbers() -> Tensor:
    """NaN, infinities, nothing at all, one element, float64, integers and truth values."""
    x = leaf([1.0, -1.0, 0.0, 4.0], "x")
    with np.errstate(all="ignore"):
        root = te.log(x)
    empty = leaf(np.zeros((0, 3), np.float32), "empty")
    wide = leaf(2.5, "wide", dtype=te.float64)
    parts = te.where(constant([True, False, True, False], "mask"), root, x) * constant([3, 1, 2, 5], "counts")
    return parts.sum() + empty.sum() + wide


def evil_names() -> Tensor:
    x = leaf([1.0, 2.0], "<lambda>")
    y = x + x
    y.name = 'x"]; evil [label="pwn'
    z = y * constant([3.0, 1.0], "a\nb")
    z.name = r"\N \G C:\temp\\ &amp; </TD>"
    w = (z**2).sum()
    w.name = "\x00\ud800\u202e tab\t " + "long" * 20
    return w


def residual() -> Tensor:
    """A block with a shortcut, from operations of many kinds."""
    X = constant([[1.0, 2.0], [3.0, 4.0]], "X")
    W = leaf([[0.5, 0.0], [0.0, 0.5]], "W")
    H = te.relu(X @ W)
    H.name = "H"
    out = te.cat([H, H[:, 0:1] * 2], dim=1) + H.sum(1, keepdim=True)
    return out.mean() / 4


GRAPHS: dict[str, Callable[[], Tensor]] = {
    f.__name__: f for f in (before_backward, after_backward, used_twice, doubled, odd_numbers, evil_names, residual)
}

if __name__ == "__main__":
    sys.stdout.buffer.write(draw(GRAPHS[sys.argv[1]]()).source.encode())
