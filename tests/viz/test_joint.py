"""Operations with several outputs in data and pictures of a graph."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

import tinygrad_edu as te
from tinygrad_edu.viz import draw, graph


def through_qr():
    A = te.tensor(np.array([[2.0, 1.0], [1.0, 3.0], [0.0, 1.0]]), requires_grad=True, name="A")
    Q, R = te.linalg.qr(A)
    Q.name = "Q"
    return A, Q, R, (Q * Q * Q).sum() + (R * R).sum()


def test_each_output_is_a_value_of_its_own():
    """The joint computation has no box; its outputs have its word and inputs, also after backward."""
    A, Q, R, loss = through_qr()
    for _ in range(2):
        data = graph(loss)
        outputs = [v for v in data.values if v.operation == "linalg_qr"]
        assert [v.params["output"] for v in outputs] == [0, 1]
        assert all(v.inputs == (data["A"].id,) for v in outputs)
        for value, tensor in zip(outputs, (Q, R), strict=True):
            assert_array_equal(value.array, tensor.detach().numpy())
        if A.grad is None:
            loss.backward()


def test_a_loss_through_qr_is_drawn():
    """The boxes say which output they are."""
    source = draw(through_qr()[-1]).source
    assert "linalg_qr(A, mode=reduced)[0]" in source
    assert "linalg_qr(A, mode=reduced)[1]" in source
