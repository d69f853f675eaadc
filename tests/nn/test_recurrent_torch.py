"""Recurrent layers and cells beside PyTorch's: values, gradients, second order, texts, weights from the seed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as te
from tinygrad_edu import nn, optim

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

STACKS = {
    "one layer": {},
    "both directions": {"num_layers": 2, "bidirectional": True},
    "batch first": {"batch_first": True, "bias": False},
    "three layers": {"num_layers": 3, "bias": False},
}
PROJECTED = {"proj_size": 2, "num_layers": 2, "bidirectional": True}
KINDS = [(kind, name) for kind in ("RNN", "GRU", "LSTM") for name in STACKS]
# Of about ten operations per step; float64, whose rounding grows with five steps and with the second derivative.
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def both(kind, *args, **kwargs):
    """The same layer of both libraries, drawn from one seed, in float64."""
    torch.manual_seed(3)
    te.manual_seed(3)
    return getattr(torch.nn, kind)(*args, **kwargs).double(), getattr(nn, kind)(*args, **kwargs).double()


def leaves(values):
    return [torch.tensor(v, requires_grad=True) for v in values], [te.tensor(v, requires_grad=True) for v in values]


def states(rng, kind, kwargs, *samples):
    count = kwargs.get("num_layers", 1) * (2 if kwargs.get("bidirectional") else 1)
    sizes = [kwargs.get("proj_size") or 4, 4] if kind == "LSTM" else [4]
    return [rng.standard_normal((count, *samples, n)) for n in sizes]


def flat(result):
    return [x for part in result for x in (flat(part) if isinstance(part, tuple) else [part])]


def assert_same(theirs, ours):
    for p, q in zip(theirs, ours, strict=True):
        assert tuple(p.shape) == tuple(q.shape)
        assert_allclose(q.detach().numpy(), p.detach().numpy(), **CLOSE)


def check(theirs, ours, a_inputs, b_inputs, a_hx, b_hx):
    """Results, gradients by everything, and the gradient of the gradients' squares."""
    a_out, b_out = flat(theirs(a_inputs[0], a_hx)), flat(ours(b_inputs[0], b_hx))
    assert_same(a_out, b_out)
    a_all, b_all = [*a_inputs, *theirs.parameters()], [*b_inputs, *ours.parameters()]
    a_loss = sum(((k + 1) * y**2 + y).sum() for k, y in enumerate(a_out))
    b_loss = sum(((k + 1) * y**2 + y).sum() for k, y in enumerate(b_out))
    a_first = torch.autograd.grad(a_loss, a_all, create_graph=True)
    b_first = te.autograd.grad(b_loss, b_all, create_graph=True)
    assert_same(a_first, b_first)
    a_second = torch.autograd.grad(sum((g**2).sum() for g in a_first), a_all)
    b_second = te.autograd.grad(sum((g**2).sum() for g in b_first), b_all)
    assert_same(a_second, b_second)
    assert_same(
        a_first,
        te.autograd.grad(sum(((k + 1) * y**2 + y).sum() for k, y in enumerate(flat(ours(b_inputs[0], b_hx)))), b_all),
    )


@pytest.mark.parametrize(("kind", "name"), [*KINDS, ("LSTM", "projected")])
def test_layer_equals_pytorch_s(kind, name, rng):
    """Outputs, last states, gradients and second derivatives, by the input, the states and every parameter."""
    kwargs = PROJECTED if name == "projected" else STACKS[name]
    theirs, ours = both(kind, 3, 4, **kwargs)
    values = [rng.standard_normal((5, 2, 3)), *states(rng, kind, kwargs, 5 if kwargs.get("batch_first") else 2)]
    a, b = leaves(values)
    check(theirs, ours, a, b, *((tuple(x[1:]) if kind == "LSTM" else x[1]) for x in (a, b)))


@pytest.mark.parametrize("given", [True, False], ids=["with states", "without"])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_sequence_without_samples(kind, given, rng):
    """(T, n_in) is one sequence: outputs (T, n), states (layers, n)."""
    theirs, ours = both(kind, 3, 4, 2, batch_first=True)
    a, b = leaves([rng.standard_normal((5, 3)), *states(rng, kind, {"num_layers": 2})])
    a_hx, b_hx = ((tuple(x[1:]) if kind == "LSTM" else x[1]) if given else None for x in (a, b))
    assert_same(flat(theirs(a[0], a_hx)), flat(ours(b[0], b_hx)))


