"""One program run by this library and by PyTorch, and what they gave compared."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.nn import functional

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


class Library:
    """One of the two, by its functions and by how it makes a leaf of an ndarray."""

    def __init__(self, m, F, make):
        self.m, self.F, self.make = m, F, make

    def leaf(self, x):
        t = self.make(x)
        return t.requires_grad_() if x.dtype.kind == "f" else t


OURS = Library(tg, functional, lambda x: tg.tensor(x))
THEIRS = Library(torch, torch.nn.functional, lambda x: torch.from_numpy(np.array(x)))


def tensors(result):
    """Nested results as one flat list."""
    return [t for part in result for t in tensors(part)] if isinstance(result, (tuple, list)) else [result]


def numbers(x):
    return x.detach().numpy()


def assert_equal(ours, theirs, what):
    assert tuple(ours.shape) == tuple(theirs.shape), what
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch."), what
    np.testing.assert_array_equal(numbers(ours), numbers(theirs), err_msg=what)


def assert_near(ours, theirs, what, eps=1e-12):
    """Sums of a few float64 terms in another order: some ulp of the largest."""
    assert tuple(ours.shape) == tuple(theirs.shape), what
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch."), what
    theirs = numbers(theirs)
    np.testing.assert_allclose(numbers(ours), theirs, rtol=eps, atol=eps, err_msg=what)


def compare(function, *shapes, rng, dtype="float64", exact=True):
    """Results, exactly or to rounding; gradients of a weighted sum of their cubes, and of those gradients."""
    arrays = [rng.standard_normal(s) if isinstance(s, tuple) else np.array(s) for s in shapes]
    arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays]
    found = []
    weights = None
    for library in (OURS, THEIRS):
        xs = [library.leaf(x) for x in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PyTorch's own: indexing= of meshgrid, x.T of vectors
            results = tensors(function(library, *xs))
        if weights is None:
            weights = [rng.standard_normal(tuple(y.shape)).astype(dtype) for y in results]
        leaves = [x for x in xs if x.requires_grad]
        slopes, seconds = [], []
        moving = [(y, w) for y, w in zip(results, weights, strict=True) if y.requires_grad]
        if moving:
            loss = sum((y * y * y * library.make(w)).sum() for y, w in moving)
            slopes = library.m.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
            total = sum((d * d).sum() for d in slopes if d is not None)
            seconds = library.m.autograd.grad(total, leaves, allow_unused=True)
        found.append((results, slopes, seconds))
    (ours, slopes, seconds), (theirs, their_slopes, their_seconds) = found
    assert len(ours) == len(theirs)
    for i, (y, expected) in enumerate(zip(ours, theirs, strict=True)):
        (assert_equal if exact else assert_near)(y, expected, f"output {i}")
        assert y.requires_grad == expected.requires_grad
    assert len(slopes) == len(their_slopes)
    for i, (d, expected) in enumerate(zip([*slopes, *seconds], [*their_slopes, *their_seconds], strict=True)):
        if d is None or expected is None:
            assert d is expected, f"gradient {i}"
        else:
            assert_near(d, expected, f"gradient {i}")


def assert_refused_alike(function, *shapes):
    """Both raise, and what ours raises would be caught by whoever catches PyTorch's."""
    arrays = [np.zeros(s) if isinstance(s, tuple) else np.array(s) for s in shapes]
    with pytest.raises(Exception) as theirs:  # which class is the question
        function(THEIRS, *[THEIRS.make(x) for x in arrays])
    with pytest.raises(Exception) as ours:
        function(OURS, *[OURS.make(x) for x in arrays])
    assert issubclass(ours.type, theirs.type), f"{ours.type} {ours.value} for {theirs.type} {theirs.value}"
    assert len(str(ours.value)) > 10
