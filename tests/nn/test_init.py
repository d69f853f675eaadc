"""nn.init: PyTorch's numbers from the seed, stored here, so that no PyTorch is needed to check them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import init

# Each printed by PyTorch 2.13: torch.manual_seed(7), then the function on torch.empty(3, 2)
STORED = [
    (
        "uniform_",
        {"a": -2.0, "b": 3.0},
        [
            0.6746127009391785,
            -1.0059840679168701,
            1.2960584163665771,
            1.2844513654708862,
            -0.8361921906471252,
            0.12530702352523804,
        ],
    ),
    (
        "normal_",
        {"mean": 1.0, "std": 2.0},
        [
            0.7064098119735718,
            2.572282552719116,
            2.8936431407928467,
            -1.2286880016326904,
            4.381580352783203,
            -0.7896557450294495,
        ],
    ),
    (
        "xavier_uniform_",
        {"gain": 2.0},
        [
            0.1530229151248932,
            -1.319778323173523,
            0.6976307034492493,
            0.6874587535858154,
            -1.1709802150726318,
            -0.3283644914627075,
        ],
    ),
    (
        "xavier_normal_",
        {},
        [
            -0.09284137189388275,
            0.4971994161605835,
            0.5988225936889648,
            -0.7047730684280396,
            1.0693495273590088,
            -0.5659388303756714,
        ],
    ),
    (
        "kaiming_uniform_",
        {"a": 0.2},
        [
            0.11862596869468689,
            -1.0231146812438965,
            0.5408152341842651,
            0.5329297780990601,
            -0.9077638387680054,
            -0.25455373525619507,
        ],
    ),
    (
        "kaiming_uniform_",
        {"mode": "fan_out", "nonlinearity": "relu"},
        [
            0.09877585619688034,
            -0.8519132137298584,
            0.45031866431236267,
            0.4437527060508728,
            -0.7558644413948059,
            -0.21195834875106812,
        ],
    ),
    (
        "kaiming_normal_",
        {"nonlinearity": "tanh"},
        [
            -0.17299968004226685,
            0.9264764189720154,
            1.115839958190918,
            -1.3132669925689697,
            1.9926152229309082,
            -1.0545647144317627,
        ],
    ),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), STORED, ids=[f"{n}{k}" for n, k, _ in STORED])
def test_values_are_pytorch_s_from_the_same_seed(name, arguments, expected):
    """Uniform ones agree to the bit, normal ones to the last digits of logarithm and cosine."""
    tg.manual_seed(7)
    tensor = tg.empty(3, 2)
    assert getattr(init, name)(tensor, **arguments) is tensor
    if "uniform" in name:
        np.testing.assert_array_equal(tensor.numpy(), np.array(expected, np.float32).reshape(3, 2))
    else:
        np.testing.assert_allclose(tensor.numpy().ravel(), expected, rtol=1e-6)  # a few roundings of float32


def test_linear_starts_from_pytorch_s_weights():
    """manual_seed(7) and Linear(3, 2): the weights that PyTorch printed, to the bit."""
    tg.manual_seed(7)
    layer = nn.Linear(3, 2)
    weight = [
        [0.04032507538795471, -0.3477921187877655, 0.18384182453155518],
        [0.1811612844467163, -0.3085803687572479, -0.0865316316485405],
    ]
    assert layer.weight.tolist() == weight
    assert layer.bias.tolist() == [-0.33822792768478394, 0.1498066484928131]


def test_constants():
    """constant_, zeros_, ones_ and eye_ fill in place, parameters too, and return the tensor."""
    p = nn.Parameter(tg.empty(2, 3))
    assert init.constant_(p, 0.5) is p
    assert p.tolist() == [[0.5] * 3] * 2
    assert init.zeros_(p).tolist() == [[0.0] * 3] * 2
    assert init.ones_(p).tolist() == [[1.0] * 3] * 2
    assert init.eye_(p).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert p.is_leaf
    assert p.requires_grad


def test_a_generator_of_one_s_own():
    """generator= draws from it and leaves the default stream alone."""
    tg.manual_seed(0)
    expected = tg.rand(3).tolist()
    tg.manual_seed(0)
    one = init.uniform_(tg.empty(2, 2), generator=tg.Generator().manual_seed(3)).tolist()
    assert tg.rand(3).tolist() == expected
    assert init.uniform_(tg.empty(2, 2), generator=tg.Generator().manual_seed(3)).tolist() == one


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1.0),
        ("conv2d", None, 1.0),
        ("sigmoid", None, 1.0),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
        ("selu", None, 0.75),
    ],
)
def test_gains(name, param, gain):
    """calculate_gain's table is PyTorch's."""
    assert init.calculate_gain(name, param) == pytest.approx(gain, rel=1e-15)  # one rounding


def test_the_fans_of_a_convolution_count_its_window():
    """(out, in, 3, 3): fan_in is in * 9, so the bound of kaiming_uniform_ is sqrt(6 / (in * 9))."""
    tensor = init.kaiming_uniform_(tg.empty(64, 8, 3, 3))
    bound = math.sqrt(6 / (8 * 9))
    largest = np.abs(tensor.numpy()).max()
    assert 0.99 * bound < largest <= bound


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.xavier_uniform_(tg.empty(3)), "fewer than 2 dimensions: the shape is (3,)"),
        (lambda: init.kaiming_normal_(tg.empty(3)), "fewer than 2 dimensions: the shape is (3,)"),
        (lambda: init.kaiming_uniform_(tg.empty(2, 2), mode="fan"), "Mode fan not supported"),
        (lambda: init.calculate_gain("leaky"), "Unsupported nonlinearity leaky; did you mean 'leaky_relu'?"),
        (lambda: init.calculate_gain("leaky_relu", "0.1"), "negative_slope 0.1 not a valid number"),
        (lambda: init.eye_(tg.empty(3)), "Only tensors with 2 dimensions are supported"),
    ],
)
def test_bad_arguments(call, message):
    """A ValueError, as in PyTorch, that says what is wrong."""
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_an_interval_the_wrong_way_round():
    """uniform_ from 1 to 0 is refused, and the tensor is as it was."""
    tensor = tg.ones(2)
    with pytest.raises(RuntimeError, match=r"from=1.0 > to=0.0"):
        init.uniform_(tensor, 1.0, 0.0)
    assert tensor.tolist() == [1.0, 1.0]


def test_an_empty_weight_draws_nothing():
    """As in PyTorch: a warning, and the tensor back."""
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(tg.empty(0, 3))
