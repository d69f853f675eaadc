"""func by itself: what it refuses, in words, and what no comparison covers."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import func, nn


def test_linearize_pushes_tangents_forward():
    """The value, and J times any tangents, of several arguments."""
    x, y = te.tensor([1.0, 2.0]), te.tensor([3.0, 4.0])
    value, along = func.linearize(lambda x, y: x * y, x, y)
    np.testing.assert_array_equal(value.numpy(), [3.0, 8.0])
    for u, v in (([1.0, 0.0], [0.0, 1.0]), ([0.5, 2.0], [1.0, -1.0])):
        found = along(te.tensor(u), te.tensor(v))
        np.testing.assert_allclose(found.numpy(), np.multiply(u, y.numpy()) + np.multiply(x.numpy(), v))


X = te.ones(2, 3)
square = lambda x: (x * x).sum()
REFUSED = [
    (lambda: func.vmap(square, randomness="any")(X), "Only allowed values for randomness"),
    (lambda: func.vmap(square)(), "got no inputs"),
    (lambda: func.vmap(lambda p: p[0], in_dims=((0, 0),))((X,)), "not compatible with the structure"),
    (lambda: func.vmap(square, in_dims=(None,))(X), "at least one input must be mapped"),
    (lambda: func.vmap(lambda x: x, out_dims=None)(te.arange(3.0)), "not the same for all examples"),
    (lambda: func.jvp(square, X, X), "must be tuples"),
    (lambda: func.jvp(lambda x: te.ones(2), (X,), (X,), strict=True), "does not depend on the primals"),
    (lambda: func.jvp(square, (X,), (X, X)), "same form"),
    (lambda: func.jvp(square, (X,), (te.ones(3),)), r"of shape \(3,\), expected \(2, 3\)"),
    (lambda: func.grad(square, argnums="x")(X), "argnums must be an int"),
    (lambda: func.grad(square)(2.0), "to be tensors, got float"),
    (lambda: func.grad(square)(te.arange(3)), "only floating tensors have gradients"),
    (lambda: func.grad(square, has_aux=True)(X), r"must return a tuple \(output, aux\)"),
    (lambda: func.vjp(lambda x: 2.0, X), "float"),
    (lambda: func.stack_module_state([]), "at least one model"),
    (lambda: func.stack_module_state([nn.Linear(1, 1), nn.ReLU()]), "of the same class"),
    (lambda: func.functional_call(nn.Linear(3, 1), 3, (X,)), "functional_call"),
    (lambda: func.functional_call(nn.Linear(3, 1), ({"bias": X}, {"bias": X}), (X,)), "multiple dictionaries"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_can_not_be_is_refused_in_words(call, words):
    """Each mistake is named."""
    with pytest.raises((RuntimeError, ValueError, TypeError), match=words):
        call()
