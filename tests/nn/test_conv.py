"""Convolution layers: shapes, padding, windows, and layers that learn their input's size."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import trace


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "same"])
def test_padding_mode_continues_the_input(mode, padding, rng):
    """As np.pad does, before an ordinary convolution."""
    layer = nn.Conv1d(1, 1, 5, padding=padding, padding_mode=mode, bias=False).double()
    x = rng.standard_normal(8)
    words = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}
    framed = np.pad(x, 2, mode=words.get(mode, mode))
    expected = np.correlate(framed, layer.weight.detach().numpy()[0, 0], mode="valid")
    np.testing.assert_allclose(layer(tg.tensor(x)[None, None])[0, 0].detach().numpy(), expected, rtol=1e-12, atol=1e-13)


def test_an_odd_zero_of_same_padding_stands_after():
    """A window of 2 sees each element and its successor."""
    layer = nn.Conv1d(1, 1, 2, padding="same", bias=False)
    with tg.no_grad():
        layer.weight.copy_(tg.tensor([[[1.0, 10.0]]]))
    assert layer(tg.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[21.0, 32.0, 3.0]]]


def test_transposed_leads_back():
    """ConvTranspose2d has the shapes of Conv2d the other way round, and output_size picks among the possible ones."""
    X = tg.zeros(2, 3, 9, 8)
    there = nn.Conv2d(3, 5, 3, stride=2, padding=1)
    back = nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1)
    Y = there(X)
    assert tuple(Y.shape) == (2, 5, 5, 4)
    assert tuple(back(Y).shape) == (2, 3, 9, 7)
    assert tuple(back(Y, output_size=X.shape).shape) == tuple(X.shape)
    assert tuple(back(Y, output_size=(9, 8)).shape) == tuple(X.shape)
    with pytest.raises(ValueError, match=r"output size of \(20, 8\), but valid sizes range from \[9, 7\] to \[10, 8\]"):
        back(Y, output_size=(20, 8))
    with pytest.raises(ValueError, match="output_size must have 2 or 4 elements"):
        back(Y, output_size=(9, 8, 1))


def test_unfold_and_fold_count_how_often_an_element_is_seen():
    """fold(unfold(ones)) is the number of windows over each element."""
    X = tg.ones(1, 1, 3, 4)
    V = nn.Unfold(2)(X)
    assert tuple(V.shape) == (1, 4, 6)
    assert nn.Fold((3, 4), 2)(V)[0, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]


WRONG = {
    "groups and channels": (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels must be divisible by groups"),
    "groups and filters": (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels must be divisible by groups"),
    "no groups": (lambda: nn.Conv2d(4, 4, 3, groups=0), "groups must be a positive integer"),
    "padding": (lambda: nn.Conv2d(4, 4, 3, padding="full"), "Invalid padding string 'full'"),
    "padding_mode": (lambda: nn.Conv2d(4, 4, 3, padding_mode="x"), "padding_mode must be one of"),
    "same, strided": (lambda: nn.Conv2d(4, 4, 3, padding="same", stride=2), "not supported for strided convolutions"),
    "transposed": (lambda: nn.ConvTranspose2d(2, 2, 2, padding_mode="reflect"), 'Only "zeros" padding mode'),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_options_that_do_not_fit_are_refused_at_once(make, message):
    """A ValueError when the layer is made, not when it is called."""
    with pytest.raises(ValueError, match=message):
        make()


def test_lazy_layer_becomes_the_ordinary_one_at_its_first_call():
    """Its class, its repr, its parameters and the numbers from the seed are those of the ordinary layer."""
    tg.manual_seed(3)
    lazy = nn.LazyConv2d(6, 3, padding=1, groups=2)
    weight = lazy.weight
    assert repr(lazy) == "LazyConv2d(0, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2)"
    assert repr(lazy.weight) == "<UninitializedParameter>"
    lazy(tg.zeros(1, 4, 5, 5))
    assert type(lazy) is nn.Conv2d
    assert lazy.weight is weight  # an optimizer may hold it already
    tg.manual_seed(3)
    usual = nn.Conv2d(4, 6, 3, padding=1, groups=2)
    assert repr(lazy) == repr(usual)
    assert lazy.weight.tolist() == usual.weight.tolist()
    assert lazy.bias.tolist() == usual.bias.tolist()


@pytest.mark.parametrize(
    ("make", "shape", "weight"),
    [
        (lambda: nn.LazyLinear(2, bias=False), (5, 3), (2, 3)),
        (lambda: nn.LazyConv1d(2, 3), (4, 5), (2, 4, 3)),
        (lambda: nn.LazyConv3d(2, 1), (1, 4, 2, 2, 2), (2, 4, 1, 1, 1)),
        (lambda: nn.LazyConvTranspose1d(2, 3), (1, 4, 5), (4, 2, 3)),
        (lambda: nn.LazyConvTranspose2d(6, 3, groups=2), (1, 4, 5, 5), (4, 3, 3, 3)),
    ],
)
def test_lazy_shapes(make, shape, weight):
    """Inputs with or without a batch axis tell the number of channels."""
    layer = make()
    layer(tg.zeros(*shape))
    assert tuple(layer.weight.shape) == weight


def test_lazy_layer_is_trained_by_an_optimizer_made_before():
    """The parameters stay the same objects."""
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model(tg.ones(2, 3)).sum().backward()
    before = model[2].bias.item()
    optimizer.step()
    assert model[2].bias.item() == pytest.approx(before - 0.2, rel=1e-6)  # float32


@pytest.mark.parametrize("use", [lambda p: p + 1, lambda p: p.shape, lambda p: p.numel(), lambda p: p.tolist()])
def test_a_parameter_without_shape_says_so(use):
    """Whatever reads it names the way out."""
    with pytest.raises((ValueError, RuntimeError), match=r"Call the (lazy )?module once on a batch"):
        use(nn.LazyLinear(2).weight)


def test_lazy_state_dict():
    """An ordinary one initializes; a lazy one loads into lazy layers alone, and changes nothing elsewhere."""
    usual, lazy = nn.Linear(3, 2), nn.LazyLinear(2)
    lazy.load_state_dict(usual.state_dict())
    assert lazy.weight.tolist() == usual.weight.tolist()
    lazy(tg.zeros(1, 3))
    assert repr(lazy) == repr(usual)
    waiting = nn.LazyLinear(2)
    waiting.load_state_dict(nn.LazyLinear(2).state_dict())
    assert waiting.has_uninitialized_params()
    before = usual.weight.tolist()
    with pytest.raises(RuntimeError, match="weight has no shape yet in the checkpoint"):
        usual.load_state_dict(waiting.state_dict())
    assert usual.weight.tolist() == before


def test_lazy_layers_convert_and_copy_before_their_first_call():
    """.double(), requires_grad_ and deepcopy are remembered."""
    layer = copy.deepcopy(nn.LazyLinear(2).double().requires_grad_(False))
    assert layer.has_uninitialized_params()
    assert layer(tg.zeros(1, 3, dtype=tg.float64)).dtype == tg.float64
    assert not layer.weight.requires_grad


def test_lazy_layer_refuses_what_it_can_not_take_and_stays_lazy():
    """After an error the layer waits as before."""
    layer = nn.LazyConv2d(4, 3, groups=2)
    with pytest.raises(RuntimeError, match="to LazyConv2d, but got input of size"):
        layer(tg.zeros(3))
    with pytest.raises(ValueError, match="got 3 channels and groups=2"):
        layer(tg.zeros(1, 3, 5, 5))
    assert layer.has_uninitialized_params()
    layer(tg.zeros(1, 2, 5, 5))
    assert tuple(layer.weight.shape) == (4, 1, 3, 3)


def test_a_traced_step_equals_the_eager_one(rng):
    """Convolution, transposed convolution and their gradients replay bit for bit."""

    def made():
        tg.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(3, 1, 4, 2, 1))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), x)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def batch():
        return tg.tensor(rng.standard_normal((2, 1, 8, 8)).astype(np.float32))

    eager, program = made(), trace(made(), batch())
    for _ in range(4):
        x = batch()
        assert eager(x).item() == program(x).item()
