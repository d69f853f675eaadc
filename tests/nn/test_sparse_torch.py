"""Embedding and EmbeddingBag beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
from tinygrad_edu import nn
from tinygrad_edu.nn import functional as F
from tinygrad_edu.symbolic.trace import trace

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
TF = torch.nn.functional

INDICES = {
    "vector": [1, 2, 1, 5],
    "matrix": [[0, 5], [1, 1], [3, 2]],
    "number": 4,
    "none": np.zeros(0, int),
    "no columns": np.zeros((2, 0), int),
}
OPTIONS = {
    "plain": {},
    "padding": {"padding_idx": 1},
    "padding from the end": {"padding_idx": -1},
    "by frequency": {"scale_grad_by_freq": True},
    "max_norm": {"max_norm": 1.0},
    "max_norm 1": {"max_norm": 1.0, "norm_type": 1.0},
    "max_norm inf": {"max_norm": 0.5, "norm_type": float("inf")},
}


def both(values):
    return torch.tensor(values, requires_grad=True), te.tensor(values, requires_grad=True)


def assert_same(ours, theirs):
    assert ours.shape == tuple(theirs.shape)
    assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-13, atol=1e-14)  # sums of a few float64


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("indices", INDICES)
def test_embedding_equals_pytorch_s(indices, options, rng):
    """The rows, what max_norm makes of the weight, and the weight's gradient."""
    theirs, ours = both(rng.standard_normal((6, 3)))
    a = TF.embedding(torch.tensor(INDICES[indices]), theirs, **OPTIONS[options])
    b = F.embedding(te.tensor(INDICES[indices]), ours, **OPTIONS[options])
    assert_same(b, a)
    assert_same(ours, theirs)
    (a**3).sum().backward()
    (b**3).sum().backward()
    assert_same(ours.grad, theirs.grad)


BAGS = {
    "rows": ([[0, 5, 1], [1, 1, 2]], None),
    "offsets": ([0, 5, 1, 1, 2, 4], [0, 2, 2, 5]),
    "last offset": ([0, 5, 1, 1, 2], [0, 2, 2, 5]),
    "empty at the end": ([0, 5], [0, 2]),
    "one empty bag": (np.zeros(0, int), [0]),
    "no bags": (np.zeros(0, int), np.zeros(0, int)),
    "padding alone": ([1, 1, 2], [0, 2]),
}


@pytest.mark.parametrize("padding_idx", [None, 1])
@pytest.mark.parametrize("mode", ["sum", "mean", "max", "weighted"])
@pytest.mark.parametrize("bags", BAGS)
def test_embedding_bag_equals_pytorch_s(bags, mode, padding_idx, rng):
    """Values and gradients, of the weights of samples too."""
    indices, offsets = BAGS[bags]
    theirs, ours = both(rng.standard_normal((6, 3)))
    options = {
        "mode": "sum" if mode == "weighted" else mode,
        "padding_idx": padding_idx,
        "include_last_offset": bags == "last offset",
    }
    w = both(rng.standard_normal(np.shape(indices))) if mode == "weighted" else (None, None)
    places = (None, None) if offsets is None else (torch.tensor(offsets), te.tensor(offsets))
    a = TF.embedding_bag(torch.tensor(indices), theirs, places[0], per_sample_weights=w[0], **options)
    b = F.embedding_bag(te.tensor(indices), ours, places[1], per_sample_weights=w[1], **options)
    assert_same(b, a)
    if bags == "no bags":
        return  # PyTorch's own gradient fails without bags
    (a**3).sum().backward()
    (b**3).sum().backward()
    assert_same(ours.grad, theirs.grad)
    if mode == "weighted":
        assert_same(w[1].grad, w[0].grad)


