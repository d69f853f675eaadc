"""testing.assert_close beside PyTorch's: what it lets pass, and what it says."""

from __future__ import annotations

import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
LIBRARIES = (torch, tg)
CASES = {
    "equal": (lambda m: (m.ones(2), m.ones(2)), {}),
    "near": (lambda m: (m.ones(2), m.ones(2) + 1e-6), {}),
    "far": (lambda m: (m.ones(2, 2), m.tensor([[1.0, 1.5], [1.0, 3.0]])), {}),
    "shape": (lambda m: (m.ones(2), m.ones(3)), {}),
    "dtype": (lambda m: (m.ones(2), m.ones(2, dtype=m.float64)), {}),
    "any dtype": (lambda m: (m.ones(2), m.ones(2, dtype=m.float64)), {"check_dtype": False}),
    "narrower": (lambda m: (m.ones(2) + 1e-6, m.ones(2, dtype=m.float64)), {"check_dtype": False}),
    "integers": (lambda m: (m.tensor([1, 2]), m.tensor([1, 3])), {}),
    "bools": (lambda m: (m.tensor([True]), m.tensor([False])), {}),
    "nan": (lambda m: (m.tensor([float("nan")]), m.tensor([float("nan")])), {}),
    "equal nan": (lambda m: (m.tensor([float("nan")]), m.tensor([float("nan")])), {"equal_nan": True}),
    "tolerance": (lambda m: (m.ones(2), m.ones(2) * 1.05), {"rtol": 0.1, "atol": 0.0}),
    "one tolerance": (lambda m: (m.ones(2), m.ones(2)), {"rtol": 0.1}),
    "number": (lambda m: (1.0, 1.0 + 1e-9), {}),
    "item": (lambda m: (m.tensor(2.0).item(), 3.0), {}),
    "list": (lambda m: ([m.ones(2), m.ones(1)], [m.ones(2), m.zeros(1)]), {}),
    "lengths": (lambda m: ([m.ones(2)], [m.ones(2), m.zeros(1)]), {}),
    "dict": (lambda m: ({"a": m.ones(2)}, {"a": m.zeros(2)}), {}),
    "keys": (lambda m: ({"a": m.ones(2)}, {"b": m.ones(2)}), {}),
    "strides": (lambda m: (m.ones(2, 3).T, m.ones(3, 2)), {"check_stride": True}),
    "message": (lambda m: (m.ones(2), m.zeros(2)), {"msg": "no"}),
    "other types": (lambda m: ([m.ones(2)], m.ones(2)), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_passes_and_fails_as_pytorchs(case):
    """The same comparisons raise, the same kind of error."""
    make, options = CASES[case]
    raised = []
    for m in LIBRARIES:
        try:
            m.testing.assert_close(*make(m), **options)
        except Exception as error:
            raised.append(type(error))
        else:
            raised.append(None)
    assert raised[0] == raised[1]


def test_the_message_is_pytorchs():
    """How many elements differ, where most, and by how much."""
    texts = []
    for m in LIBRARIES:
        with pytest.raises(AssertionError) as error:
            m.testing.assert_close(m.tensor([[1.0, 1.5], [1.0, 3.0]]), m.ones(2, 2))
        texts.append(str(error.value))
    assert texts[0].replace("2.0 at", "2 at") == texts[1]
