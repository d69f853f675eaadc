"""Packed sequences beside PyTorch's: layouts, recurrent layers over them, errors, a training run."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
import tinygrad_edu.nn.utils.rnn

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (torch, te)
# Of about ten operations per step; float64, whose rounding grows with five steps and with the second derivative.
CLOSE = {"rtol": 1e-9, "atol": 1e-11}
LENGTHS = {"sorted": [5, 4, 4, 1], "in no order": [2, 5, 1, 4], "all alike": [3, 3, 3], "one": [4]}


def same(theirs, ours, **tolerance):
    """Two packed sequences, tuples or tensors."""
    if isinstance(theirs, tuple):
        for a, b in zip(theirs, ours, strict=True):
            same(a, b, **tolerance)
    elif theirs is None:
        assert ours is None
    else:
        assert tuple(theirs.shape) == tuple(ours.shape)
        assert str(theirs.dtype).removeprefix("torch.") == str(ours.dtype)
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **tolerance)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("case", LENGTHS)
def test_packing_and_padding_agree(case, batch_first, rng):
    """All four parts, and the padded tensor and the lengths that come back."""
    lengths = LENGTHS[case]
    X = rng.standard_normal((len(lengths), 6, 2) if batch_first else (6, len(lengths), 2))
    found = []
    for lib in LIBRARIES:
        rnn = lib.nn.utils.rnn
        given = lengths if batch_first else lib.tensor(lengths)
        packed = rnn.pack_padded_sequence(lib.tensor(X), given, batch_first, enforce_sorted=case != "in no order")
        padded = rnn.pad_packed_sequence(packed, batch_first, padding_value=-7.0)
        longer = rnn.pad_packed_sequence(packed, batch_first, total_length=8)
        found.append((tuple(packed), padded, longer, tuple(rnn.unpack_sequence(packed))))
    same(*found, rtol=0, atol=0)


def test_text_and_conversions_agree():
    """repr, the other dtypes, and sequences without further axes."""
    texts = []
    for lib in LIBRARIES:
        packed = lib.nn.utils.rnn.pack_sequence(
            [lib.tensor([1.0, 2, 3]), lib.tensor([4.0]), lib.tensor([5.0, 6])], enforce_sorted=False
        )
        texts.append(f"{packed} {packed.double().data.dtype} {packed.to(lib.float64).data} {packed.is_cuda}")
        assert packed.cpu() is packed
        assert packed.to(lib.float32) is packed
        assert isinstance(copy.deepcopy(packed), lib.nn.utils.rnn.PackedSequence)
    assert texts[0].replace("torch.", "") == texts[1]


LAYERS = {
    "RNN": ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    "GRU": ("GRU", {"bidirectional": True, "batch_first": True}),
    "LSTM": ("LSTM", {}),
    "LSTM, both directions": ("LSTM", {"num_layers": 2, "bidirectional": True}),
    "LSTM, projected": ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True, "bias": False}),
}


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("order", ["sorted", "in no order"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_over_packed_sequences_agree(name, order, with_state, rng):
    """Outputs, the states at each sequence's own end, first and second derivatives by everything."""
    kind, options = LAYERS[name]
    lengths = LENGTHS[order]
    X = rng.standard_normal((5, len(lengths), 3))
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    sizes = [options.get("proj_size") or 4, 4] if kind == "LSTM" else [4]
    states = [rng.standard_normal((count, len(lengths), n)) for n in sizes] if with_state else []
    found = []
    for lib in LIBRARIES:
        lib.manual_seed(3)
        layer = getattr(lib.nn, kind)(3, 4, **options).double()
        leaves = [lib.tensor(v, requires_grad=True) for v in (X, *states)]
        packed = lib.nn.utils.rnn.pack_padded_sequence(leaves[0], lengths, enforce_sorted=order == "sorted")
        hx = tuple(leaves[1:]) if kind == "LSTM" else leaves[-1]
        output, ends = layer(packed, hx) if with_state else layer(packed)
        ends = ends if isinstance(ends, tuple) else (ends,)
        leaves += layer.parameters()
        loss = sum(((k + 1) * y**2 + y).sum() for k, y in enumerate((output.data, *ends)))
        slopes = lib.autograd.grad(loss, leaves, create_graph=True)
        second = lib.autograd.grad(sum((g**2).sum() for g in slopes), leaves)
        found.append((tuple(output), ends, tuple(slopes), tuple(second)))
    same(*found, **CLOSE)


