"""Distances, angles, Bilinear, and the activations that draw, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from ..ops.test_ops_torch import compare, error, numbers  # noqa: E402  # that file skips itself where PyTorch is absent

SHAPES = [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 4)), ((4,), (4,)), ((0, 4), (0, 4))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cosine_similarity_agrees(dtype, rng):
    """Over shapes that broadcast, along any axis, and with lengths below eps."""
    for shapes in SHAPES:
        for dim in (-1, 0):
            pair = [rng.standard_normal(s) for s in shapes]
            # Stretched along dim a vector's elements are equal: its direction is fixed, its gradient rounding alone.
            orders = 0 if dim == 0 and shapes[0] != shapes[1] else 2
            compare(lambda L, a, b, dim=dim: L.m.cosine_similarity(a, b, dim), pair, dtype, orders=orders)
    tiny = [np.array([[1.0, 2.0], [1e-3, 1e-3]]), np.array([[3.0, 1.0], [1e-3, 2e-3]])]
    compare(lambda L, a, b: L.m.nn.functional.cosine_similarity(a, b, eps=0.1), tiny, dtype, orders=1)
    pair = [rng.standard_normal((2, 3, 4)) for _ in range(2)]
    compare(lambda L, a, b: L.m.nn.CosineSimilarity(dim=2, eps=1e-6)(a, b), pair, dtype)


@pytest.mark.parametrize("p", [2.0, 1.0, 3.5, float("inf"), 0.0])
def test_pairwise_distance_agrees(p, rng):
    """Of every order, with shapes that broadcast, kept and not; equal vectors have a gradient."""
    orders = 2 if p in (2.0, 3.5) else 1
    for shapes in SHAPES:
        for keepdim in (False, True):
            pair = [rng.standard_normal(s) for s in shapes]

            def function(L: Any, a: Any, b: Any, keepdim: bool = keepdim) -> Any:
                return L.m.nn.PairwiseDistance(p, 1e-3, keepdim)(a, b)

            compare(function, pair, "float64", orders=orders)
    x = rng.standard_normal((2, 3))
    compare(lambda L, a: L.m.pairwise_distance(a, a + 0, p), [x], "float64", orders=1)


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, float("inf"), 0.0])
def test_pdist_agrees(p, rng):
    """All pairs of rows in PyTorch's order; one row or none has no pairs."""
    for shape in [(4, 3), (2, 1), (1, 3), (0, 3), (3, 0)]:
        orders = int(shape == (4, 3))  # the backward of nothing divides by 0 in PyTorch, which ends the process
        compare(lambda L, x: L.m.nn.functional.pdist(x, p), [rng.standard_normal(shape)], "float64", orders=orders)


def test_bilinear_agrees(rng):
    """Rows, one sample, stacks, nothing; with and without bias, by every input."""
    for rows in [(3,), (), (2, 3), (0,)]:
        inputs = [rng.standard_normal(s) for s in ((*rows, 4), (*rows, 2), (5, 4, 2), (5,))]
        compare(lambda L, a, b, w, c: L.m.nn.functional.bilinear(a, b, w, c), inputs, "float64")
        compare(lambda L, a, b, w: L.m.bilinear(a, b, w, None), inputs[:3], "float64")


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_module_is_pytorchs(bias):
    """Same weights from the seed, same keys, same text, same output."""
    made = []
    for lib in (tg, torch):
        lib.manual_seed(3)
        made.append(lib.nn.Bilinear(3, 2, 4, bias=bias))
    assert repr(made[0]) == repr(made[1])
    assert list(made[0].state_dict()) == list(made[1].state_dict())
    outputs = [m(lib.ones(5, 3), lib.ones(5, 2)) for m, lib in zip(made, (tg, torch), strict=True)]
    assert error(numbers(outputs[0]), numbers(outputs[1])) < 1e-6  # float32: 6 products


