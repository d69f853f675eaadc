"""Convolution layers beside PyTorch's: numbers from the seed, text, state_dicts, and a network trained."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LAYERS = {
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "Conv2d": (lambda nn: nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, dilation=(1, 2), groups=2), (2, 4, 9, 8)),
    "Conv2d same": (lambda nn: nn.Conv2d(3, 5, 4, padding="same"), (2, 3, 7, 6)),
    "Conv2d valid": (lambda nn: nn.Conv2d(3, 5, 4, padding="valid", bias=False), (2, 3, 7, 6)),
    "Conv2d reflect": (lambda nn: nn.Conv2d(3, 5, 3, padding=(1, 2), padding_mode="reflect"), (2, 3, 7, 6)),
    "Conv2d replicate": (lambda nn: nn.Conv2d(3, 5, 3, padding=2, stride=2, padding_mode="replicate"), (3, 7, 6)),
    "Conv2d circular": (lambda nn: nn.Conv2d(3, 5, 4, padding="same", padding_mode="circular"), (2, 3, 7, 6)),
    "Conv2d valid circular": (lambda nn: nn.Conv2d(3, 5, 4, padding="valid", padding_mode="circular"), (2, 3, 7, 6)),
    "Conv2d of tuples": (lambda nn: nn.Conv2d(3, 5, [2, 3], stride=[1, 2]), (2, 3, 7, 6)),
    "Conv3d": (lambda nn: nn.Conv3d(2, 3, 2, padding=1), (1, 2, 3, 4, 3)),
    "ConvTranspose1d": (lambda nn: nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), (2, 4, 5)),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2, dilation=2), (2, 4, 5, 4)),
    "ConvTranspose2d no bias": (lambda nn: nn.ConvTranspose2d(3, 2, (2, 3), bias=False), (3, 4, 4)),
    "ConvTranspose3d": (lambda nn: nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 1)), (1, 2, 2, 3, 2)),
    "Unfold": (lambda nn: nn.Unfold((2, 3), dilation=2, padding=1, stride=(2, 1)), (2, 3, 7, 8)),
    "Fold": (lambda nn: nn.Fold(output_size=(4, 5), kernel_size=(2, 2)), (2, 12, 12)),
    "LazyLinear": (lambda nn: nn.LazyLinear(5), (2, 3)),
    "LazyConv1d": (lambda nn: nn.LazyConv1d(4, 3, groups=2), (2, 6, 7)),
    "LazyConv2d": (lambda nn: nn.LazyConv2d(4, 3, padding=1), (2, 3, 5, 5)),
    "LazyConvTranspose2d": (lambda nn: nn.LazyConvTranspose2d(4, 3, stride=2, bias=False), (2, 3, 5, 5)),
}


@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_layer_is_pytorch_s(make, shape, rng):
    """From one seed: text before and after the call, result, gradients, and names and shapes of the state."""
    x = rng.standard_normal(shape).astype(np.float32)
    found = []
    for lib in (tg, torch):
        lib.manual_seed(7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PyTorch's: that lazy modules are new, that 'same' copies
            layer = make(lib.nn)
            texts = [repr(layer)]
            X = lib.tensor(x, requires_grad=True)
            Y = layer(X)
        texts.append(repr(layer))
        (Y * Y).sum().backward()
        state = {name: value.detach().numpy() for name, value in layer.state_dict().items()}
        gradients = [X.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]
        found.append((texts, state, Y.detach().numpy(), gradients))
    (texts, state, Y, gradients), (their_texts, their_state, their_Y, their_gradients) = found
    assert texts == their_texts
    assert list(state) == list(their_state)
    for name, value in state.items():
        np.testing.assert_array_equal(value, their_state[name])  # the same draws
    # float32 sums of up to 100 terms in another order
    np.testing.assert_allclose(Y, their_Y, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(gradients, their_gradients, strict=True):  # of sums of up to 1,000 terms; measured 8e-5
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_output_size_is_pytorch_s():
    """For each size that PyTorch takes the result is the same, for others both raise ValueError."""
    weight = np.arange(18, dtype=np.float32).reshape(1, 2, 3, 3)
    for size in ((6, 7), (7, 7), (8, 8), (8, 9), (1, 2, 7, 8), (7,)):
        found = []
        for lib in (tg, torch):
            layer = lib.nn.ConvTranspose2d(1, 2, 3, stride=2, bias=False)
            with lib.no_grad():
                layer.weight.copy_(lib.tensor(weight))
            try:
                found.append(layer(lib.ones(1, 1, 3, 3), output_size=size).tolist())
            except ValueError:
                found.append("refused")
        assert found[0] == found[1], size


SCRIPT = """
import {library} as torch
from {library} import nn
from {library}.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2, padding="valid")
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(8, 2, 4, stride=2, padding=1)
        self.fc = nn.LazyLinear(3)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.depth(F.relu(self.conv2(x))))
        x = torch.tanh(self.up(x))
        return self.fc(x.view(x.size(0), -1))


torch.manual_seed(0)
labels = torch.randint(0, 3, (20,))
images = torch.randn(20, 1, 9, 9) + labels[:, None, None, None]
model = Net()
model(images[:1])
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
losses = []
for step in range(15):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
"""


def test_the_same_script_gives_the_same_curve():
    """A small network with every kind of convolution, 15 steps: only the import differs."""
    losses = {}
    for library in ("tinygrad_edu", "torch"):
        scope = {"__name__": "script"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PyTorch's: that lazy modules are new
            exec(SCRIPT.format(library=library), scope)
        losses[library] = scope["losses"]
    # float32 sums in another order, amplified by 15 steps; measured 3e-7
    np.testing.assert_allclose(losses["tinygrad_edu"], losses["torch"], rtol=1e-5)
    assert losses["torch"][-1] < losses["torch"][0] / 2