def test_dropout_between_layers_has_pytorchs_mask():
    """It is drawn for the packed rows."""
    found = []
    for lib in LIBRARIES:
        lib.manual_seed(5)
        layer = lib.nn.GRU(3, 4, 2, dropout=0.5).train()
        packed = lib.nn.utils.rnn.pack_padded_sequence(lib.ones(3, 2, 3), [3, 2])
        found.append(layer(packed)[0].data.detach().numpy())
    assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)  # float32


def test_padding_takes_no_part():
    """What lies behind the ends changes no result and gets no gradient, NaN included."""
    X = te.zeros(4, 2, 3)
    X[2:, 1] = float("nan")
    X.requires_grad_()
    rnn = te.nn.utils.rnn
    output, (h, _) = te.nn.LSTM(3, 4, bidirectional=True)(rnn.pack_padded_sequence(X, [4, 2]))
    padded, _ = rnn.pad_packed_sequence(output)
    (padded.sum() + h.sum()).backward()
    assert not padded[2:, 1].detach().numpy().any()
    assert not X.grad[2:, 1].numpy().any()
    assert np.isfinite(X.grad.numpy()).all()


WRONG = {
    "in no order": lambda rnn, lib: rnn.pack_padded_sequence(lib.ones(3, 2), [2, 3]),
    "none": lambda rnn, lib: rnn.pack_padded_sequence(lib.ones(3, 2), [3, 0]),
    "another count": lambda rnn, lib: rnn.pack_padded_sequence(lib.ones(3, 2), [3]),
    "total length": lambda rnn, lib: rnn.pad_packed_sequence(rnn.pack_sequence([lib.ones(3)]), total_length=2),
    "features": lambda rnn, lib: lib.nn.GRU(2, 3)(rnn.pack_sequence([lib.ones(3, 4)])),
    "state": lambda rnn, lib: lib.nn.GRU(2, 3)(rnn.pack_sequence([lib.ones(3, 2)]), lib.ones(1, 2, 3)),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_of_pytorchs_class(name):
    """The message says what disagrees."""
    raised = []
    for lib in LIBRARIES:
        with pytest.raises((RuntimeError, ValueError)) as caught:
            WRONG[name](lib.nn.utils.rnn, lib)
        raised.append(caught)
    assert isinstance(raised[1].value, raised[0].type)
    assert any(character.isdigit() or character == "`" for character in str(raised[1].value))


def test_a_length_beyond_the_input_is_refused():
    """PyTorch reads memory behind it."""
    with pytest.raises(RuntimeError, match="a length of 4 for sequences padded to 3 steps"):
        te.nn.utils.rnn.pack_padded_sequence(te.ones(3, 2), [4, 3])


def test_training_over_packed_sequences_has_pytorchs_curve():
    """An embedding, a bidirectional LSTM over packed words, a head; ten steps of Adam from one seed."""
    curves = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        rnn = lib.nn.utils.rnn
        table, layer, head = (
            lib.nn.Embedding(9, 5, padding_idx=0),
            lib.nn.LSTM(5, 6, bidirectional=True),
            lib.nn.Linear(12, 2),
        )
        optimizer = lib.optim.Adam([*table.parameters(), *layer.parameters(), *head.parameters()], lr=0.02)
        words, labels, losses = lib.randint(1, 9, (6, 8)), lib.randint(0, 2, (8,)), []
        for step in range(10):
            lengths = [1 + (step * k) % 6 for k in range(8)]
            packed = rnn.pack_padded_sequence(table(words), lengths, enforce_sorted=False)
            _, (h, _) = layer(packed)
            loss = lib.nn.functional.cross_entropy(head(lib.cat([h[0], h[1]], 1)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert_allclose(curves[1], curves[0], rtol=1e-4)  # float32, ten steps
    assert_array_equal(np.isfinite(curves[1]), True)