FAULTS = {
    "index": lambda t, f: f.embedding(t.tensor([1, 7]), t.zeros(5, 3)),
    "negative index": lambda t, f: f.embedding(t.tensor([-1]), t.zeros(5, 3)),
    "floating index": lambda t, f: f.embedding(t.tensor([1.0]), t.zeros(5, 3)),
    "weight": lambda t, f: f.embedding(t.tensor([1]), t.zeros(5)),
    "padding": lambda t, f: f.embedding(t.tensor([1]), t.zeros(5, 3), padding_idx=5),
    "bag's index": lambda t, f: f.embedding_bag(t.tensor([[7]]), t.zeros(5, 3)),
    "first offset": lambda t, f: f.embedding_bag(t.tensor([1, 2]), t.zeros(5, 3), t.tensor([1])),
    "last offset": lambda t, f: f.embedding_bag(t.tensor([1, 2]), t.zeros(5, 3), t.tensor([0, 5])),
    "no offsets": lambda t, f: f.embedding_bag(t.tensor([1, 2]), t.zeros(5, 3)),
    "offsets of rows": lambda t, f: f.embedding_bag(t.tensor([[1, 2]]), t.zeros(5, 3), t.tensor([0])),
    "mode": lambda t, f: f.embedding_bag(t.tensor([[1, 2]]), t.zeros(5, 3), mode="min"),
    "weights of a mean": lambda t, f: f.embedding_bag(
        t.tensor([[1, 2]]), t.zeros(5, 3), per_sample_weights=t.ones(1, 2)
    ),
    "weights' shape": lambda t, f: f.embedding_bag(
        t.tensor([[1, 2]]), t.zeros(5, 3), mode="sum", per_sample_weights=t.ones(2)
    ),
    "frequency of a maximum": lambda t, f: f.embedding_bag(
        t.tensor([[1, 2]]), t.zeros(5, 3), mode="max", scale_grad_by_freq=True
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_pytorch_refuses_is_refused(name):
    """With an error that a script catching PyTorch's class catches too."""
    with pytest.raises(Exception) as theirs:  # which class is what the test asks
        FAULTS[name](torch, TF)
    with pytest.raises(type(theirs.value)):
        FAULTS[name](te, F)


def test_offending_index_is_named():
    """Its value and its place, eagerly and in a traced step."""
    weight = te.zeros(5, 3)
    message = r"index is 0 to 4, found 9 at index \(1, 0\)"
    with pytest.raises(IndexError, match=message):
        F.embedding(te.tensor([[1, 2], [9, 0]]), weight)
    program = trace(lambda i: F.embedding(i, weight), te.tensor([[1, 2], [3, 0]]))
    with pytest.raises(IndexError, match=message):
        program(te.tensor([[1, 2], [9, 0]]))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_can_be_traced(mode, rng):
    """With other indices and offsets than those of the trace, also with a limited norm."""
    values = rng.standard_normal((6, 3))
    weight = te.tensor(values)
    program = trace(
        lambda i, o: F.embedding_bag(i, weight, o, mode=mode, padding_idx=1, max_norm=1.0),
        te.tensor([0, 1, 2, 3]),
        te.tensor([0, 1]),
    )
    found = program(te.tensor([5, 1, 1, 4]), te.tensor([0, 2]))
    other = te.tensor(values)
    expected = F.embedding_bag(
        te.tensor([5, 1, 1, 4]), other, te.tensor([0, 2]), mode=mode, padding_idx=1, max_norm=1.0
    )
    assert_allclose(found.numpy(), expected.numpy(), rtol=1e-14)  # the same operations
    assert_allclose(weight.numpy(), other.numpy(), rtol=1e-14)


def test_sparse_gradients_are_refused():
    """The error says what to do instead."""
    with pytest.raises(NotImplementedError, match=r"sparse=True .* leave it out"):
        nn.Embedding(3, 2, sparse=True)(te.tensor([1]))
    with pytest.raises(NotImplementedError, match=r"sparse=True .* leave it out"):
        nn.EmbeddingBag(3, 2, sparse=True)(te.tensor([[1]]))


MODULES = {
    "embedding": lambda n: n.Embedding(5, 3),
    "padded": lambda n: n.Embedding(5, 3, padding_idx=-1, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True),
    "bag": lambda n: n.EmbeddingBag(5, 3),
    "padded bag": lambda n: n.EmbeddingBag(5, 3, 1.0, mode="sum", padding_idx=2, include_last_offset=True),
}


@pytest.mark.parametrize("name", MODULES)
def test_names_texts_and_weights_are_pytorch_s(name):
    """repr, the state_dict's keys, and from the seed every number; the padding row is 0."""
    torch.manual_seed(0)
    te.manual_seed(0)
    theirs, ours = MODULES[name](torch.nn), MODULES[name](nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    assert_array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())
    if ours.padding_idx is not None:
        assert_array_equal(ours.weight[ours.padding_idx].detach().numpy(), 0)


@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("kind", ["Embedding", "EmbeddingBag"])
def test_from_pretrained_lies_on_the_given_memory(kind, freeze):
    """freeze=True, the default, leaves the table untrained."""
    table = te.ones(4, 2)
    layer = getattr(nn, kind).from_pretrained(table, freeze=freeze, padding_idx=0)
    assert layer.weight.requires_grad is not freeze
    table[1, 0] = 7.0
    assert layer.weight[1, 0].item() == 7.0
    assert repr(layer) == repr(getattr(torch.nn, kind).from_pretrained(torch.ones(4, 2), padding_idx=0))


def test_second_derivative_of_an_embedding(rng):
    """The gradient's own graph runs through the picked rows."""
    theirs, ours = both(rng.standard_normal((6, 3)))
    a = TF.embedding(torch.tensor([1, 2, 1]), theirs, padding_idx=2)
    b = F.embedding(te.tensor([1, 2, 1]), ours, padding_idx=2)
    (da,) = torch.autograd.grad((a**3).sum(), theirs, create_graph=True)
    (db,) = te.autograd.grad((b**3).sum(), ours, create_graph=True)
    (da**2).sum().backward()
    (db**2).sum().backward()
    assert_same(ours.grad, theirs.grad)


@pytest.mark.parametrize("rows", [3, 50, 2000])
def test_rows_named_many_times_are_summed(rows, rng):
    """Few places and many, all forms of an index: the same sums as by a product with one-hot rows."""
    index = rng.integers(-rows, rows, 64)
    V = rng.standard_normal((64, 5))
    X = te.tensor(np.zeros((rows, 5)), requires_grad=True)
    (X[te.tensor(index)] * te.tensor(V)).sum().backward()
    assert_allclose(X.grad.numpy(), np.eye(rows)[index].T @ V, rtol=1e-12, atol=1e-13)  # sums of up to 40 terms