def test_only_the_last_cell_state_is_used(rng):
    """A loss of c_n alone sends gradients through every step, as in PyTorch."""
    theirs, ours = both("LSTM", 3, 4, bidirectional=True)
    (x,), (y,) = leaves([rng.standard_normal((5, 2, 3))])
    (theirs(x)[1][1] ** 2).sum().backward()
    (ours(y)[1][1] ** 2).sum().backward()
    assert_same([x.grad, *(p.grad for p in theirs.parameters())], [y.grad, *(p.grad for p in ours.parameters())])


def test_relu_network(rng):
    """RNN with nonlinearity="relu", by keyword and as the fourth argument."""
    for args, kwargs in (((3, 4), {"nonlinearity": "relu"}), ((3, 4, 2, "relu"), {})):
        theirs, ours = both("RNN", *args, **kwargs)
        (x,), (y,) = leaves([rng.standard_normal((5, 2, 3))])
        check(theirs, ours, [x], [y], None, None)
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("alone", [True, False], ids=["one sample", "rows"])
@pytest.mark.parametrize(("kind", "kwargs"), [
    ("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu", "bias": False}),
    ("GRUCell", {}), ("GRUCell", {"bias": False}), ("LSTMCell", {}), ("LSTMCell", {"bias": False}),
])  # fmt: skip
def test_cell_equals_pytorch_s(kind, kwargs, alone, rng):
    """One step, with states and without."""
    theirs, ours = both(kind, 3, 4, **kwargs)
    rows = () if alone else (2,)
    count = 2 if kind == "LSTMCell" else 1
    a, b = leaves([rng.standard_normal((*rows, n)) for n in (3, *(4,) * count)])
    as_tuple = (lambda f: lambda x, hx: f(x, hx) if count == 2 else (f(x, hx),))  # fmt: skip
    assert_same(flat(as_tuple(theirs)(a[0], None)), flat(as_tuple(ours)(b[0], None)))
    a_hx, b_hx = ((tuple(x[1:]) if count == 2 else x[1]) for x in (a, b))
    a_out, b_out = as_tuple(theirs)(a[0], a_hx), as_tuple(ours)(b[0], b_hx)
    assert_same(a_out, b_out)
    a_all, b_all = [*a, *theirs.parameters()], [*b, *ours.parameters()]
    assert_same(
        torch.autograd.grad(sum((y**3).sum() for y in a_out), a_all),
        te.autograd.grad(sum((y**3).sum() for y in b_out), b_all),
    )
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(("kind", "name"), [*KINDS, ("LSTM", "projected")])
def test_names_texts_and_weights_are_pytorch_s(kind, name):
    """repr, the state_dict's keys in order, all_weights, and from the seed every number."""
    kwargs = PROJECTED if name == "projected" else STACKS[name]
    torch.manual_seed(0)
    te.manual_seed(0)
    theirs, ours = getattr(torch.nn, kind)(3, 4, **kwargs), getattr(nn, kind)(3, 4, **kwargs)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert_array_equal(ours.state_dict()[key].numpy(), value.numpy())
    assert [[tuple(p.shape) for p in ps] for ps in ours.all_weights] == [
        [tuple(p.shape) for p in ps] for ps in theirs.all_weights
    ]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_training_follows_pytorch_s(kind, rng):
    """Twenty steps of SGD in float32 give the same losses."""
    X = rng.standard_normal((6, 8, 3)).astype(np.float32)
    target = np.cumsum(X.sum(2), 0).astype(np.float32)

    def losses(torch, nn, optim):
        torch.manual_seed(1)
        layer, head = getattr(nn, kind)(3, 8, 2), nn.Linear(8, 1)
        optimizer = optim.SGD([*layer.parameters(), *head.parameters()], lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            output, _ = layer(torch.tensor(X))
            loss = ((head(output).squeeze(2) - torch.tensor(target)) ** 2).mean()
            loss.backward()
            optimizer.step()
            yield loss.item()

    ours, theirs = list(losses(te, nn, optim)), list(losses(torch, torch.nn, torch.optim))
    assert ours[-1] < ours[0]
    assert_allclose(ours, theirs, rtol=2e-5)  # float32 sums in other orders, over twenty updates


FAULTS = {
    "features": lambda t, n, m: m(t.zeros(5, 2, 7)),
    "dtype": lambda t, n, m: m(t.zeros(5, 2, 3, dtype=t.float64)),
    "axes": lambda t, n, m: m(t.zeros(5, 2, 3, 1)),
    "no steps": lambda t, n, m: m(t.zeros(0, 2, 3)),
    "state's samples": lambda t, n, m: m(t.zeros(5, 2, 3), t.zeros(1, 3, 4)),
    "state's axes": lambda t, n, m: m(t.zeros(5, 2, 3), t.zeros(2, 4)),
    "state of a sequence alone": lambda t, n, m: m(t.zeros(5, 3), t.zeros(1, 1, 4)),
    "dropout": lambda t, n, m: n.GRU(3, 4, dropout=1.5),
    "hidden size": lambda t, n, m: n.GRU(3, 0),
    "hidden size's type": lambda t, n, m: n.GRU(3, 4.0),
    "projection": lambda t, n, m: n.GRU(3, 4, proj_size=2),
    "large projection": lambda t, n, m: n.LSTM(3, 4, proj_size=4),
    "layers": lambda t, n, m: n.GRU(3, 4, 0),
    "bias": lambda t, n, m: n.GRU(3, 4, bias=1),
    "nonlinearity": lambda t, n, m: n.RNN(3, 4, nonlinearity="sin"),
    "cell's axes": lambda t, n, m: n.GRUCell(3, 4)(t.zeros(2, 2, 3)),
    "cell's features": lambda t, n, m: n.GRUCell(3, 4)(t.zeros(2, 5)),
    "cell's state": lambda t, n, m: n.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 5), t.zeros(2, 4))),
    "cell's state of a sample alone": lambda t, n, m: n.GRUCell(3, 4)(t.zeros(3), t.zeros(1, 4)),
    "cell's samples": lambda t, n, m: n.RNNCell(3, 4)(t.zeros(2, 3), t.zeros(3, 4)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_pytorch_refuses_is_refused(name):
    """With an error that a script catching PyTorch's class catches too."""
    with pytest.raises(Exception) as theirs:  # which class is what the test asks
        FAULTS[name](torch, torch.nn, torch.nn.GRU(3, 4))
    with pytest.raises(type(theirs.value)):
        FAULTS[name](te, nn, nn.GRU(3, 4))


def test_dropout_of_one_layer_warns():
    """PyTorch's warning: dropout acts between layers only."""
    for library in (torch.nn, nn):
        with pytest.warns(UserWarning, match="expects num_layers greater than 1"):
            library.LSTM(3, 4, dropout=0.5)


def test_dropout_acts_between_layers_in_training():
    """p=1 leaves the second layer without input; in evaluation nothing is dropped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = nn.GRU(3, 4, 2, dropout=1.0)
    layer.load_state_dict({k: v * 3 for k, v in layer.state_dict().items()})
    x, y = te.randn(5, 2, 3), te.randn(5, 2, 3)
    assert_array_equal(layer(x)[0].detach().numpy(), layer(y)[0].detach().numpy())
    layer.eval()
    assert not np.allclose(layer(x)[0].detach().numpy(), layer(y)[0].detach().numpy())


@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True}, {"padding_value": -1.0, "padding_side": "left"}], ids=str
)
def test_sequences_are_padded_and_cut_as_pytorch_does(options, rng):
    """pad_sequence and unpad_sequence, of vectors and of rows of features."""
    for rest in ((), (3,)):
        sequences = [rng.standard_normal((n, *rest)) for n in (2, 4, 1)]
        theirs = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences], **options)
        ours = nn.utils.rnn.pad_sequence([te.tensor(s) for s in sequences], **options)
        assert_array_equal(ours.numpy(), theirs.numpy())
        if "padding_side" not in options:
            again = nn.utils.rnn.unpad_sequence(ours, te.tensor([2, 4, 1]), **options)
            for part, sequence in zip(again, sequences, strict=True):
                assert_array_equal(part.numpy(), sequence)