def test_rrelu_draws_pytorchs_slopes(rng):
    """In training only what is not positive draws, in order; the gradient is the slope; else leaky_relu's."""
    X = np.concatenate([rng.standard_normal(40), [0.0, -0.0]])
    for dtype in ("float32", "float64"):

        def function(L: Any, x: Any) -> Any:
            L.m.manual_seed(5)
            return L.m.nn.RReLU(0.1, 0.4)(x) + L.m.nn.functional.rrelu(x, training=True)

        compare(function, [X], dtype)
        compare(lambda L, x: L.m.nn.RReLU(0.1, 0.4).eval()(x), [X], dtype)
        compare(lambda L, x: L.m.nn.functional.rrelu_(x * 1, 0.1, 0.3), [X], dtype)
    assert repr(tg.nn.RReLU(inplace=True)) == repr(torch.nn.RReLU(inplace=True))
    for lib in (tg, torch):
        with pytest.raises(RuntimeError, match="Lower bound should be less than or equal to the upper bound"):
            lib.rrelu(lib.ones(2), 0.5, 0.1)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_pytorchs(hard, rng):
    """The same draw of classes from the seed, hard and soft, with the soft draw's gradient."""
    for dim in (-1, 0):

        def function(L: Any, x: Any, dim: int = dim) -> Any:
            L.m.manual_seed(5)
            return L.m.nn.functional.gumbel_softmax(x, tau=0.7, hard=hard, dim=dim)

        compare(function, [rng.standard_normal((5, 4))], "float64")
        compare(function, [rng.standard_normal((5, 4))], "float32", orders=1)


def test_softmax2d_agrees(rng):
    """Over the channels of one image or several; other numbers of axes are refused."""
    for shape in [(2, 3, 4, 5), (3, 2, 2)]:
        compare(lambda L, x: L.m.nn.Softmax2d()(x), [rng.standard_normal(shape)], "float64")
    for lib in (tg, torch):
        with pytest.raises(ValueError, match="Softmax2d: expected input to be 3D or 4D, got 2D instead"):
            lib.nn.Softmax2d()(lib.ones(2, 2))


IN_PLACE = {
    "relu_": (),
    "leaky_relu_": (0.2,),
    "elu_": (0.5,),
    "selu_": (),
    "celu_": (0.5,),
    "hardtanh_": (-0.5, 0.7),
    "threshold_": (0.1, 2.0),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_functions_in_place_agree(name, rng):
    """F.relu_ and its like store the result in the input; the gradient passes the write."""

    def function(L: Any, x: Any) -> Any:
        y = x * 1
        assert getattr(L.m.nn.functional, name)(y, *IN_PLACE[name]) is y
        return y

    compare(function, [rng.standard_normal((3, 4))], "float64", orders=1)


REFUSED = {
    "cosine of integers": lambda m: m.cosine_similarity(m.tensor([[1, 2]]), m.tensor([[1, 2]])),
    "cosine of shapes that clash": lambda m: m.cosine_similarity(m.ones(2, 3), m.ones(3, 2)),
    "cosine along no axis": lambda m: m.cosine_similarity(m.ones(3), m.ones(3), dim=1),
    "pdist of a vector": lambda m: m.pdist(m.ones(3)),
    "pdist of negative order": lambda m: m.pdist(m.ones(3, 2), -1.0),
    "pdist of integers": lambda m: m.pdist(m.ones(3, 2, dtype=m.int64)),
    "bilinear rows": lambda m: m.nn.Bilinear(3, 2, 1)(m.ones(4, 3), m.ones(5, 2)),
    "bilinear first": lambda m: m.nn.Bilinear(3, 2, 1)(m.ones(4, 2), m.ones(4, 2)),
    "bilinear second": lambda m: m.nn.Bilinear(3, 2, 1)(m.ones(4, 3), m.ones(4, 3)),
    "bilinear of nothing": lambda m: m.nn.Bilinear(0, 2, 1),
    "bilinear bias": lambda m: m.bilinear(m.ones(4, 3), m.ones(4, 2), m.ones(5, 3, 2), m.ones(4)),
    "triplet distance": lambda m: m.pairwise_distance(m.ones(2, 3), m.ones(2, 2)),
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED.keys())
def test_what_pytorch_refuses_is_refused(wrong):
    """By an exception that whoever catches PyTorch's would catch too."""
    with pytest.raises(Exception) as theirs:  # which class is the question
        wrong(torch)
    with pytest.raises(theirs.type) as ours:
        wrong(tg)
    assert len(str(ours.value)) > 10
