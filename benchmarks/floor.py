"""What no NumPy program can go below: a step's matrix products alone, through the same BLAS, and its bytes.

The products stand in the orientation in which they occur, into memory that is there already. Bytes count at
the speed at which np.copyto moves them here.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from .harness import Step, Workload

FLOOR = "numpy floor"


@dataclasses.dataclass(frozen=True)
class Linear:
    """The products of Z = A W.T over a step: A (m, k), W (n, k), and dA = dZ W, dW = dZ.T A.

    Args:
        times: how often the products Z and dA occur, one after another, as in a recurrent layer.
        first: dA isn't needed.
        gather: dW is one product over all the times.
        batch: independent products of this size at once, as in attention; W is a value there too.
    """

    m: int
    k: int
    n: int
    times: int = 1
    first: bool = False
    gather: bool = True
    batch: int = 0

    def products(self) -> list[Callable[[], object]]:
        lead = (self.batch,) if self.batch else ()
        rng = np.random.default_rng(6)
        A, W, Z = (
            rng.random((*lead, *shape), np.float32) for shape in ((self.m, self.k), (self.n, self.k), (self.m, self.n))
        )
        rows = self.m * self.times if self.gather else self.m
        A_all = rng.random((*lead, rows, self.k), np.float32)
        Z_all = rng.random((*lead, rows, self.n), np.float32)
        found: list[Callable[[], object]] = [functools.partial(np.matmul, A, W.mT, out=Z)] * self.times
        found += [functools.partial(np.matmul, Z_all.mT, A_all, out=np.empty_like(W))]
        if not self.first:
            found += [functools.partial(np.matmul, Z, W, out=np.empty_like(A))] * self.times
        return found


def enter(workload: Workload, layers: Sequence[Linear], bytes_moved: int = 0) -> None:
    """Give a workload its floor: these layers' products, then a copy that moves so many bytes, read and written."""

    def build() -> Step:
        products = [product for layer in layers for product in layer.products()]
        source = np.ones(bytes_moved // 8, np.float32)  # each of 4 bytes is read once and written once
        target = np.empty_like(source)

        def step() -> None:
            for product in products:
                product()
            if bytes_moved:
                np.copyto(target, source)

        return step

    workload.contender(FLOOR)(build)


def perceptron(widths: Sequence[int], m: int) -> list[Linear]:
    """The layers of n_0-...-n_L, on m samples."""
    return [Linear(m, k, n, first=i == 0) for i, (k, n) in enumerate(itertools.pairwise(widths))]
