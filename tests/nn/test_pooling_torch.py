"""Pooling, resizing and padding layers against PyTorch: text, arguments, results, and a training run."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from ..ops.side_by_side import compare  # noqa: E402  # that file skips itself where PyTorch is absent

LAYERS = {  # how it is made, and what it is given
    "MaxPool1d": (lambda nn: nn.MaxPool1d(2), (2, 3, 7)),
    "MaxPool1d of all": (lambda nn: nn.MaxPool1d(3, 1, 1, 2, True, True), (3, 7)),
    "MaxPool2d": (lambda nn: nn.MaxPool2d((3, 2), stride=2, padding=1, ceil_mode=True), (2, 3, 7, 6)),
    "MaxPool3d": (lambda nn: nn.MaxPool3d(2, (1, 2, 2)), (2, 3, 4, 4, 5)),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 3, 7)),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(2, divisor_override=3), (3, 7, 6)),
    "AvgPool3d": (lambda nn: nn.AvgPool3d(2, 1, 1, True, False), (1, 2, 3, 4, 3)),
    "AdaptiveAvgPool1d": (lambda nn: nn.AdaptiveAvgPool1d(3), (2, 7)),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((None, 3)), (2, 3, 4, 7)),
    "AdaptiveAvgPool3d": (lambda nn: nn.AdaptiveAvgPool3d(1), (2, 3, 4, 7, 2)),
    "AdaptiveMaxPool1d": (lambda nn: nn.AdaptiveMaxPool1d(3, return_indices=True), (2, 7)),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d(3), (2, 3, 4, 7)),
    "AdaptiveMaxPool3d": (lambda nn: nn.AdaptiveMaxPool3d((1, 2, 3)), (2, 3, 4, 7)),
    "LPPool1d": (lambda nn: nn.LPPool1d(2, 3, 2), (2, 3, 7)),
    "LPPool2d": (lambda nn: nn.LPPool2d(2, (2, 3), ceil_mode=True), (2, 3, 7, 6)),
    "LPPool3d": (lambda nn: nn.LPPool3d(2, 2), (2, 4, 4, 4)),
    "Upsample": (lambda nn: nn.Upsample(scale_factor=2), (2, 3, 4)),
    "Upsample to a size": (lambda nn: nn.Upsample((5, 7), mode="bilinear", align_corners=True), (2, 3, 4, 4)),
    "Upsample by factors": (lambda nn: nn.Upsample(scale_factor=(2, 1.5), mode="bicubic"), (2, 3, 4, 4)),
    "UpsamplingNearest2d": (lambda nn: nn.UpsamplingNearest2d(scale_factor=3), (2, 3, 4, 4)),
    "UpsamplingBilinear2d": (lambda nn: nn.UpsamplingBilinear2d(size=7), (2, 3, 4, 4)),
    "PixelShuffle": (lambda nn: nn.PixelShuffle(2), (2, 8, 3, 3)),
    "PixelUnshuffle": (lambda nn: nn.PixelUnshuffle(2), (2, 2, 4, 6)),
    "ChannelShuffle": (lambda nn: nn.ChannelShuffle(2), (2, 6, 2)),
    "ConstantPad1d": (lambda nn: nn.ConstantPad1d(2, 1.5), (2, 3, 4)),
    "ConstantPad2d": (lambda nn: nn.ConstantPad2d((1, 0, -1, 2), -1.0), (2, 3, 4)),
    "ConstantPad3d": (lambda nn: nn.ConstantPad3d(1, 2), (2, 3, 4, 2)),
    "ZeroPad1d": (lambda nn: nn.ZeroPad1d((1, 2)), (2, 3, 4)),
    "ZeroPad2d": (lambda nn: nn.ZeroPad2d(1), (2, 3, 4)),
    "ZeroPad3d": (lambda nn: nn.ZeroPad3d(1), (2, 3, 4, 2)),
}
for _kind in ("Reflection", "Replication", "Circular"):
    LAYERS[f"{_kind}Pad1d"] = (lambda nn, k=_kind: getattr(nn, f"{k}Pad1d")((2, 1)), (2, 3, 4))
    LAYERS[f"{_kind}Pad2d"] = (lambda nn, k=_kind: getattr(nn, f"{k}Pad2d")((2, 1, 0, 1)), (2, 3, 4, 5))
    LAYERS[f"{_kind}Pad3d"] = (lambda nn, k=_kind: getattr(nn, f"{k}Pad3d")(1), (2, 2, 3, 4, 5))
CLASSES = sorted({name.split()[0] for name in LAYERS} | {"MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"})


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree(name, rng):
    """Text, results, gradients and second gradients."""
    make, shape = LAYERS[name]
    assert repr(make(tg.nn)) == repr(make(torch.nn))
    compare(lambda L, x: make(L.m.nn)(x), shape, rng=rng, exact=False)


@pytest.mark.parametrize("name", CLASSES)
def test_layers_take_pytorchs_arguments(name):
    """Names, order and defaults; no parameters, no buffers."""

    def arguments(cls):
        return [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]

    assert arguments(getattr(tg.nn, name)) == arguments(getattr(torch.nn, name))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_layers_agree(dims, rng):
    """MaxUnpool undoes MaxPool with its indices, and prints as PyTorch's."""

    def function(L, x):
        nn = L.m.nn
        y, places = getattr(nn, f"MaxPool{dims}d")(2, 2, return_indices=True)(x)
        return getattr(nn, f"MaxUnpool{dims}d")(2, stride=2)(y, places, output_size=x.size())

    compare(function, (2, 3, *(5, 4, 7)[:dims]), rng=rng)
    assert repr(getattr(tg.nn, f"MaxUnpool{dims}d")(2)) == repr(getattr(torch.nn, f"MaxUnpool{dims}d")(2))


