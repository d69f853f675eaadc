"""PyTorch's other paths to its layers, and the layers that only pass on."""

from __future__ import annotations

import importlib

import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
LIBRARIES = (torch, tg)
PATHS = [
    ("activation", "ReLU"), ("batchnorm", "_BatchNorm"), ("container", "Sequential"), ("conv", "_ConvNd"),
    ("distance", "CosineSimilarity"), ("dropout", "Dropout"), ("flatten", "Unflatten"), ("fold", "Unfold"),
    ("instancenorm", "InstanceNorm2d"), ("linear", "Linear"), ("loss", "_Loss"), ("module", "Module"),
    ("normalization", "LayerNorm"), ("padding", "ZeroPad2d"), ("pixelshuffle", "PixelShuffle"),
    ("pooling", "MaxPool2d"), ("rnn", "LSTM"), ("sparse", "Embedding"), ("transformer", "Transformer"),
    ("upsampling", "Upsample"), ("utils", "_pair"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "name"), PATHS)
def test_modules_by_their_files(file, name):
    """`from nn.modules.conv import _ConvNd` and `nn.modules.conv._ConvNd`, as in PyTorch."""
    for m in LIBRARIES:
        module = importlib.import_module(f"{m.__name__}.nn.modules.{file}")
        assert hasattr(module, name)
        assert getattr(getattr(m.nn.modules, file), name) is getattr(module, name)


def test_modules_are_those_of_nn():
    """isinstance by the long path finds the layers of the short one."""
    for m in LIBRARIES:
        assert m.nn.modules.Linear is m.nn.Linear
        assert isinstance(m.nn.BatchNorm1d(2), m.nn.modules.batchnorm._BatchNorm)
        assert isinstance(m.nn.ConvTranspose2d(1, 1, 1), m.nn.modules.conv._ConvNd)
        assert isinstance(m.nn.NLLLoss(), m.nn.modules.loss._WeightedLoss)
        assert m.nn.modules.utils._pair(3) == (3, 3)
        assert m.nn.modules.utils._triple([1, 2, 3]) == (1, 2, 3)
    with pytest.raises(AttributeError, match="Linaer"):
        tg.nn.modules.Linaer  # the access is the test


def test_data_parallel_without_a_gpu():
    """The module's own results, and its state under `module.`."""
    for m in LIBRARIES:
        net = m.nn.DataParallel(m.nn.Linear(2, 3))
        x = m.ones(4, 2)
        assert m.equal(net(x), net.module(x))
        assert list(net.state_dict()) == ["module.weight", "module.bias"]
    assert repr(tg.nn.DataParallel(tg.nn.ReLU())) == repr(torch.nn.DataParallel(torch.nn.ReLU()))


def test_unflatten():
    """The way back from Flatten: result, text and errors are PyTorch's."""
    for m in LIBRARIES:
        net = m.nn.Sequential(m.nn.Flatten(), m.nn.Unflatten(1, (2, -1)))
        assert tuple(net(m.zeros(5, 2, 3)).shape) == (5, 2, 3)
        with pytest.raises(TypeError, match="tuple of ints"):
            m.nn.Unflatten(1, (2.0, 3))
        with pytest.raises(TypeError, match="tuple of ints"):
            m.nn.Unflatten(1, 6)
        with pytest.raises(RuntimeError):
            m.nn.Unflatten(1, (4, 2))(m.zeros(2, 6))
    assert repr(tg.nn.Unflatten(1, (2, 3))) == repr(torch.nn.Unflatten(1, (2, 3)))


def test_what_loading_prints():
    """The report on keys, and a state_dict as text."""
    texts = []
    for m in LIBRARIES:
        net = m.nn.Linear(1, 1, bias=False)
        net.weight.data.fill_(2)
        report = net.load_state_dict({"more": m.ones(1)}, strict=False)
        texts.append((repr(report), repr(net.load_state_dict(net.state_dict())), repr(net.state_dict())))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_circular_padding_of_another_number_of_axes(dims):
    """A ValueError that says how many are expected, as in PyTorch."""
    for m in LIBRARIES:
        layer = getattr(m.nn, f"CircularPad{dims}d")(1)
        assert tuple(layer(m.zeros((2,) + (3,) * dims)).shape) == (2,) + (5,) * dims
        for wrong in (dims, dims + 3):
            with pytest.raises(ValueError, match=f"expected {dims + 1}D or {dims + 2}D input"):
                layer(m.zeros((3,) * wrong))