def losses(m, make, x, labels):
    """Twenty steps of a small network of convolutions, pooled in three ways, from the seed."""
    m.manual_seed(0)
    nn = m.nn
    model = nn.Sequential(
        nn.ReflectionPad2d(1), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(inplace=True), nn.AvgPool2d(2, ceil_mode=True),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.AdaptiveMaxPool2d(3), nn.Flatten(), nn.Linear(72, 3),
    )  # fmt: skip
    optimizer = m.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(make(x)), make(labels))
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def test_training_run_agrees(rng):
    """The losses of every step from the same seed."""
    x, labels = rng.standard_normal((16, 1, 14, 14)).astype(np.float32), rng.integers(0, 3, 16)
    ours, theirs = losses(tg, tg.tensor, x, labels), losses(torch, torch.tensor, x, labels)
    assert theirs[-1] < 0.7 * theirs[0]
    # float32 sums in another order, amplified by 20 steps; measured 2e-7
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


FRACTIONAL = [
    (2, (2, 3, 9, 11)),
    (2, (3, 9, 8)),
    (3, (2, 2, 7, 8, 9)),
    (3, (2, 6, 6, 7)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("axes", "shape"), FRACTIONAL)
@pytest.mark.parametrize("size", [{"output_size": 4}, {"output_ratio": 0.5}, {"output_size": 1}], ids=str)
def test_fractional_max_pooling(axes, shape, size, dtype, rng):
    """The windows that PyTorch draws from the seed; values, places, gradient and text."""
    x = rng.standard_normal(shape).astype(dtype)
    found = []
    for lib in (torch, tg):
        lib.manual_seed(3)
        t = lib.tensor(x, requires_grad=True)
        layer = getattr(lib.nn, f"FractionalMaxPool{axes}d")(2, return_indices=True, **size)
        values, places = layer(t)
        (values * values).sum().backward()
        found.append(([values.detach().numpy(), places.numpy(), t.grad.numpy()], repr(layer)))
    for theirs, ours in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert found[0][1] == found[1][1]


def test_fractional_max_pooling_refuses():
    """No size, two sizes, a ratio beyond 1, windows that do not fit."""
    for lib in (torch, tg):
        layer, pool = lib.nn.FractionalMaxPool2d, lib.nn.functional.fractional_max_pool2d
        for wrong in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 2.0}):
            with pytest.raises(ValueError):
                layer(2, **wrong)
        with pytest.raises(ValueError):
            pool(lib.ones(1, 1, 4, 4), 2)
        with pytest.raises(RuntimeError, match="too large relative to input"):
            pool(lib.ones(1, 1, 4, 4), 3, 4)
        for shape in ((4, 2), (0, 4, 2), (1, 5, 2), (1, 4, 3)):
            with pytest.raises(RuntimeError, match="Expect _random_samples"):
                pool(lib.ones(4, 5, 5), 2, 3, _random_samples=lib.ones(shape))


def test_fractional_max_pooling_takes_more_shifts_than_samples(rng):
    """The first are used."""
    x, shifts = rng.standard_normal((4, 5, 5, 5)), rng.random((2, 4, 3))
    found = [
        lib.nn.functional.fractional_max_pool3d(lib.tensor(x), 2, 3, _random_samples=lib.tensor(shifts))
        for lib in (torch, tg)
    ]
    np.testing.assert_array_equal(found[1].numpy(), found[0].numpy())
